using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Timer;

/// <summary>High precision event timers: a 64-bit counter at 100 MHz and three comparators, of which the first two can stand in for the 8254 and the RTC.</summary>
/// <remarks>
/// IA-PC HPET Specification 1.0a, 2.3 (registers), 2.3.9 (timers), 2.4 (operation), 2.5 (front side bus messages). Nothing counts while nobody looks: the
/// counter is computed from virtual time.
/// </remarks>
public sealed class Hpet : IMmioDevice, IResettable, ISaveable
{
    public const int TimerCount = 3;

    /// <summary>GCAP_ID's low half: vendor 8086, legacy replacement, 64-bit counter, three timers, revision 1.</summary>
    public const uint IdentityLow = 0x8086a201;

    /// <summary>The interrupts of legacy replacement: where the 8254's and the RTC's go.</summary>
    public const int PitLine = 0, RtcLine = 8;

    private const ulong PeriodFs = 10_000_000;
    private const int RegionBytes = 0x400;

    private const uint ConfigurationOffset = 0x10, StatusOffset = 0x20, CounterOffset = 0xf0, TimersOffset = 0x100, TimerBytes = 0x20;
    private const uint TimerConfiguration = 0, TimerComparator = 8, TimerMessage = 0x10;

    private const ulong Enable = 1, LegacyRoute = 2;

    // Timer n's configuration (2.3.9.1).
    private const ulong LevelTriggered = 1 << 1, InterruptEnable = 1 << 2, Periodic = 1 << 3, PeriodicCapable = 1 << 4, Wide = 1 << 5, SetValue = 1 << 6,
        Mode32 = 1 << 8, MessageEnable = 1 << 14, MessageCapable = 1 << 15;
    private const ulong Writable = LevelTriggered | InterruptEnable | Periodic | SetValue | Mode32 | 0x1f << RouteShift | MessageEnable;
    private const int RouteShift = 9, RouteCapabilityShift = 32;

    // IOAPIC inputs that no slot's interrupt pin is wired to.
    private const uint Routes = 1 << 17 | 1 << 18 | 1 << 19;

    // A periodic timer that a guest sets faster than this fires as often: the host must get on.
    private const long MinIntervalNs = 10_000;

    private static readonly Frequency s_clock = new(100_000_000);

    private readonly IClock _clock;
    private readonly IMsiTarget _msi;
    private readonly Func<int, IIrqLine> _lineOf;
    private readonly Timer[] _timers = new Timer[TimerCount];
    private ulong _configuration, _status;

    // The counter is so much ahead of the clock's ticks while it is enabled; else it stands here.
    private ulong _offset, _halted;

    /// <param name="lineOf">Global system interrupts, 0 to 23.</param>
    public Hpet(Func<int, IIrqLine> lineOf, IMsiTarget msi, IClock clock)
    {
        (_lineOf, _msi, _clock) = (lineOf, msi, clock);
        (PitOutput, RtcOutput) = (new Gate(this, lineOf(PitLine)), new Gate(this, lineOf(RtcLine)));
        for (var i = 0; i < TimerCount; i++)
            _timers[i] = new Timer(this, i);
        var registers = new List<Register>
        {
            new("GCAP_ID", 0, 8, RegisterAccess.Read, PeriodFs << 32 | IdentityLow),
            new("GEN_CONF", ConfigurationOffset, 8, RegisterAccess.ReadWrite, 0, "0 enable, 1 legacy replacement"),
            new("GINTR_STA", StatusOffset, 8, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0),
            new("MAIN_CNT", CounterOffset, 8),
        };
        for (var i = 0u; i < TimerCount; i++)
        {
            registers.Add(new Register($"TIM{i}_CONF", TimersOffset + i * TimerBytes + TimerConfiguration, 8));
            registers.Add(new Register($"TIM{i}_COMP", TimersOffset + i * TimerBytes + TimerComparator, 8));
            registers.Add(new Register($"TIM{i}_FSB", TimersOffset + i * TimerBytes + TimerMessage, 8, RegisterAccess.ReadWrite, 0));
        }
        Regions = [new("hpet", AddressSpace.Mmio, RegionBytes, registers)];
    }

    public string Name => "hpet";

    public IReadOnlyList<RegisterMap> Regions { get; }

    public int StateVersion => 1;

    /// <summary>For the outputs of the 8254's counter 0 and the RTC: cut off while timers 0 and 1 stand in for them (2.3.9.2.1).</summary>
    public IIrqLine PitOutput { get; }

    public IIrqLine RtcOutput { get; }

    // 2.1.2: aligned doublewords and quadwords only; of others nothing is said, and a part of the register is read.
    public ulong ReadMmio(int region, ulong offset, int size)
    {
        var value = ReadRegister((uint)offset & ~7u) >> (int)((offset & 7) * 8);
        return size == 8 ? value : value & ((1UL << (size * 8)) - 1);
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (size < 4 || offset % (ulong)size != 0)
            return;
        var mask = size == 8 ? ulong.MaxValue : (ulong)uint.MaxValue << (int)((offset & 4) * 8);
        WriteRegister((uint)offset & ~7u, value << (int)((offset & 4) * 8), mask);
    }

    public void Reset()
    {
        (_configuration, _status, _offset, _halted) = (0, 0, 0, 0);
        foreach (var timer in _timers)
            timer.Reset();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt64(_configuration);
        writer.UInt64(_status);
        writer.UInt64(_offset);
        writer.UInt64(_halted);
        foreach (var timer in _timers)
            timer.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _configuration = reader.UInt64() & (Enable | LegacyRoute);
        _status = reader.UInt64() & ((1 << TimerCount) - 1);
        (_offset, _halted) = (reader.UInt64(), reader.UInt64());
        foreach (var timer in _timers)
            timer.Load(ref reader);
        foreach (var timer in _timers)
            timer.Arm();
    }

    private bool IsEnabled => (_configuration & Enable) != 0;

    private bool IsLegacy => (_configuration & LegacyRoute) != 0;

    private ulong Counter => IsEnabled ? (ulong)s_clock.TicksAt(_clock.NowNs) + _offset : _halted;

    private ulong ReadRegister(uint offset) => offset switch
    {
        0 => PeriodFs << 32 | IdentityLow,
        ConfigurationOffset => _configuration,
        StatusOffset => _status,
        CounterOffset => Counter,
        >= TimersOffset and < TimersOffset + TimerCount * TimerBytes => _timers[(offset - TimersOffset) / TimerBytes].Read(offset % TimerBytes),
        _ => 0,
    };

    private void WriteRegister(uint offset, ulong value, ulong mask)
    {
        switch (offset)
        {
            case ConfigurationOffset:
                WriteConfiguration((_configuration & ~mask) | (value & mask & (Enable | LegacyRoute)));
                break;
            case StatusOffset:
                _status &= ~(value & mask);
                foreach (var timer in _timers)
                    timer.UpdateLine();
                break;
            case CounterOffset when !IsEnabled:
                // 2.3.7: to be written while it stands still.
                _halted = (_halted & ~mask) | (value & mask);
                break;
            case >= TimersOffset and < TimersOffset + TimerCount * TimerBytes:
                _timers[(offset - TimersOffset) / TimerBytes].Write(offset % TimerBytes, value, mask);
                break;
            default:
                break;
        }
    }

    private void WriteConfiguration(ulong value)
    {
        var counter = Counter;
        foreach (var timer in _timers)
            timer.ReleaseLine();
        _configuration = value;
        if (IsEnabled)
            _offset = counter - (ulong)s_clock.TicksAt(_clock.NowNs);
        else
            _halted = counter;
        ((Gate)PitOutput).Update();
        ((Gate)RtcOutput).Update();
        foreach (var timer in _timers)
        {
            timer.UpdateLine();
            timer.Arm();
        }
    }

    /// <summary>The output of a device that can be cut off.</summary>
    private sealed class Gate(Hpet hpet, IIrqLine line) : IIrqLine
    {
        private bool _level;

        public void Set(bool level)
        {
            _level = level;
            if (!hpet.IsLegacy)
                line.Set(level);
        }

        public void Update() => line.Set(_level && !hpet.IsLegacy);
    }

    /// <summary>One comparator.</summary>
    private sealed class Timer
    {
        private readonly Hpet _hpet;
        private readonly int _index;
        private readonly IClockTimer _timer;
        private ulong _configuration, _comparator, _period, _message;

        public Timer(Hpet hpet, int index)
        {
            (_hpet, _index) = (hpet, index);
            _timer = hpet._clock.CreateTimer(Fire);
        }

        private bool IsPeriodic => (_configuration & Periodic) != 0;

        private bool IsLevel => (_configuration & LevelTriggered) != 0;

        private ulong Mask => (_configuration & Mode32) != 0 ? uint.MaxValue : ulong.MaxValue;

        public void Reset()
        {
            ReleaseLine();
            (_configuration, _comparator, _period, _message) = (0, ulong.MaxValue, 0, 0);
            _timer.Cancel();
        }

        public ulong Read(uint offset) => offset switch
        {
            TimerConfiguration => _configuration | PeriodicCapable | Wide | MessageCapable | (ulong)Routes << RouteCapabilityShift,
            TimerComparator => _comparator & Mask,
            TimerMessage => _message,
            _ => 0,
        };

        public void Write(uint offset, ulong value, ulong mask)
        {
            switch (offset)
            {
                case TimerConfiguration:
                    ReleaseLine();
                    _configuration = ((_configuration & ~mask) | (value & mask)) & Writable;
                    // 2.3.9.2.1: made narrow, it has no upper halves any more.
                    (_comparator, _period) = (_comparator & Mask, _period & Mask);
                    UpdateLine();
                    break;
                case TimerComparator:
                    // 2.3.9.2.2: for a periodic timer the period is written, and the comparator itself when it was asked for.
                    if (!IsPeriodic || (_configuration & SetValue) != 0)
                        _comparator = ((_comparator & ~mask) | (value & mask)) & Mask;
                    if (IsPeriodic)
                        _period = ((_period & ~mask) | (value & mask)) & Mask;
                    _configuration &= ~SetValue;
                    break;
                case TimerMessage:
                    _message = (_message & ~mask) | (value & mask);
                    break;
                default:
                    return;
            }
            Arm();
        }

        public void Save(StateWriter writer)
        {
            writer.UInt64(_configuration);
            writer.UInt64(_comparator);
            writer.UInt64(_period);
            writer.UInt64(_message);
        }

        public void Load(ref StateReader reader)
        {
            ReleaseLine();
            _configuration = reader.UInt64() & Writable;
            (_comparator, _period, _message) = (reader.UInt64() & Mask, reader.UInt64() & Mask, reader.UInt64());
            UpdateLine();
        }

        /// <summary>Sets the host's timer for when the counter next reaches the comparator.</summary>
        public void Arm()
        {
            if (!_hpet.IsEnabled || (_configuration & InterruptEnable) == 0)
            {
                _timer.Cancel();
                return;
            }
            var counter = _hpet.Counter;
            var left = (_comparator - counter - 1 & Mask) + 1;
            var now = s_clock.TicksAt(_hpet._clock.NowNs);
            if (left == 0 || left > (ulong)(long.MaxValue - now))
                _timer.Cancel();
            else
                _timer.Arm(s_clock.NsAt(now + (long)left));
        }

        /// <summary>What a level-triggered timer drives is its status bit.</summary>
        public void UpdateLine()
        {
            if (IsLevel && Line is { } line)
                line.Set((_configuration & InterruptEnable) != 0 && (_hpet._status >> _index & 1) != 0);
        }

        /// <summary>Before the timer may be led elsewhere.</summary>
        public void ReleaseLine()
        {
            if ((_configuration & InterruptEnable) != 0)
                Line?.Set(false);
        }

        private void Fire()
        {
            if (IsPeriodic && _period != 0)
            {
                // Also those that nobody was awake for.
                var counter = _hpet.Counter;
                var missed = (counter - _comparator & Mask) / _period;
                _comparator = (_comparator + (missed + 1) * _period) & Mask;
            }
            Interrupt();
            Arm();
            if (_timer.DeadlineNs is { } deadline && deadline < _hpet._clock.NowNs + MinIntervalNs)
                _timer.Arm(_hpet._clock.NowNs + MinIntervalNs);
        }

        private void Interrupt()
        {
            if ((_configuration & MessageEnable) != 0)
            {
                _hpet._msi.SendMsi(_message >> 32, (uint)_message);
                return;
            }
            if (IsLevel)
            {
                _hpet._status |= 1UL << _index;
                UpdateLine();
                return;
            }
            Line?.Set(true);
            Line?.Set(false);
        }

        // 2.3.9.1: a route that the timer does not have leads nowhere.
        private IIrqLine? Line
        {
            get
            {
                if (_hpet.IsLegacy && _index < 2)
                    return _hpet._lineOf(_index == 0 ? PitLine : RtcLine);
                var route = (int)(_configuration >> RouteShift & 0x1f);
                return (Routes >> route & 1) != 0 ? _hpet._lineOf(route) : null;
            }
        }
    }
}
