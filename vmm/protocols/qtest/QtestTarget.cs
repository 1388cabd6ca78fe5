using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qtest;

/// <summary>A machine as qtest reaches it: the accesses of CPU 0, the interrupt lines, and the clock where it is stepped by hand.</summary>
public sealed class QtestTarget
{
    // A timer that is always due again must not keep a clock step for ever.
    private const int MaxFiringsPerStep = 10_000_000;

    private readonly Machine? _machine;
    private readonly IVcpuIo? _io;
    private readonly ManualClock? _clock;

    /// <param name="machine">Null with <c>-machine none</c>: nothing answers then.</param>
    /// <param name="lines">The global system interrupts, for interception.</param>
    public QtestTarget(Machine? machine, PcInterruptLines? lines)
    {
        _machine = machine;
        Lines = lines;
        if (machine is null)
            return;
        _clock = machine.Clock as ManualClock;
        ICpuLocalMmio? local = null;
        foreach (var device in machine.Devices)
            local ??= device as ICpuLocalMmio;
        _io = machine.CreateIo(local);
    }

    /// <summary>Null where there are none.</summary>
    public PcInterruptLines? Lines { get; }

    /// <summary>Whether <see cref="AdvanceTo"/> can be used: with <c>-accel qtest</c>.</summary>
    public bool CanStepClock => _clock is not null;

    /// <summary>Virtual time in nanoseconds.</summary>
    public long NowNs => _machine?.Clock.NowNs ?? 0;

    /// <summary>The earliest deadline of a timer that is armed, or null.</summary>
    public long? NextDeadlineNs
    {
        get
        {
            if (_clock is null)
                return null;
            lock (_machine!.Bus.DeviceLock)
                return _clock.NextDeadlineNs;
        }
    }

    /// <summary>Whether the machine has a device of this name.</summary>
    public bool HasDevice(string name)
    {
        foreach (var device in _machine?.Devices ?? [])
        {
            if (device.Name == name)
                return true;
        }
        return false;
    }

    /// <summary>Drives a line, as a device behind it would.</summary>
    public void SetLine(int gsi, bool level)
    {
        lock (_machine!.Bus.DeviceLock)
            Lines![gsi].Set(level);
    }

    /// <summary>Moves time on; every timer fires at its own deadline. A time in the past changes nothing.</summary>
    public void AdvanceTo(long ns)
    {
        for (var i = 0; i < MaxFiringsPerStep && NextDeadlineNs is { } deadline && deadline < ns; i++)
            _clock!.AdvanceTo(Math.Max(deadline, _clock.NowNs));
        if (ns > _clock!.NowNs)
            _clock.AdvanceTo(ns);
    }

    public uint ReadPort(ushort port, int size) => _io?.ReadPort(port, size) ?? uint.MaxValue >> (32 - size * 8);

    public void WritePort(ushort port, int size, uint value) => _io?.WritePort(port, size, value);

    /// <summary>Reads guest-physical memory, RAM and registers alike; what is nobody's reads as ones.</summary>
    public void Read(ulong address, Span<byte> destination)
    {
        if (_machine is null)
            destination.Fill(byte.MaxValue);
        while (_machine is not null && !destination.IsEmpty)
        {
            var run = _machine.Memory.GetSpan(address, destination.Length);
            var count = run.IsEmpty ? AccessSize(address, destination.Length) : run.Length;
            if (run.IsEmpty)
            {
                var value = _io!.ReadMmio(address, count);
                for (var i = 0; i < count; i++)
                    destination[i] = (byte)(value >> (i * 8));
            }
            else
            {
                run.CopyTo(destination);
            }
            destination = destination[count..];
            address += (ulong)count;
        }
    }

    /// <summary>Writes guest-physical memory, RAM and registers alike; ROM stays as it is.</summary>
    public void Write(ulong address, ReadOnlySpan<byte> source)
    {
        while (_machine is not null && !source.IsEmpty)
        {
            var run = _machine.Memory.GetSpan(address, source.Length);
            var count = run.IsEmpty ? AccessSize(address, source.Length) : run.Length;
            if (run.IsEmpty)
            {
                ulong value = 0;
                for (var i = 0; i < count; i++)
                    value |= (ulong)source[i] << (i * 8);
                _io!.WriteMmio(address, count, value);
            }
            else
            {
                _ = _machine.Memory.TryWrite(address, source[..count]);
            }
            source = source[count..];
            address += (ulong)count;
        }
    }

    /// <summary>Everything that the last access asked of the machine (a reset, say) is done when this returns.</summary>
    public void Settle() => _machine?.AwaitWishes();

    // The widest access that is aligned and fits.
    private static int AccessSize(ulong address, int left)
    {
        var size = 8;
        while (size > left || (address & (ulong)(size - 1)) != 0)
            size >>= 1;
        return size;
    }
}
