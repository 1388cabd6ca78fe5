using FsCheck.Fluent;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>Intel 8254 data sheet, "Mode Definitions": counter 0, whose gate is always high, clock by clock.</summary>
public sealed class PitModelTests
{
    private const int Counter = 0x40, Control = 0x43, ReadBack = 0xc2;

    [Fact]
    public void Count_and_status_read_as_a_counter_that_counts_clock_by_clock() => ModelChecks.Agree(
        "isa-pit",
        Gen.OneOf(
            // Low byte then high byte, modes 0, 2, 3 and 4, binary.
            ModelChecks.Out(Control, Gen.Elements(0x30, 0x34, 0x36, 0x38)), ModelChecks.Out(Counter, Gen.Choose(0, 5).Select(half => half * 2)), ModelChecks.Out(Counter, Gen.Choose(0, 5).Select(half => half * 2)),
            ModelChecks.Out(Control, Gen.Constant(ReadBack)), ModelChecks.Out(Control, Gen.Constant(0)), ModelChecks.In(Counter), ModelChecks.In(Counter),
            ModelChecks.Step(20_000), ModelChecks.Step(3_000_000)),
        static () => new Pit());

    private sealed class Pit : IDeviceModel
    {
        private const long ClockHz = 1_193_182, NsPerSecond = 1_000_000_000;

        private int _mode, _count, _start, _next, _low;
        private bool _isSet, _isLoaded, _out, _writesHigh, _readsHigh;
        private int? _status, _latched;
        private long _ns, _ticks;

        // Before the first control word the data sheet promises nothing.
        public ulong? Apply(in Operation operation)
        {
            switch (operation.Kind)
            {
                case OperationKind.ClockStep:
                    _ns += (long)operation.Value;
                    for (var now = (long)((Int128)_ns * ClockHz / NsPerSecond); _ticks < now; _ticks++)
                        Tick();
                    return null;
                case OperationKind.Write when operation.Address == Control:
                    WriteControl((int)operation.Value);
                    return null;
                case OperationKind.Write:
                    WriteCount((int)operation.Value);
                    return null;
                default:
                    return _isSet && Read() is { } value ? (ulong)value : null;
            }
        }

        private void WriteControl(int value)
        {
            if (value == ReadBack)
            {
                _status ??= (_out ? 0x80 : 0) | (_isLoaded && _next == 0 ? 0 : 0x40) | 0x30 | _mode << 1;
                _latched ??= _count;
            }
            else if (value == 0)
            {
                _latched ??= _count;
            }
            else
            {
                (_mode, _isSet, _isLoaded, _writesHigh, _readsHigh, _next) = (value >> 1 & 7, true, false, false, false, 0);
                (_status, _latched) = (null, null);
                // OUT is low in mode 0, high in the others, until a count is there.
                _out = _mode != 0;
                _count = 0;
            }
        }

        private void WriteCount(int value)
        {
            if (!_isSet)
                return;
            if (!_writesHigh)
            {
                _low = value;
                _writesHigh = true;
                // The first byte stops mode 0.
                if (_mode == 0)
                    _out = false;
                return;
            }
            _writesHigh = false;
            var count = _low | value << 8;
            count = count == 0 ? 0x10000 : count;
            if (_mode is 2 or 3)
            {
                count = Math.Max(count, 2);
                if (_isLoaded)
                {
                    _next = count;
                    return;
                }
            }
            (_start, _count, _isLoaded, _out) = (count, count, true, _mode != 0);
        }

        private void Tick()
        {
            if (!_isLoaded || _mode == 0 && _writesHigh)
                return;
            switch (_mode)
            {
                case 0:
                    _count--;
                    _out |= _count == 0;
                    break;
                case 4:
                    _count--;
                    _out = _count != 0;
                    break;
                case 2:
                    if (--_count == 0)
                        Reload();
                    _out = _count != 1;
                    break;
                default:
                    _count -= 2;
                    if (_count > 0)
                        break;
                    _out = !_out;
                    // A new count waits for the end of the whole period.
                    if (_out)
                        Reload();
                    else
                        _count = _start;
                    break;
            }
            if (_mode is 0 or 4 && _count < -0x20000)
                _count += 0x10000;
        }

        private void Reload()
        {
            if (_next != 0)
                (_start, _next) = (_next, 0);
            _count = _start;
        }

        private int? Read()
        {
            if (_status is { } status)
            {
                _status = null;
                return status;
            }
            // While a count is half written, or none is there, what counts is not promised; the halves still take turns.
            int? count = _latched ?? (_isLoaded ? _count : null);
            var high = _readsHigh;
            _readsHigh = !high;
            if (high)
                _latched = null;
            return count is { } known && _isLoaded && !_writesHigh ? (high ? known >> 8 : known) & 0xff : null;
        }
    }
}
