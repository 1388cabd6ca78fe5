using System.Runtime.InteropServices;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Accel.Tcg.SoftMmu;

/// <summary>
/// Which bytes of one guest-physical page some vCPU has translated, so that a write beside code on the same page costs no translation.
/// </summary>
public unsafe struct CodePage
{
    /// <summary>Bit (vCPU index mod 64) for each vCPU with blocks from this page.</summary>
    public ulong Vcpus;

    /// <summary>A bit for each byte of the page.</summary>
    public fixed ulong Bytes[64];

    /// <param name="offset">In the page; offset + size is at most 4096.</param>
    public readonly bool Overlaps(int offset, int size)
    {
        for (var i = offset; i < offset + size; i++)
            if ((Bytes[i >> 6] >> (i & 63) & 1) != 0)
                return true;
        return false;
    }
}

/// <summary>One run of guest RAM or ROM, with its code pages.</summary>
public sealed unsafe class RamRegion
{
    private readonly GuestRam _ram;

    internal RamRegion(GuestRam ram)
    {
        _ram = ram;
        Start = ram.GuestAddress;
        Length = ram.Length;
        Host = ram.HostPointer;
        ReadOnly = ram.ReadOnly;
        // calloc: pages of this table cost nothing until the guest executes there.
        CodePages = (CodePage**)NativeMemory.AllocZeroed((nuint)(ram.Length >> 12), (nuint)sizeof(CodePage*));
    }

    public ulong Start { get; }

    public ulong Length { get; }

    public byte* Host { get; }

    public bool ReadOnly { get; }

    /// <summary>By page number in the region; null where nothing was ever translated.</summary>
    public CodePage** CodePages { get; private set; }

    /// <summary>A vCPU may write to the page from now on.</summary>
    internal void MarkDirty(ulong physical) => _ram.MarkDirty((physical - Start) >> 12);

    internal bool IsOf(GuestRam ram) => ReferenceEquals(_ram, ram);

    /// <summary>Whether any vCPU has code from the page at this physical address.</summary>
    public bool IsCode(ulong physical)
    {
        var page = CodePages[(physical - Start) >> 12];
        return page != null && Volatile.Read(ref page->Vcpus) != 0;
    }

    internal void Free()
    {
        if (CodePages == null)
            return;
        for (ulong i = 0; i < Length >> 12; i++)
            NativeMemory.Free(CodePages[i]);
        NativeMemory.Free(CodePages);
        CodePages = null;
    }
}

/// <summary>
/// Guest-physical memory as the translator's vCPUs see it, shared by all of them, and the tracking of writes to translated code.
/// </summary>
/// <remarks>
/// A vCPU that translates from a page first marks it here, which turns every vCPU's fast write path to that page off; then it reads the bytes.
/// A write to bytes that are marked invalidates: at once for the writer, before the next block for the others, and before the write is done,
/// so that a vCPU that sees a later write sees the invalidation too. A store of another vCPU that had passed its TLB compare when
/// the mark was set is not seen; guests that modify code across processors serialise first (SDM Vol. 3A, 9.1.3).
/// </remarks>
public sealed unsafe class PhysicalMap : IDisposable
{
    private readonly Lock _lock = new();

    /// <summary>Held for locked operations that the host cannot do in one access.</summary>
    internal Lock SplitLock { get; } = new();

    internal HostAtomics HostAtomics { get; } = new();

    /// <summary>
    /// A page is noted as written when a vCPU gets it for writing. Set while no vCPU runs; from then on a read alone does not make a TLB entry for writing, and
    /// those that there are go when a vCPU's state is loaded.
    /// </summary>
    public bool TracksWrites { get; set; }

    private RamRegion[] _regions = [];
    private TcgCore[] _cores = [];

    public void SetLayout(IReadOnlyList<GuestRam> layout)
    {
        lock (_lock)
        {
            var old = _regions;
            var regions = new RamRegion[layout.Count];
            for (var i = 0; i < regions.Length; i++)
                regions[i] = Array.Find(old, r => r.IsOf(layout[i])) ?? TakeRetired(layout[i]) ?? new RamRegion(layout[i]);
            _regions = regions;
            foreach (var region in old)
                if (Array.IndexOf(regions, region) < 0)
                    _retired.Add(region);
            foreach (var core in _cores)
                core.RequestFullFlush();
        }
    }

    // A vCPU may still be in a region that went away; they are freed with the map. One that a guest switches away and back is kept for that.
    private readonly List<RamRegion> _retired = [];

    private RamRegion? TakeRetired(GuestRam ram)
    {
        var region = _retired.Find(r => r.IsOf(ram));
        if (region is not null)
            _retired.Remove(region);
        return region;
    }

    public void Attach(TcgCore core)
    {
        lock (_lock)
            _cores = [.. _cores, core];
    }

    public void Detach(TcgCore core)
    {
        lock (_lock)
            _cores = Array.FindAll(_cores, c => c != core);
    }

    /// <summary>The region that a physical address is in, or null: a device's, or nobody's.</summary>
    public RamRegion? Find(ulong physical)
    {
        foreach (var region in _regions)
            if (physical - region.Start < region.Length)
                return region;
        return null;
    }

    /// <summary>Marks bytes as translated by a vCPU. Call before reading them.</summary>
    /// <param name="length">In bytes; stays within the page.</param>
    public void MarkCode(RamRegion region, ulong physical, int length, TcgCore core)
    {
        lock (_lock)
        {
            ref var slot = ref region.CodePages[(physical - region.Start) >> 12];
            if (slot == null)
                slot = (CodePage*)NativeMemory.AllocZeroed((nuint)sizeof(CodePage));
            var wasCode = slot->Vcpus != 0;
            int first = (int)(physical & 0xfff);
            for (var i = first; i < first + length; i++)
                slot->Bytes[i >> 6] |= 1ul << (i & 63);
            Volatile.Write(ref slot->Vcpus, slot->Vcpus | 1ul << (core.Index & 63));
            if (wasCode)
                return;
            Thread.MemoryBarrier();
            foreach (var other in _cores)
                other.Tlb.SlowWritesTo(physical & ~0xffful);
        }
    }

    /// <summary>
    /// Before a write to a page with code: invalidates what overlaps, everywhere. The bytes stay within one page.
    /// </summary>
    /// <returns>True when the writer's own blocks from that page have to go.</returns>
    public bool BeforeWrite(RamRegion region, ulong physical, int size, TcgCore? writer)
    {
        var page = region.CodePages[(physical - region.Start) >> 12];
        if (page == null || page->Vcpus == 0 || !page->Overlaps((int)(physical & 0xfff), size))
            return false;
        lock (_lock)
        {
            var vcpus = page->Vcpus;
            page->Vcpus = 0;
            new Span<byte>(page->Bytes, 512).Clear();
            foreach (var core in _cores)
                if (core != writer && (vcpus >> (core.Index & 63) & 1) != 0)
                    core.RequestInvalidation(physical & ~0xffful);
            return writer != null && (vcpus >> (writer.Index & 63) & 1) != 0;
        }
    }

    /// <summary>A device is about to write guest memory, or has just done so.</summary>
    public void DeviceWrites(ulong physical, ulong length)
    {
        while (length > 0)
        {
            var inPage = Math.Min(length, 0x1000 - (physical & 0xfff));
            if (Find(physical) is { } region)
                BeforeWrite(region, physical, (int)inPage, null);
            physical += inPage;
            length -= inPage;
        }
    }

    public void Dispose()
    {
        foreach (var region in _regions)
            region.Free();
        foreach (var region in _retired)
            region.Free();
        _regions = [];
        _retired.Clear();
        HostAtomics.Dispose();
    }
}
