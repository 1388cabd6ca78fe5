using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Timer;

/// <summary>
/// 8254 programmable interval timer with three counters at 1.193182 MHz, and system control port B (0x61), which gates counter 2 to the
/// speaker. Counter 0's output is the timer interrupt.
/// </summary>
/// <remarks>
/// Intel 8254 data sheet (order 231164): "Control Word Format", "Read-Back Command", "Mode Definitions"; port 61h: 82371SB (PIIX3) data sheet, 2.5.7.
/// Ticks that pass while nobody looks are not caught up one by one: an edge that was missed is given once
/// (what KVM calls <c>lost_tick_policy=discard</c>).
/// </remarks>
public sealed class I8254 : IPortDevice, IResettable, ISaveable
{
    public const int CounterRegion = 0, PortBRegion = 1;

    // DRAM refresh, as seen in port B bit 4, toggles at this rate: counter 1 of the AT divides by 18.
    private const long RefreshToggleTicks = 18;

    // What the fastest program of a guest costs the host: the output still reads right between two calls.
    private const long MinTimerPeriodNs = 10_000;

    private readonly I8254Counter[] _counters = [new(), new(), new()];
    private readonly IIrqLine _irq;
    private readonly IClock _clock;
    private readonly IClockTimer _timer;
    private byte _portB;

    public I8254(IIrqLine irq, IClock clock)
    {
        (_irq, _clock) = (irq, clock);
        _timer = clock.CreateTimer(OnTimer);
        Reset();
    }

    public string Name => "isa-pit";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("counters", AddressSpace.Port, 4,
        [
            new("COUNTER0", 0, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect),
            new("COUNTER1", 1, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect),
            new("COUNTER2", 2, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect),
            new("CONTROL", 3, 1, RegisterAccess.Write),
        ]),
        new("port-b", AddressSpace.Port, 1, [new("NMISC", 0, 1, RegisterAccess.ReadWrite, null, "0 gate 2, 1 speaker, 4 refresh toggle, 5 out 2")]),
    ];

    public int StateVersion => 1;

    private long NowTicks => I8254Counter.TicksAt(_clock.NowNs);

    public uint ReadPort(int region, uint offset, int size)
    {
        var now = NowTicks;
        if (region == PortBRegion)
        {
            var refresh = (uint)(now / RefreshToggleTicks & 1);
            return _portB | refresh << 4 | (_counters[2].GetOut(now) ? 0x20u : 0);
        }
        return offset == 3 ? 0xffu : _counters[offset].Read(now);
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        var now = NowTicks;
        if (region == PortBRegion)
        {
            _portB = (byte)(value & 0xf);
            _counters[2].SetGate((value & 1) != 0, now);
            return;
        }
        if (offset < 3)
            _counters[offset].Write((byte)value, now);
        else
            WriteControl((byte)value, now);
        UpdateIrq(now);
    }

    public void Reset()
    {
        _portB = 0;
        foreach (var counter in _counters)
            counter.Reset();
        _counters[2].SetGate(false, 0);
        _timer.Cancel();
        _irq.Set(false);
    }

    public void Save(StateWriter writer)
    {
        writer.Byte(_portB);
        foreach (var counter in _counters)
            counter.Save(writer);
        writer.Int64(_timer.DeadlineNs ?? -1);
    }

    public void Load(ref StateReader reader)
    {
        _portB = (byte)(reader.Byte() & 0xf);
        foreach (var counter in _counters)
            counter.Load(ref reader);
        // Not by looking at the counter: an edge that nobody has seen yet is still to come.
        var deadline = reader.Int64();
        if (deadline < 0)
            _timer.Cancel();
        else
            _timer.Arm(deadline);
    }

    private void WriteControl(byte value, long now)
    {
        var select = value >> 6;
        if (select < 3)
        {
            _counters[select].WriteControl(value, now);
            return;
        }
        // Read-back: bits 1 to 3 choose counters; bits 5 and 4, when 0, latch count and status.
        for (var i = 0; i < 3; i++)
        {
            if ((value & (2 << i)) == 0)
                continue;
            if ((value & 0x10) == 0)
                _counters[i].LatchStatus(now);
            if ((value & 0x20) == 0)
                _counters[i].LatchCount(now);
        }
    }

    private void OnTimer() => UpdateIrq(NowTicks);

    private void UpdateIrq(long now)
    {
        var counter = _counters[0];
        if (counter.TakeRisingEdge(now))
        {
            _irq.Set(false);
            _irq.Set(true);
        }
        _irq.Set(counter.GetOut(now));
        if (counter.NextChange(now) is { } next)
            _timer.Arm(Math.Max(I8254Counter.NsAt(next), _clock.NowNs + MinTimerPeriodNs));
        else
            _timer.Cancel();
    }
}
