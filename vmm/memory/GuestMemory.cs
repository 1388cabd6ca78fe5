namespace Gauntlet.Vmm.Memory;

/// <summary>Wants to know what devices and loaders wrote to guest RAM: an accelerator that caches translated code.</summary>
public interface IGuestMemoryObserver
{
    /// <summary>Called after the bytes changed, on the writer's thread.</summary>
    void OnGuestMemoryWritten(ulong address, ulong length);
}

/// <summary>
/// All RAM and ROM of a machine. A page that a device or a loader wrote is noted in its run; what vCPUs write only once the accelerator was told to
/// (<see cref="Accel.IAccelerator.TrackWrites"/>).
/// Safe from any thread; two writers of the same bytes race as two bus masters do.
/// </summary>
/// <remarks>
/// What memory there is (<see cref="Backing"/>) never changes; what of it is seen at which address (<see cref="Layout"/>) a chip set may change at any time,
/// as it does to shadow a ROM with RAM. Saved state is made of the former.
/// </remarks>
public sealed unsafe class GuestMemory : IGuestMemory, IDisposable
{
    private const int PageShift = 12;

    private readonly GuestRam[] _backing;

    // What is seen, by ascending address; replaced as a whole.
    private volatile GuestRam[] _runs;
    private IGuestMemoryObserver? _observer;

    /// <param name="layout">Runs in any order, at least one. They belong to this object from here on.</param>
    /// <exception cref="ArgumentException">Two runs overlap, or one passes the end of the address space.</exception>
    public GuestMemory(IReadOnlyList<GuestRam> layout)
    {
        if (layout.Count == 0)
            throw new ArgumentException("a machine without RAM: give it at least one run", nameof(layout));
        _runs = _backing = Sorted(layout);
        foreach (var run in _backing)
        {
            TotalBytes += run.ReadOnly ? 0 : run.Length;
        }
    }

    /// <summary>All memory there is, each run once, by the address where it was at first, ascending.</summary>
    public IReadOnlyList<GuestRam> Backing => _backing;

    /// <summary>What is seen, by ascending address: runs of the backing, or windows onto them.</summary>
    public IReadOnlyList<GuestRam> Layout => _runs;

    /// <summary>Changes what is seen.</summary>
    /// <exception cref="ArgumentException">Two runs overlap, or one is not this memory's.</exception>
    public void SetLayout(IReadOnlyList<GuestRam> layout)
    {
        foreach (var run in layout)
        {
            if (Array.IndexOf(_backing, run.Source ?? run) < 0)
                throw new ArgumentException($"{run.Name} is not a part of this memory", nameof(layout));
        }
        _runs = Sorted(layout);
    }

    /// <summary>Bytes of writable RAM.</summary>
    public ulong TotalBytes { get; }

    /// <summary>At most one; null to remove it. Set before the machine starts.</summary>
    public void SetObserver(IGuestMemoryObserver? observer) => _observer = observer;

    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!IsBacked(address, (ulong)destination.Length, forWrite: false))
            return false;
        while (!destination.IsEmpty)
        {
            var source = GetSpan(address, destination.Length);
            if (source.IsEmpty)
                return false;
            source.CopyTo(destination);
            destination = destination[source.Length..];
            address += (ulong)source.Length;
        }
        return true;
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source) => TryCopyIn(address, source, respectReadOnly: true);

    /// <summary>As <see cref="TryWrite"/>, but into ROM too: for the loader that fills it before the machine starts.</summary>
    public bool TryLoad(ulong address, ReadOnlySpan<byte> source) => TryCopyIn(address, source, respectReadOnly: false);

    /// <summary>Zeroes a range as a loader does for a bss; false when any byte of it is not RAM or ROM, and then nothing changed.</summary>
    public bool TryClear(ulong address, ulong length)
    {
        if (!IsBacked(address, length, forWrite: false))
            return false;
        var (at, left) = (address, length);
        while (left > 0)
        {
            var target = GetSpan(at, (int)Math.Min(left, int.MaxValue));
            if (target.IsEmpty)
                return false;
            target.Clear();
            at += (ulong)target.Length;
            left -= (ulong)target.Length;
        }
        MarkDirty(address, length);
        return true;
    }

    public Span<byte> GetSpan(ulong address, int maxLength)
    {
        if (Find(address) is not { } run || maxLength <= 0)
            return [];
        var offset = address - run.GuestAddress;
        return new Span<byte>(run.HostPointer + offset, (int)Math.Min(run.Length - offset, (ulong)maxLength));
    }

    public void MarkDirty(ulong address, ulong length)
    {
        if (length == 0)
            return;
        for (var (at, left) = (address, length); left > 0;)
        {
            if (Find(at) is not { } run)
                break;
            var count = Math.Min(left, run.Length - (at - run.GuestAddress));
            MarkDirty(run.Source ?? run, at - run.GuestAddress + run.SourceOffset, count);
            at += count;
            left -= count;
        }
        _observer?.OnGuestMemoryWritten(address, length);
    }

    /// <summary>Writes to a run of the backing, ROM too, whether it is seen at the moment or not.</summary>
    public void Write(GuestRam run, ulong offset, ReadOnlySpan<byte> source)
    {
        source.CopyTo(run.GetSpan(offset, source.Length));
        NoteWritten(run, offset, (ulong)source.Length);
    }

    /// <summary>As <see cref="IGuestMemory.MarkDirty"/>, for a run of the backing, wherever it is seen.</summary>
    public void NoteWritten(GuestRam run, ulong offset, ulong length)
    {
        MarkDirty(run, offset, length);
        Notify(run, offset, length);
    }

    private void Notify(GuestRam run, ulong offset, ulong length)
    {
        foreach (var seen in _runs)
        {
            if (ReferenceEquals(seen, run))
                _observer?.OnGuestMemoryWritten(run.GuestAddress + offset, length);
            else if (ReferenceEquals(seen.Source, run))
                _observer?.OnGuestMemoryWritten(seen.GuestAddress, seen.Length);
        }
    }

    /// <summary>Adds the address of every page written since the last call, by where its run of the backing is, ascending, and forgets them.</summary>
    public void CollectDirtyPages(List<ulong> pages)
    {
        foreach (var run in _backing)
            run.CollectDirtyPages(pages);
    }

    /// <summary>Tells who caches what is in memory that it changed, without noting the pages as written: a checkpoint put them back.</summary>
    /// <param name="run">Of the backing.</param>
    internal void NotifyRestored(GuestRam run, ulong offset, ulong length) => Notify(run, offset, length);

    public void Dispose()
    {
        foreach (var run in _backing)
            run.Dispose();
    }

    /// <summary>True when every byte is RAM, or ROM that is only to be read.</summary>
    public bool IsBacked(ulong address, ulong length, bool forWrite)
    {
        if (length > 0 && address + (length - 1) < address)
            return false;
        while (length > 0)
        {
            if (Find(address) is not { } run || (forWrite && run.ReadOnly))
                return false;
            var count = Math.Min(length, run.Length - (address - run.GuestAddress));
            address += count;
            length -= count;
        }
        return true;
    }

    private bool TryCopyIn(ulong address, ReadOnlySpan<byte> source, bool respectReadOnly)
    {
        if (!IsBacked(address, (ulong)source.Length, respectReadOnly))
            return false;
        var at = address;
        var left = source;
        while (!left.IsEmpty)
        {
            var target = GetSpan(at, left.Length);
            if (target.IsEmpty)
                return false;
            left[..target.Length].CopyTo(target);
            left = left[target.Length..];
            at += (ulong)target.Length;
        }
        MarkDirty(address, (ulong)source.Length);
        return true;
    }

    private static void MarkDirty(GuestRam run, ulong offset, ulong length)
    {
        for (var page = offset >> PageShift; page <= (offset + length - 1) >> PageShift; page++)
            run.MarkDirty(page);
    }

    private static GuestRam[] Sorted(IReadOnlyList<GuestRam> layout)
    {
        var runs = new GuestRam[layout.Count];
        for (var i = 0; i < runs.Length; i++)
            runs[i] = layout[i];
        Array.Sort(runs, static (a, b) => a.GuestAddress.CompareTo(b.GuestAddress));
        for (var i = 0; i < runs.Length; i++)
        {
            var run = runs[i];
            if (run.GuestAddress + (run.Length - 1) < run.GuestAddress)
                throw new ArgumentException($"{run.Name} at 0x{run.GuestAddress:x} passes the end of the address space", nameof(layout));
            if (i > 0 && runs[i - 1].Contains(run.GuestAddress))
                throw new ArgumentException($"{run.Name} at 0x{run.GuestAddress:x} overlaps {runs[i - 1].Name}", nameof(layout));
        }
        return runs;
    }

    // A PC has three to five runs, some twenty while firmware shadows its ROMs: a scan beats a search.
    private GuestRam? Find(ulong address)
    {
        foreach (var run in _runs)
        {
            if (run.Contains(address))
                return run;
        }
        return null;
    }
}
