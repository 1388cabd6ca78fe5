using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>What an access does, as paging sees it.</summary>
public enum MemoryAccess
{
    Read,
    Write,
    Execute,
}

/// <summary>A page's translation, as the guest's paging unit answers.</summary>
/// <param name="Physical">Address of the page.</param>
/// <param name="Readable">And the same for the two others: what the TLB may cache for this privilege.</param>
/// <param name="Watched">Every access to the page has to be shown to <see cref="TcgCore.BeforeSlowAccess"/>.</param>
public readonly record struct PageTranslation(ulong Physical, bool Readable, bool Writable, bool Executable, bool Watched = false);

/// <summary>
/// One vCPU as back ends and the soft MMU see it, whatever its architecture: CPU state and temporaries in unmanaged memory, TLB, guest memory accesses.
/// All members are for the vCPU's own thread, but those called Request….
/// </summary>
public abstract unsafe partial class TcgCore : IDisposable
{
    /// <summary>Access attribute (with the MMU index in the low bits): through the stack segment, for the right exception.</summary>
    public const int StackAccess = 0x80;

    /// <summary>Access attribute: the first half of a read-modify-write, which faults as a write.</summary>
    public const int ForWrite = 0x40;

    /// <summary>The bits of an access attribute that are the MMU index.</summary>
    public const int MmuIndexMask = 0x3;

    // Requests, as bits of CoreHeader.ExitRequest.
    public const int RequestKick = 1, RequestInterrupt = 2, RequestNmi = 4, RequestInit = 8, RequestStartUp = 16, RequestCode = 32, RequestFlush = 64;

    private const int SlotsBehindTemps = 8;

    // Made when first used: a machine with one vCPU has no other that asks.
    private ConcurrentQueue<ulong>? _invalidations;

    /// <param name="stateSize">Of the guest's CPU state in bytes, a multiple of 16; temporaries come behind it.</param>
    protected TcgCore(int index, PhysicalMap physical, IVcpuIo io, int stateSize)
    {
        Index = index;
        Physical = physical;
        Io = io;
        TempOffset = stateSize;
        var size = (nuint)TotalBytes;
        Base = (byte*)NativeMemory.AlignedAlloc(size, 64);
        new Span<byte>(Base, (int)size).Clear();
        Header->Tlb = Tlb.Table;
        physical.Attach(this);
    }

    public int Index { get; }

    public PhysicalMap Physical { get; }

    public IVcpuIo Io { get; }

    public SoftTlb Tlb { get; } = new();

    /// <summary>The CPU state; the temporaries are at <see cref="TempOffset"/>.</summary>
    public byte* Base { get; private set; }

    /// <summary>In bytes from <see cref="Base"/>.</summary>
    public int TempOffset { get; }

    /// <summary>Eight bytes behind the temporaries that only generated code uses, in bytes from <see cref="Base"/>.</summary>
    internal int SpareOffset => TempOffset + (Ir.IrBlock.MaxTemps + SlotsBehindTemps - 1) * sizeof(ulong);

    /// <summary>Of state and temporaries, and what back ends keep behind them, in bytes.</summary>
    internal int TotalBytes => TempOffset + (Ir.IrBlock.MaxTemps + SlotsBehindTemps) * sizeof(ulong);

    public CoreHeader* Header => (CoreHeader*)Base;

    /// <summary>What <see cref="FaultKind.Fatal"/> means this time; null: nobody said it yet, or it was taken.</summary>
    public string? FatalMessage { get; private set; }

    public void Fatal(string message)
    {
        FatalMessage ??= message;
        Header->Fault = (int)FaultKind.Fatal;
    }

    /// <summary>Why it stopped, once: a CPU that is reset or gets another state goes on.</summary>
    public string? TakeFatalMessage()
    {
        var message = FatalMessage;
        FatalMessage = null;
        return message;
    }

    /// <summary>Leaves translated code before the next block, for this reason. From any thread.</summary>
    public void Request(int reason) => Interlocked.Or(ref Unsafe.AsRef<int>((int*)Base), reason);

    /// <summary>Another vCPU or a device wrote to code of this physical page. From any thread.</summary>
    public void RequestInvalidation(ulong physicalPage)
    {
        LazyInitializer.EnsureInitialized(ref _invalidations, static () => new ConcurrentQueue<ulong>()).Enqueue(physicalPage);
        Request(RequestCode);
    }

    /// <summary>Memory layout changed: TLB and translations go. From any thread.</summary>
    public void RequestFullFlush() => Request(RequestFlush);

    /// <summary>Takes the invalidations that others asked for.</summary>
    protected bool TryTakeInvalidation(out ulong physicalPage)
    {
        physicalPage = 0;
        return Volatile.Read(ref _invalidations) is { } queue && queue.TryDequeue(out physicalPage);
    }

    /// <summary>Asks the paging unit; on failure the guest's exception is pending and <see cref="CoreHeader.Fault"/> set.</summary>
    /// <param name="attributes">MMU index and <see cref="StackAccess"/>.</param>
    protected abstract bool TryTranslate(ulong linear, MemoryAccess access, int attributes, out PageTranslation translation);

    /// <summary>
    /// An access to a watched page, a device, or code that is written. False: it must not be done, and <see cref="CoreHeader.Fault"/> is set.
    /// </summary>
    protected abstract bool BeforeSlowAccess(ulong linear, int size, MemoryAccess access, int attributes);

    /// <summary>The vCPU's own blocks of this page must go. True when the block being executed is one of them.</summary>
    protected abstract bool InvalidatePage(ulong physicalPage);

    /// <summary>Reads 1, 2, 4 or 8 bytes, zero-extended, into <paramref name="result"/>; false: <see cref="CoreHeader.Fault"/> is set.</summary>
    public bool Load(ulong linear, int size, int attributes, ulong* result)
    {
        var last = linear + (ulong)(size - 1);
        var index = SoftTlb.IndexOf(linear, attributes & MmuIndexMask);
        var entry = Tlb.Table + index;
        if (entry->Read == (last & ~0xffful))
        {
            *result = ReadHost((byte*)(linear + (ulong)entry->Addend), size);
            return true;
        }
        if (((linear ^ last) & ~0xffful) != 0)
            return LoadAcrossPages(linear, size, attributes, result);
        if ((entry->Read & ~SoftTlb.Slow) != (linear & ~0xffful) && !Fill(linear, (attributes & ForWrite) != 0 ? MemoryAccess.Write : MemoryAccess.Read, attributes))
            return false;
        if ((entry->Read & SoftTlb.Slow) == 0)
        {
            *result = ReadHost((byte*)(linear + (ulong)entry->Addend), size);
            return true;
        }
        if (!BeforeSlowAccess(linear, size, MemoryAccess.Read, attributes))
            return false;
        *result = ReadPhysical(Tlb.PhysicalOf(index) | linear & 0xfff, size);
        return true;
    }

    /// <summary>Writes the low 1, 2, 4 or 8 bytes; false: nothing was written and <see cref="CoreHeader.Fault"/> is set.</summary>
    public bool Store(ulong linear, int size, int attributes, ulong value)
    {
        var last = linear + (ulong)(size - 1);
        var index = SoftTlb.IndexOf(linear, attributes & MmuIndexMask);
        var entry = Tlb.Table + index;
        if (entry->Write == (last & ~0xffful))
        {
            WriteHost((byte*)(linear + (ulong)entry->Addend), size, value);
            return true;
        }
        if (((linear ^ last) & ~0xffful) != 0)
            return StoreAcrossPages(linear, size, attributes, value);
        if ((entry->Write & ~SoftTlb.Slow) != (linear & ~0xffful) && !Fill(linear, MemoryAccess.Write, attributes))
            return false;
        if ((entry->Write & SoftTlb.Slow) == 0)
        {
            WriteHost((byte*)(linear + (ulong)entry->Addend), size, value);
            return true;
        }
        return BeforeSlowAccess(linear, size, MemoryAccess.Write, attributes) && WritePhysical(Tlb.PhysicalOf(index) | linear & 0xfff, size, value);
    }

    /// <summary>
    /// Where a linear address can be written in host memory, for atomic operations and long copies: null when it is not plain RAM (a device, ROM).
    /// Writes to code must be announced first, which this does for <paramref name="size"/> bytes.
    /// </summary>
    /// <param name="size">In bytes; within one page.</param>
    /// <param name="host">Null for what is not RAM.</param>
    /// <returns>False: <see cref="CoreHeader.Fault"/> is set.</returns>
    public bool TryPin(ulong linear, int size, MemoryAccess access, int attributes, out byte* host)
    {
        host = null;
        var index = SoftTlb.IndexOf(linear, attributes & MmuIndexMask);
        var entry = Tlb.Table + index;
        var page = linear & ~0xffful;
        var tag = access == MemoryAccess.Write ? entry->Write : entry->Read;
        if ((tag & ~SoftTlb.Slow) != page)
        {
            if (!Fill(linear, access, attributes))
                return false;
            tag = access == MemoryAccess.Write ? entry->Write : entry->Read;
        }
        if ((tag & SoftTlb.Slow) == 0)
        {
            host = (byte*)(linear + (ulong)entry->Addend);
            return true;
        }
        var physical = Tlb.PhysicalOf(index) | linear & 0xfff;
        if (access != MemoryAccess.Write || Physical.Find(physical) is not { ReadOnly: false } region)
            return true;
        if (!BeforeSlowAccess(linear, size, access, attributes) || !AnnounceWrite(region, physical, size))
            return false;
        host = region.Host + (physical - region.Start);
        return true;
    }

    /// <summary>Checks that bytes can be accessed, as the access itself would, changing nothing but accessed and dirty bits.</summary>
    public bool Probe(ulong linear, int size, MemoryAccess access, int attributes)
    {
        for (var page = linear & ~0xffful; ; page += 0x1000)
        {
            var at = page < linear ? linear : page;
            var entry = Tlb.Table + SoftTlb.IndexOf(at, attributes & MmuIndexMask);
            var tag = access == MemoryAccess.Write ? entry->Write : entry->Read;
            if ((tag & ~SoftTlb.Slow) != page && !Fill(at, access, attributes))
                return false;
            if (page == (linear + (ulong)(size - 1) & ~0xffful))
                return true;
        }
    }

    /// <summary>Physical page of an instruction address; false: <see cref="CoreHeader.Fault"/> is set.</summary>
    public bool TryTranslateCode(ulong linear, int attributes, out ulong physical)
    {
        physical = 0;
        var index = SoftTlb.IndexOf(linear, attributes & MmuIndexMask);
        var entry = Tlb.Table + index;
        if ((entry->Execute & ~SoftTlb.Slow) != (linear & ~0xffful) && !Fill(linear, MemoryAccess.Execute, attributes))
            return false;
        physical = Tlb.PhysicalOf(index) | linear & 0xfff;
        return true;
    }

    /// <summary>Guest-physical read: RAM, or a device. 1, 2, 4 or 8 bytes within a page.</summary>
    public ulong ReadPhysical(ulong physical, int size) =>
        Physical.Find(physical) is { } region ? ReadHost(region.Host + (physical - region.Start), size) : Io.ReadMmio(physical, size);

    /// <summary>Guest-physical write; false: the instruction has to start over, <see cref="CoreHeader.Fault"/> is set.</summary>
    public bool WritePhysical(ulong physical, int size, ulong value)
    {
        if (Physical.Find(physical) is not { } region)
        {
            Io.WriteMmio(physical, size, value);
            return true;
        }
        if (region.ReadOnly)
            return true;
        if (!AnnounceWrite(region, physical, size))
            return false;
        WriteHost(region.Host + (physical - region.Start), size, value);
        return true;
    }

    public virtual void Dispose()
    {
        if (Base == null)
            return;
        Physical.Detach(this);
        Tlb.Dispose();
        NativeMemory.AlignedFree(Base);
        Base = null;
        GC.SuppressFinalize(this);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static ulong ReadHost(byte* host, int size) => size switch
    {
        1 => *host,
        2 => Volatile.Read(ref *(ushort*)host),
        4 => Volatile.Read(ref *(uint*)host),
        _ => Volatile.Read(ref *(ulong*)host),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static void WriteHost(byte* host, int size, ulong value)
    {
        switch (size)
        {
            case 1:
                *host = (byte)value;
                break;
            case 2:
                Volatile.Write(ref *(ushort*)host, (ushort)value);
                break;
            case 4:
                Volatile.Write(ref *(uint*)host, (uint)value);
                break;
            default:
                Volatile.Write(ref *(ulong*)host, value);
                break;
        }
    }

    /// <summary>Invalidates code that a write hits. False: it hits the block being executed, and the instruction starts over, alone.</summary>
    private bool AnnounceWrite(RamRegion region, ulong physical, int size)
    {
        if (Physical.TracksWrites)
            region.MarkDirty(physical);
        if (!Physical.BeforeWrite(region, physical, size, this) || !InvalidatePage(physical & ~0xffful))
            return true;
        Header->Fault = (int)FaultKind.RestartAlone;
        return false;
    }

    private bool Fill(ulong linear, MemoryAccess access, int attributes)
    {
        if (!TryTranslate(linear, access, attributes, out var translation))
            return false;
        var page = linear & ~0xffful;
        var index = SoftTlb.IndexOf(linear, attributes & MmuIndexMask);
        var entry = Tlb.Table + index;
        var region = Physical.Find(translation.Physical);
        var slow = region == null || translation.Watched ? SoftTlb.Slow : 0;
        entry->Write = SoftTlb.Invalid;
        entry->Addend = region == null ? 0 : (long)((ulong)(region.Host + (translation.Physical - region.Start)) - page);
        Volatile.Write(ref Tlb.PhysicalOf(index), translation.Physical);
        entry->Read = translation.Readable ? page | slow : SoftTlb.Invalid;
        entry->Execute = translation.Executable ? page | slow : SoftTlb.Invalid;
        Tlb.NoteFilled(index);
        if (!translation.Writable)
            return true;
        if (region is { ReadOnly: true })
            slow = SoftTlb.Slow;
        if (Physical.TracksWrites)
        {
            if (access != MemoryAccess.Write)
                return true;
            if (slow == 0)
                region!.MarkDirty(translation.Physical);
        }
        Volatile.Write(ref entry->Write, page | slow);
        // Pairs with MarkCode, which sets the mark and then looks at the TLBs: one of the two sees the other.
        Thread.MemoryBarrier();
        if (slow == 0 && region!.IsCode(translation.Physical))
            entry->Write = page | SoftTlb.Slow;
        return true;
    }

    private bool LoadAcrossPages(ulong linear, int size, int attributes, ulong* result)
    {
        if (!BeforeSlowAccess(linear, size, MemoryAccess.Read, attributes))
            return false;
        ulong value = 0, part;
        for (var i = 0; i < size; i++)
        {
            if (!Load(linear + (ulong)i, 1, attributes, &part))
                return false;
            value |= part << (8 * i);
        }
        *result = value;
        return true;
    }

    private bool StoreAcrossPages(ulong linear, int size, int attributes, ulong value)
    {
        // Both pages are checked before either is written: an exception must leave memory as it was. A restart for self-modified code
        // repeats the same bytes.
        if (!BeforeSlowAccess(linear, size, MemoryAccess.Write, attributes) || !Probe(linear, size, MemoryAccess.Write, attributes))
            return false;
        for (var i = 0; i < size; i++)
            if (!Store(linear + (ulong)i, 1, attributes, value >> (8 * i)))
                return false;
        return true;
    }
}
