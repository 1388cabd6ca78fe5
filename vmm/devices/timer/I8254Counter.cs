using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Timer;

/// <summary>
/// One counter of an 8254 as a function of time: nothing runs between two looks at it. Times are ticks of its clock since virtual time 0.
/// </summary>
/// <remarks>Intel 8254 data sheet, "Mode Definitions": what loads a count, what the gate does, when OUT changes.</remarks>
internal sealed class I8254Counter
{
    private static readonly Frequency _clock = new(1_193_182);

    private enum Access : byte
    {
        LowByte = 1,
        HighByte = 2,
        LowThenHigh = 3,
    }

    private byte _mode;
    private Access _access;
    private bool _bcd, _gate;

    // Count register and what was written of it so far; 0 stands for the largest count.
    private ushort _written;
    private bool _writeHighNext, _readHighNext;

    // Nothing counts before a count was written ("null count"), in modes 1 and 5 before the gate's trigger.
    private bool _loaded, _running;
    private long _count, _start;

    // Modes 2 and 3: a count written while counting begins with the next period. Modes 1 and 5: with the next trigger. 0: none.
    private long _nextCount;

    // Modes 0 and 4 with the gate low: ticks counted so far. -1: not held.
    private long _heldAt = -1;

    private bool _countLatched, _statusLatched;
    private ushort _latchedCount;
    private byte _latchedStatus;
    private long _edgesSeenTo;

    /// <summary>Ticks at a virtual time.</summary>
    public static long TicksAt(long ns) => _clock.TicksAt(ns);

    /// <summary>The first nanosecond at which that many ticks have passed.</summary>
    public static long NsAt(long ticks) => _clock.NsAt(ticks);

    private bool IsPeriodic => _mode is 2 or 3;

    private bool IsTriggered => _mode is 1 or 5;

    public void Reset()
    {
        (_mode, _access, _bcd, _gate) = (0, Access.LowThenHigh, false, true);
        (_written, _writeHighNext, _readHighNext, _loaded, _running) = (0, false, false, false, false);
        (_count, _start, _nextCount, _heldAt, _edgesSeenTo) = (0x10000, 0, 0, -1, 0);
        (_countLatched, _statusLatched, _latchedCount, _latchedStatus) = (false, false, 0, 0);
    }

    public void WriteControl(byte value, long now)
    {
        var access = (Access)(value >> 4 & 3);
        if (access == 0)
        {
            LatchCount(now);
            return;
        }
        var mode = value >> 1 & 7;
        // Modes 2 and 3 have a bit that does not matter.
        _mode = (byte)(mode > 5 ? mode - 4 : mode);
        (_access, _bcd) = (access, (value & 1) != 0);
        (_writeHighNext, _readHighNext, _loaded, _running, _nextCount, _heldAt) = (false, false, false, false, 0, -1);
        (_countLatched, _statusLatched) = (false, false);
        _edgesSeenTo = now;
    }

    public void Write(byte value, long now)
    {
        Settle(now);
        switch (_access)
        {
            case Access.LowByte:
                LoadWritten(value, now);
                break;
            case Access.HighByte:
                LoadWritten((ushort)(value << 8), now);
                break;
            case Access.LowThenHigh when !_writeHighNext:
                _written = value;
                _writeHighNext = true;
                // Mode 0: the first byte stops the counter, and OUT goes low at once.
                if (_mode == 0 && _running)
                    Stop(now);
                break;
            default:
                _writeHighNext = false;
                LoadWritten((ushort)(_written | value << 8), now);
                break;
        }
    }

    public byte Read(long now)
    {
        if (_statusLatched)
        {
            _statusLatched = false;
            return _latchedStatus;
        }
        var count = _countLatched ? _latchedCount : GetCount(now);
        switch (_access)
        {
            case Access.LowByte:
                _countLatched = false;
                return (byte)count;
            case Access.HighByte:
                _countLatched = false;
                return (byte)(count >> 8);
            case Access.LowThenHigh when !_readHighNext:
                _readHighNext = true;
                return (byte)count;
            default:
                (_readHighNext, _countLatched) = (false, false);
                return (byte)(count >> 8);
        }
    }

    public void LatchCount(long now)
    {
        if (_countLatched)
            return;
        _latchedCount = GetCount(now);
        _countLatched = true;
    }

    public void LatchStatus(long now)
    {
        if (_statusLatched)
            return;
        Settle(now);
        var nullCount = !_loaded || _nextCount != 0;
        _latchedStatus = (byte)((GetOut(now) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (int)_access << 4 | _mode << 1 | (_bcd ? 1 : 0));
        _statusLatched = true;
    }

    public void SetGate(bool gate, long now)
    {
        if (gate == _gate)
            return;
        Settle(now);
        _gate = gate;
        switch (_mode)
        {
            case 0 or 4 when !gate:
                if (_running && _heldAt < 0)
                    _heldAt = now - _start;
                break;
            case 0 or 4:
                if (_heldAt >= 0)
                    (_start, _heldAt) = (now - _heldAt, -1);
                break;
            case 2 or 3:
                // Low stops and sets OUT high at once; the rising edge reloads.
                _running = gate && _loaded;
                TakeNextCount();
                _start = now;
                break;
            default:
                if (gate && _loaded)
                {
                    TakeNextCount();
                    (_running, _start) = (true, now);
                }
                break;
        }
    }

    /// <summary>The level of OUT.</summary>
    public bool GetOut(long now)
    {
        Settle(now);
        var passed = Passed(now);
        return _mode switch
        {
            0 => _running && passed >= _count,
            1 => !_running || passed >= _count,
            2 => !_running || passed % _count != _count - 1,
            3 => !_running || passed % _count < (_count + 1) / 2,
            _ => !_running || passed != _count,
        };
    }

    /// <summary>True when OUT rose since the last call.</summary>
    public bool TakeRisingEdge(long now)
    {
        Settle(now);
        var from = Math.Max(_edgesSeenTo, _start);
        _edgesSeenTo = now;
        if (!_running || now <= from)
            return false;
        var (before, after) = (from - _start, Passed(now));
        return _mode switch
        {
            0 or 1 => before < _count && after >= _count,
            2 or 3 => before / _count != after / _count,
            _ => before <= _count && after > _count,
        };
    }

    /// <summary>When OUT changes next, or null when it does not.</summary>
    public long? NextChange(long now)
    {
        Settle(now);
        if (!_running || _heldAt >= 0)
            return null;
        var passed = Passed(now);
        var phase = passed % _count;
        return _mode switch
        {
            0 or 1 => passed < _count ? _start + _count : null,
            2 => now + (phase < _count - 1 ? _count - 1 - phase : 1),
            3 => now + (phase < (_count + 1) / 2 ? (_count + 1) / 2 - phase : _count - phase),
            _ => passed < _count ? _start + _count : passed == _count ? now + 1 : null,
        };
    }

    public void Save(StateWriter writer)
    {
        foreach (var value in (ReadOnlySpan<byte>)[_mode, (byte)_access, _latchedStatus])
            writer.Byte(value);
        foreach (var value in (ReadOnlySpan<bool>)[_bcd, _gate, _writeHighNext, _readHighNext, _loaded, _running, _countLatched, _statusLatched])
            writer.Bool(value);
        writer.UInt16(_written);
        writer.UInt16(_latchedCount);
        foreach (var value in (ReadOnlySpan<long>)[_count, _start, _nextCount, _heldAt, _edgesSeenTo])
            writer.Int64(value);
    }

    public void Load(ref StateReader reader)
    {
        const long MaxTicks = 1L << 61;
        _mode = (byte)(reader.Byte() % 6);
        var access = reader.Byte();
        _access = access is >= 1 and <= 3 ? (Access)access : throw new StateFormatException($"8254 counter: access mode {access}, where 1 to 3 were expected");
        _latchedStatus = reader.Byte();
        (_bcd, _gate, _writeHighNext, _readHighNext) = (reader.Bool(), reader.Bool(), reader.Bool(), reader.Bool());
        (_loaded, _running, _countLatched, _statusLatched) = (reader.Bool(), reader.Bool(), reader.Bool(), reader.Bool());
        (_written, _latchedCount) = (reader.UInt16(), reader.UInt16());
        _count = Math.Clamp(reader.Int64(), 1, 0x10000);
        _start = Math.Clamp(reader.Int64(), -MaxTicks, MaxTicks);
        _nextCount = Math.Clamp(reader.Int64(), 0, 0x10000);
        _heldAt = Math.Clamp(reader.Int64(), -1, MaxTicks);
        _edgesSeenTo = Math.Clamp(reader.Int64(), 0, MaxTicks);
        // Until a count is written for the mode, that of the one before stays.
        if (IsPeriodic && (_loaded || _running))
            (_count, _nextCount) = (Math.Max(_count, 2), _nextCount == 0 ? 0 : Math.Max(_nextCount, 2));
    }

    private long Passed(long now) => _heldAt >= 0 ? _heldAt : Math.Max(now - _start, 0);

    // Brings a count that waited for the period's end into force.
    private void Settle(long now)
    {
        if (_nextCount == 0 || !_running || !IsPeriodic || now - _start < _count)
            return;
        _start += _count;
        TakeNextCount();
    }

    // The count stays as it is; 0 is the largest.
    private void Stop(long now)
    {
        long most = _bcd ? 10_000 : 0x10000;
        var left = ((_count - Passed(now)) % most + most) % most;
        (_count, _heldAt, _running) = (left == 0 ? most : left, -1, false);
    }

    private void TakeNextCount()
    {
        if (_nextCount == 0)
            return;
        (_count, _nextCount) = (_nextCount, 0);
    }

    private void LoadWritten(ushort written, long now)
    {
        _written = written;
        var count = Decode(written);
        if ((IsPeriodic && _running) || (IsTriggered && _loaded && _running))
        {
            // The period that it waits for the end of is the one that runs now.
            if (IsPeriodic)
                _start += Math.Max(now - _start, 0) / _count * _count;
            _nextCount = count;
            return;
        }
        (_count, _loaded, _nextCount) = (count, true, 0);
        if (IsTriggered)
            return;
        _running = _gate || !IsPeriodic;
        _start = now;
        _heldAt = !IsPeriodic && !_gate ? 0 : -1;
        _edgesSeenTo = now;
    }

    // Mode 2 has no count of 1, and mode 3 could make nothing of it.
    private long Decode(ushort written)
    {
        var count = _bcd ? written % 16 + written / 16 % 16 * 10 + written / 256 % 16 * 100 + written / 4096 * 1000 : written;
        if (count == 0)
            count = _bcd ? 10_000 : 0x10000;
        return IsPeriodic ? Math.Max(count, 2) : count;
    }

    private ushort GetCount(long now)
    {
        Settle(now);
        if (!_loaded)
            return 0;
        var passed = _running ? Passed(now) : 0;
        var left = _mode switch
        {
            2 => _count - passed % _count,
            3 => _count - passed * 2 % _count,
            _ => _count - passed,
        };
        if (!_bcd)
            return (ushort)left;
        left = (left % 10_000 + 10_000) % 10_000;
        return (ushort)(left % 10 + left / 10 % 10 * 16 + left / 100 % 10 * 256 + left / 1000 * 4096);
    }
}
