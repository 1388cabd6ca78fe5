using System.Numerics;

namespace Gauntlet.Vmm.Memory;

/// <summary>Wants to know what devices and loaders wrote to guest RAM: an accelerator that caches translated code.</summary>
public interface IGuestMemoryObserver
{
    /// <summary>Called after the bytes changed, on the writer's thread.</summary>
    void OnGuestMemoryWritten(ulong address, ulong length);
}

/// <summary>
/// All RAM and ROM of a machine, with a bit for each page that a device or a loader wrote. What vCPUs write is the accelerator's to tell.
/// Safe from any thread; two writers of the same bytes race as two bus masters do.
/// </summary>
public sealed unsafe class GuestMemory : IGuestMemory, IDisposable
{
    private const int PageShift = 12;

    private readonly GuestRam[] _runs;
    private readonly ulong[][] _dirty;
    private IGuestMemoryObserver? _observer;

    /// <param name="layout">Runs in any order, at least one. They belong to this object from here on.</param>
    /// <exception cref="ArgumentException">Two runs overlap, or one passes the end of the address space.</exception>
    public GuestMemory(IReadOnlyList<GuestRam> layout)
    {
        if (layout.Count == 0)
            throw new ArgumentException("a machine without RAM: give it at least one run", nameof(layout));
        _runs = new GuestRam[layout.Count];
        for (var i = 0; i < _runs.Length; i++)
            _runs[i] = layout[i];
        Array.Sort(_runs, static (a, b) => a.GuestAddress.CompareTo(b.GuestAddress));
        _dirty = new ulong[_runs.Length][];
        for (var i = 0; i < _runs.Length; i++)
        {
            var run = _runs[i];
            if (run.GuestAddress + (run.Length - 1) < run.GuestAddress)
                throw new ArgumentException($"{run.Name} at 0x{run.GuestAddress:x} passes the end of the address space", nameof(layout));
            if (i > 0 && _runs[i - 1].Contains(run.GuestAddress))
                throw new ArgumentException($"{run.Name} at 0x{run.GuestAddress:x} overlaps {_runs[i - 1].Name}", nameof(layout));
            _dirty[i] = new ulong[((run.Length >> PageShift) + 63) / 64];
            TotalBytes += run.ReadOnly ? 0 : run.Length;
        }
    }

    /// <summary>The runs, by ascending address.</summary>
    public IReadOnlyList<GuestRam> Layout => _runs;

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
            target.Clear();
            at += (ulong)target.Length;
            left -= (ulong)target.Length;
        }
        MarkDirty(address, length);
        return true;
    }

    public Span<byte> GetSpan(ulong address, int maxLength)
    {
        var run = Find(address);
        if (run < 0 || maxLength <= 0)
            return [];
        var offset = address - _runs[run].GuestAddress;
        return new Span<byte>(_runs[run].HostPointer + offset, (int)Math.Min(_runs[run].Length - offset, (ulong)maxLength));
    }

    public void MarkDirty(ulong address, ulong length)
    {
        if (length == 0)
            return;
        for (var (at, left) = (address, length); left > 0;)
        {
            var run = Find(at);
            if (run < 0)
                break;
            var offset = at - _runs[run].GuestAddress;
            var count = Math.Min(left, _runs[run].Length - offset);
            for (var page = offset >> PageShift; page <= (offset + count - 1) >> PageShift; page++)
                Interlocked.Or(ref _dirty[run][page >> 6], 1UL << (int)(page & 63));
            at += count;
            left -= count;
        }
        _observer?.OnGuestMemoryWritten(address, length);
    }

    /// <summary>Adds the guest-physical address of every page written since the last call, ascending, and forgets them.</summary>
    public void CollectDirtyPages(List<ulong> pages)
    {
        for (var run = 0; run < _runs.Length; run++)
        {
            for (var word = 0; word < _dirty[run].Length; word++)
            {
                if (_dirty[run][word] == 0)
                    continue;
                for (var bits = Interlocked.Exchange(ref _dirty[run][word], 0); bits != 0; bits &= bits - 1)
                    pages.Add(_runs[run].GuestAddress + (((ulong)word * 64 + (ulong)BitOperations.TrailingZeroCount(bits)) << PageShift));
            }
        }
    }

    public void Dispose()
    {
        foreach (var run in _runs)
            run.Dispose();
    }

    /// <summary>True when every byte is RAM, or ROM that is only to be read.</summary>
    public bool IsBacked(ulong address, ulong length, bool forWrite)
    {
        if (length > 0 && address + (length - 1) < address)
            return false;
        while (length > 0)
        {
            var run = Find(address);
            if (run < 0 || (forWrite && _runs[run].ReadOnly))
                return false;
            var count = Math.Min(length, _runs[run].Length - (address - _runs[run].GuestAddress));
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
            left[..target.Length].CopyTo(target);
            left = left[target.Length..];
            at += (ulong)target.Length;
        }
        MarkDirty(address, (ulong)source.Length);
        return true;
    }

    // A PC has three to five runs: a scan beats a search.
    private int Find(ulong address)
    {
        for (var i = 0; i < _runs.Length; i++)
        {
            if (_runs[i].Contains(address))
                return i;
        }
        return -1;
    }
}
