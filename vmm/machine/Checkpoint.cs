using System.Runtime.Intrinsics;
using Gauntlet.Linux;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// A machine's state in memory, to go back to thousands of times a second: only pages that were written since are copied, and only parts that changed are
/// loaded. For one machine, which must stand still whenever this is called; what a loop of one's own around a vCPU makes sure of.
/// </summary>
/// <remarks>
/// Which pages were written: devices and loaders note it in <see cref="GuestMemory"/>, vCPUs by way of their accelerator (<see cref="Accel.IAccelerator.TrackWrites"/>).
/// Of such a page only the bytes from the first to the last that differ are put back, so that code beside data stays translated.
/// </remarks>
public sealed unsafe class Checkpoint : IDisposable
{
    // In bytes: how exactly the end of what differs in a page is found.
    private static int Chunk => 4 * Vector256<byte>.Count;

    private readonly Machine _machine;
    private readonly (nint Address, nuint Length)[] _copies;
    private readonly Part[] _parts;
    private readonly long _now;
    private readonly List<ulong> _pages = [];
    private readonly StateWriter _scratch = new();

    /// <summary>One part's state. A device that is as it was need not be loaded; what else is saved cannot tell whether it ran.</summary>
    private sealed record Part(ISaveable Target, byte[] State, bool IsDevice);

    /// <exception cref="LinuxException">The host has no memory for the copy.</exception>
    public Checkpoint(Machine machine)
    {
        _machine = machine;
        var layout = machine.Memory.Backing;
        _copies = new (nint, nuint)[layout.Count];
        for (var i = 0; i < _copies.Length; i++)
            _copies[i] = (Copy(layout[i]), (nuint)layout[i].Length);
        lock (machine.Bus.DeviceLock)
        {
            var parts = new List<Part>();
            foreach (var device in machine.Devices)
            {
                if (device is ISaveable saveable)
                    parts.Add(Save(saveable, isDevice: true));
            }
            if (machine.Accelerator.IrqChip is { } irqChip)
                parts.Add(Save(irqChip, isDevice: false));
            foreach (var vcpu in machine.Vcpus)
                parts.Add(Save(vcpu, isDevice: false));
            _parts = [.. parts];
            _now = machine.Clock.NowNs;
            machine.Accelerator.TrackWrites();
        }
        // What was written before, and translations that still allow writing unseen.
        Restore();
        _pages.Clear();
    }

    /// <summary>Goes back. Allocates nothing once the list of pages has grown.</summary>
    /// <returns>How many pages had been written.</returns>
    public int Restore()
    {
        lock (_machine.Bus.DeviceLock)
        {
            var pages = RestoreMemory();
            _machine.Clock.SetNow(_now);
            foreach (var part in _parts)
            {
                if (part.IsDevice)
                {
                    _scratch.Clear();
                    part.Target.Save(_scratch);
                    if (_scratch.Written.SequenceEqual(part.State))
                        continue;
                }
                var reader = new StateReader(part.State);
                part.Target.Load(ref reader);
            }
            // Again, for a clock that goes by the vCPU's instructions.
            _machine.Clock.SetNow(_now);
            _machine.ForgetWishes();
            return pages;
        }
    }

    public void Dispose()
    {
        for (var i = 0; i < _copies.Length; i++)
        {
            if (_copies[i].Address != 0)
                _ = Libc.munmap(_copies[i].Address, _copies[i].Length);
            _copies[i] = default;
        }
    }

    private static nint Copy(GuestRam ram)
    {
        var copy = Libc.mmap(0, (nuint)ram.Length, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS | Libc.MAP_NORESERVE, -1, 0);
        if (copy == -1)
            throw LinuxException.ForErrno($"copying {ram.Length >> 20} MiB of guest RAM");
        for (var at = 0UL; ram.TryFindData(at, out var from, out var to); at = to)
            Buffer.MemoryCopy(ram.HostPointer + from, (byte*)copy + from, to - from, to - from);
        return copy;
    }

    private Part Save(ISaveable target, bool isDevice)
    {
        _scratch.Clear();
        target.Save(_scratch);
        return new Part(target, _scratch.Written.ToArray(), isDevice);
    }

    private int RestoreMemory()
    {
        _machine.Accelerator.CollectWrites();
        var layout = _machine.Memory.Backing;
        var count = 0;
        for (var run = 0; run < layout.Count; run++)
        {
            var ram = layout[run];
            _pages.Clear();
            ram.CollectDirtyPages(_pages);
            count += _pages.Count;
            foreach (var page in _pages)
            {
                var offset = page - ram.GuestAddress;
                var current = new Span<byte>(ram.HostPointer + offset, GuestRam.PageSize);
                var wanted = new ReadOnlySpan<byte>((byte*)_copies[run].Address + offset, GuestRam.PageSize);
                var first = current.CommonPrefixLength(wanted);
                if (first == GuestRam.PageSize)
                    continue;
                var end = EndOfDifference(current, wanted);
                wanted[first..end].CopyTo(current[first..]);
                _machine.Memory.NotifyRestored(ram, offset + (ulong)first, (ulong)(end - first));
            }
        }
        return count;
    }

    // Behind the last chunk in which two pages differ, as they do. The framework has only the search from the front.
    private static int EndOfDifference(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        fixed (byte* a = one, b = other)
        {
            var end = GuestRam.PageSize;
            for (; end > Chunk; end -= Chunk)
            {
                var at = end - Chunk;
                var differs = Difference(a + at, b + at, 0) | Difference(a + at, b + at, 1) | Difference(a + at, b + at, 2) | Difference(a + at, b + at, 3);
                if (differs != Vector256<byte>.Zero)
                    break;
            }
            return end;
        }
    }

    private static Vector256<byte> Difference(byte* a, byte* b, int index) =>
        Vector256.Load(a + index * Vector256<byte>.Count) ^ Vector256.Load(b + index * Vector256<byte>.Count);
}
