using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Timer;

/// <summary>
/// MC146818 real-time clock with 128 bytes of CMOS RAM, of which the PC's firmware keeps memory sizes and the century.
/// </summary>
/// <remarks>
/// Motorola MC146818 data sheet: "Address Map", "Registers" A to D, "Update Cycle", "Interrupts". Nothing ticks while nobody looks: time, flags and
/// rate are computed from virtual time, and a host timer runs only for interrupts that are enabled. The date runs from 1980 to 2099, in the
/// registers' two digits and the century byte.
/// </remarks>
public sealed class Mc146818 : IPortDevice, IResettable, ISaveable
{
    private const int RamBytes = 128;
    private const byte NmiMask = 0x80;

    private const int Seconds = 0, SecondsAlarm = 1, Minutes = 2, MinutesAlarm = 3, Hours = 4, HoursAlarm = 5;
    private const int DayOfWeek = 6, DayOfMonth = 7, Month = 8, Year = 9;
    private const int RegisterA = 0xa, RegisterB = 0xb, RegisterC = 0xc, RegisterD = 0xd, Century = 0x32;

    private const byte UpdateInProgress = 0x80, Divider32KHz = 0x20, DividerReset = 0x60, RateMask = 0x0f;
    private const byte Set = 0x80, PeriodicEnable = 0x40, AlarmEnable = 0x20, UpdateEnable = 0x10, SquareWaveEnable = 8, Binary = 4, Hours24 = 2;
    private const byte InterruptFlag = 0x80, PeriodicFlag = 0x40, AlarmFlag = 0x20, UpdateFlag = 0x10;
    private const byte ValidRam = 0x80;
    private const byte Pm = 0x80, AlarmDontCare = 0xc0;

    private const long NsPerSecond = 1_000_000_000;

    // "Update Cycle", table 5: with a 32.768-kHz crystal UIP rises 244 µs (8 ticks) before the cycle. The cycle itself, 1984 µs in which the registers
    // are undefined, is done at once here: its end is the new second, and a reader that waits for UIP to fall finds it.
    private const long UpdateNs = 8 * NsPerSecond / 32_768;

    // The first update comes half a second after the divider's reset ends.
    private const long AfterDividerResetNs = NsPerSecond / 2;
    private const long SecondsPerDay = 86_400;

    private static readonly Frequency _crystal = new(32_768);
    private static readonly DateTime Earliest = new(1980, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly DateTime Latest = new(2099, 12, 31, 23, 59, 59, DateTimeKind.Utc);

    private readonly IIrqLine _irq;
    private readonly IIrqLine _alarm;
    private readonly IClock _clock;
    private readonly IClockTimer _timer;
    private readonly byte[] _ram = new byte[RamBytes];
    private byte _index;
    private byte _flags;

    // The time of day is _baseSeconds after Earliest at virtual time _baseNs, unless it stands still.
    private long _baseSeconds, _baseNs;

    // How far flags were brought up to date.
    private long _flagsNs;
    private int _weekdayShift;

    // The crystal's tick that periods are counted from: 0, or the last period's end before the rate was changed.
    private long _periodsFrom;

    /// <param name="irq">Any interrupt that is enabled.</param>
    /// <param name="alarm">The alarm's alone, for what wakes by it.</param>
    public Mc146818(IIrqLine irq, IClock clock, IIrqLine? alarm = null)
    {
        (_irq, _clock, _alarm) = (irq, clock, alarm ?? UnconnectedIrqLine.Instance);
        _timer = clock.CreateTimer(OnTimer);
        _ram[RegisterA] = Divider32KHz | 6;
        _ram[RegisterB] = Hours24;
        _baseSeconds = (long)(Clamp(clock.StartUtc) - Earliest).TotalSeconds;
        _flagsNs = clock.NowNs;
    }

    public string Name => "mc146818rtc";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("rtc", AddressSpace.Port, 2,
        [
            new("INDEX", 0, 1, RegisterAccess.Write, null, "bits 0-6 choose a register: 0-9 time and alarm, 0xa-0xd control, RAM above; bit 7 masks NMI"),
            new("DATA", 1, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect),
        ]),
    ];

    public int StateVersion => 2;

    private bool StandsStill => (_ram[RegisterB] & Set) != 0 || (_ram[RegisterA] & DividerReset) == DividerReset;

    /// <summary>Sets a byte of RAM as the firmware does.</summary>
    /// <param name="index">0xe to 0x7f.</param>
    public void SetRam(int index, byte value)
    {
        if (index <= RegisterD)
            throw new ArgumentOutOfRangeException(nameof(index));
        _ram[index] = value;
    }

    public uint ReadPort(int region, uint offset, int size)
    {
        if (offset == 0)
            return 0xff;
        var now = _clock.NowNs;
        switch (_index)
        {
            case RegisterA:
                return (uint)(_ram[RegisterA] | (IsUpdating(now) ? UpdateInProgress : 0));
            case RegisterC:
                SyncFlags(now);
                var flags = _flags;
                _flags = 0;
                UpdateIrq(now);
                return flags;
            case RegisterD:
                return ValidRam;
            case Seconds or Minutes or Hours or DayOfWeek or DayOfMonth or Month or Year or Century:
                if (!StandsStill)
                    StoreTime(SecondsAt(now));
                return _ram[_index];
            default:
                return _ram[_index];
        }
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        var written = (byte)value;
        if (offset == 0)
        {
            _index = (byte)(written & ~NmiMask);
            return;
        }
        var now = _clock.NowNs;
        SyncFlags(now);
        switch (_index)
        {
            case RegisterA:
                WriteRegisterA((byte)(written & ~UpdateInProgress), now);
                break;
            case RegisterB:
                WriteRegisterB(written, now);
                break;
            case RegisterC or RegisterD:
                break;
            case Seconds or Minutes or Hours or DayOfWeek or DayOfMonth or Month or Year or Century:
                if (!StandsStill)
                    StoreTime(SecondsAt(now));
                _ram[_index] = written;
                if (!StandsStill)
                    TakeTime(now, SubSecondNs(now));
                break;
            default:
                _ram[_index] = written;
                break;
        }
        UpdateIrq(now);
    }

    /// <summary>"RESET": the interrupt enables and flags are cleared; time, alarm and RAM are not touched.</summary>
    public void Reset()
    {
        _ram[RegisterB] &= unchecked((byte)~(PeriodicEnable | AlarmEnable | UpdateEnable | SquareWaveEnable));
        _flags = 0;
        _index = 0;
        _flagsNs = _clock.NowNs;
        UpdateIrq(_flagsNs);
    }

    public void Save(StateWriter writer)
    {
        writer.Bytes(_ram);
        writer.Byte(_index);
        writer.Byte(_flags);
        writer.Int64(_baseSeconds);
        writer.Int64(_baseNs);
        writer.Int64(_flagsNs);
        writer.Int32(_weekdayShift);
        writer.Int64(_periodsFrom);
    }

    public void Load(ref StateReader reader)
    {
        var ram = reader.Bytes(RamBytes);
        if (ram.Length != RamBytes)
            throw new StateFormatException($"{Name}: {ram.Length} bytes of RAM, where {RamBytes} were expected");
        ram.CopyTo(_ram);
        _ram[RegisterA] &= unchecked((byte)~UpdateInProgress);
        _index = (byte)(reader.Byte() & ~NmiMask);
        _flags = (byte)(reader.Byte() & (PeriodicFlag | AlarmFlag | UpdateFlag | InterruptFlag));
        _baseSeconds = Math.Clamp(reader.Int64(), 0, (long)(Latest - Earliest).TotalSeconds);
        _baseNs = Math.Clamp(reader.Int64(), -NsPerSecond, long.MaxValue / 2);
        _flagsNs = Math.Clamp(reader.Int64(), 0, long.MaxValue / 2);
        _weekdayShift = Math.Clamp(reader.Int32(), 0, 6);
        _periodsFrom = Math.Clamp(reader.Int64(), 0, _crystal.TicksAt(_flagsNs));
        UpdateIrq(_clock.NowNs);
    }

    private static DateTime Clamp(DateTime time) => time < Earliest ? Earliest : time > Latest ? Latest : time;

    private long SecondsAt(long ns)
    {
        var span = (long)(Latest - Earliest).TotalSeconds + 1;
        return (_baseSeconds + FloorSeconds(ns - _baseNs)) % span;
    }

    private long SubSecondNs(long ns) => ns - _baseNs - FloorSeconds(ns - _baseNs) * NsPerSecond;

    private static long FloorSeconds(long ns) => ns >= 0 ? ns / NsPerSecond : -((-ns + NsPerSecond - 1) / NsPerSecond);

    private bool IsUpdating(long now) => !StandsStill && SubSecondNs(now) >= NsPerSecond - UpdateNs;

    private void WriteRegisterA(byte value, long now)
    {
        var stood = StandsStill;
        if (!stood)
            StoreTime(SecondsAt(now));
        var wasReset = (_ram[RegisterA] & DividerReset) == DividerReset;
        var old = PeriodTicks;
        _ram[RegisterA] = value;
        // The first period at a new rate begins where the last one ended.
        if (PeriodTicks != old)
        {
            var ticks = _crystal.TicksAt(now);
            _periodsFrom = old == 0 ? ticks : ticks - (ticks - _periodsFrom) % old;
        }
        if (stood && !StandsStill)
            TakeTime(now, wasReset ? AfterDividerResetNs : 0);
    }

    private void WriteRegisterB(byte value, long now)
    {
        var stood = StandsStill;
        if (!stood)
            StoreTime(SecondsAt(now));
        // "SET": setting it also clears the update-ended interrupt's enable.
        if ((value & Set) != 0)
            value &= unchecked((byte)~UpdateEnable);
        var subSecond = SubSecondNs(now);
        _ram[RegisterB] = value;
        if (stood && !StandsStill)
            TakeTime(now, subSecond);
    }

    // The registers as they read at a time of day, in the format that register B chooses.
    private void StoreTime(long seconds)
    {
        var time = Earliest.AddSeconds(seconds);
        _ram[Seconds] = Encode(time.Second);
        _ram[Minutes] = Encode(time.Minute);
        if ((_ram[RegisterB] & Hours24) != 0)
            _ram[Hours] = Encode(time.Hour);
        else
            _ram[Hours] = (byte)(Encode((time.Hour + 11) % 12 + 1) | (time.Hour >= 12 ? Pm : 0));
        _ram[DayOfWeek] = Encode(((int)time.DayOfWeek + _weekdayShift) % 7 + 1);
        _ram[DayOfMonth] = Encode(time.Day);
        _ram[Month] = Encode(time.Month);
        _ram[Year] = Encode(time.Year % 100);
        _ram[Century] = ToBcd(time.Year / 100);
    }

    // The time of day that the registers hold; what is no date (32nd, month 0) counts as the nearest one.
    private void TakeTime(long now, long subSecondNs)
    {
        var century = Math.Clamp(FromBcd(_ram[Century]), 19, 20);
        var year = century * 100 + Math.Min(Decode(_ram[Year]), 99);
        year = Math.Clamp(year, Earliest.Year, Latest.Year);
        var month = Math.Clamp(Decode(_ram[Month]), 1, 12);
        var day = Math.Clamp(Decode(_ram[DayOfMonth]), 1, DateTime.DaysInMonth(year, month));
        var hour = Math.Clamp(DecodeHour(_ram[Hours]), 0, 23);
        var date = new DateTime(year, month, day, hour, Math.Min(Decode(_ram[Minutes]), 59), Math.Min(Decode(_ram[Seconds]), 59), DateTimeKind.Utc);
        _baseSeconds = (long)(date - Earliest).TotalSeconds;
        _baseNs = now - subSecondNs;
        _weekdayShift = (Math.Clamp(Decode(_ram[DayOfWeek]), 1, 7) - 1 - (int)date.DayOfWeek + 7) % 7;
        _flagsNs = now;
    }

    private byte Encode(int value) => (_ram[RegisterB] & Binary) != 0 ? (byte)value : ToBcd(value);

    private int Decode(byte value) => (_ram[RegisterB] & Binary) != 0 ? value : FromBcd(value);

    private int DecodeHour(byte value)
    {
        if ((_ram[RegisterB] & Hours24) != 0)
            return Decode(value);
        var hour = Decode((byte)(value & ~Pm)) % 12;
        return (value & Pm) != 0 ? hour + 12 : hour;
    }

    private static byte ToBcd(int value) => (byte)(value / 10 * 16 + value % 10);

    private static int FromBcd(byte value) => value / 16 * 10 + value % 16;

    // 0 when the periodic rate is off. Rates 1 and 2 repeat 8 and 9 (table 3).
    private long PeriodTicks
    {
        get
        {
            var rate = _ram[RegisterA] & RateMask;
            // The other two time bases are taken for this one, as on every PC: a guest that selects them finds the same crystal.
            if (rate == 0 || (_ram[RegisterA] & DividerReset) == DividerReset)
                return 0;
            return 1L << (rate < 3 ? rate + 6 : rate - 1);
        }
    }

    /// <summary>Sets the flags for what happened since the last time.</summary>
    private void SyncFlags(long now)
    {
        if (now <= _flagsNs)
        {
            _flagsNs = now;
            return;
        }
        var period = PeriodTicks;
        if (period != 0 && (_crystal.TicksAt(now) - _periodsFrom) / period != (_crystal.TicksAt(_flagsNs) - _periodsFrom) / period)
            _flags |= PeriodicFlag;
        if (!StandsStill)
        {
            var (before, after) = (FloorSeconds(_flagsNs - _baseNs), FloorSeconds(now - _baseNs));
            if (after > before)
            {
                _flags |= UpdateFlag;
                if (SecondsToAlarm(SecondsAt(_flagsNs)) is { } wait && wait <= after - before)
                    _flags |= AlarmFlag;
            }
        }
        _flagsNs = now;
    }

    // From a time of day to the next second, not this one, that the alarm registers match; null when none does.
    private long? SecondsToAlarm(long seconds)
    {
        var timeOfDay = (int)(seconds % SecondsPerDay);
        for (var i = 0; i <= 24; i++)
        {
            var hour = (timeOfDay / 3600 + i) % 24;
            if (!MatchesHour(hour))
                continue;
            for (var minute = i == 0 ? timeOfDay / 60 % 60 : 0; minute < 60; minute++)
            {
                if (!Matches(_ram[MinutesAlarm], minute))
                    continue;
                for (var second = 0; second < 60; second++)
                {
                    if (!Matches(_ram[SecondsAlarm], second))
                        continue;
                    var wait = hour * 3600 + minute * 60 + second - timeOfDay;
                    if (i > 0 && wait <= 0)
                        wait += (int)SecondsPerDay;
                    if (wait > 0)
                        return wait;
                }
            }
        }
        return null;
    }

    private bool Matches(byte alarm, int value) => alarm >= AlarmDontCare || Decode(alarm) == value;

    private bool MatchesHour(int hour) => _ram[HoursAlarm] >= AlarmDontCare || DecodeHour(_ram[HoursAlarm]) == hour;

    private void OnTimer()
    {
        var now = _clock.NowNs;
        SyncFlags(now);
        UpdateIrq(now);
    }

    // IRQF is the or of flags that are enabled; the timer runs for those that could come.
    private void UpdateIrq(long now)
    {
        var enabled = _ram[RegisterB] & (PeriodicEnable | AlarmEnable | UpdateEnable);
        var asserted = (_flags & enabled) != 0;
        _flags = (byte)(asserted ? _flags | InterruptFlag : _flags & ~InterruptFlag);
        _irq.Set(asserted);
        _alarm.Set((_flags & enabled & AlarmFlag) != 0);

        var next = long.MaxValue;
        var missing = enabled & ~_flags;
        if ((missing & PeriodicEnable) != 0 && PeriodTicks is var period and not 0)
            next = _crystal.NsAt(_periodsFrom + ((_crystal.TicksAt(now) - _periodsFrom) / period + 1) * period);
        if (!StandsStill && (missing & UpdateEnable) != 0)
            next = Math.Min(next, now - SubSecondNs(now) + NsPerSecond);
        if (!StandsStill && (missing & AlarmEnable) != 0 && SecondsToAlarm(SecondsAt(now)) is { } wait)
            next = Math.Min(next, now - SubSecondNs(now) + wait * NsPerSecond);
        if (next == long.MaxValue)
            _timer.Cancel();
        else
            _timer.Arm(next);
    }
}
