using FsCheck.Fluent;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>PC16550D data sheet, 8.0 to 8.10, with nothing connected: bytes are received by looping back only.</summary>
public sealed class UartModelTests
{
    private const int Base = 0x3f8;

    [Fact]
    public void Every_register_reads_as_the_data_sheet_says_after_any_program() => ModelChecks.Agree(
        "isa-serial",
        Gen.OneOf(
            Gen.Choose(0, 7).SelectMany(offset => ModelChecks.In(Base + offset)), ModelChecks.Out(Base), ModelChecks.Out(Base + 1), ModelChecks.Out(Base + 2),
            ModelChecks.Out(Base + 3), ModelChecks.Out(Base + 4, Gen.Choose(0, 31)), ModelChecks.Out(Base + 4, Gen.Constant(0x10)), ModelChecks.Out(Base + 7), ModelChecks.In(Base)),
        static () => new Uart());

    private sealed class Uart : IDeviceModel
    {
        // Carrier, data set ready, clear to send: what an end of a line without a device shows.
        private const int Connected = 0xb0;

        private readonly Queue<int> _received = new();
        private int _interruptEnable, _lineControl, _modemControl, _modemStatus = Connected, _divisor, _last, _trigger = 1;
        private bool _fifos, _overrun, _holdingRegisterEmpty;
        private int? _scratch, _divisorHigh;

        public ulong? Apply(in Operation operation)
        {
            var offset = (int)operation.Address - Base;
            if (operation.Kind == OperationKind.Write)
                Write(offset, (int)operation.Value);
            return operation.Kind == OperationKind.Read && Read(offset) is { } value ? (ulong)value : null;
        }

        private int? Read(int offset)
        {
            var isDivisor = (_lineControl & 0x80) != 0;
            switch (offset)
            {
                case 0 when isDivisor:
                    return _divisorHigh is null ? null : _divisor & 0xff;
                case 1 when isDivisor:
                    return _divisorHigh;
                case 0:
                    return _received.TryDequeue(out var received) ? received : _fifos ? 0 : _last;
                case 1:
                    return _interruptEnable;
                case 2:
                    var identification = Identification();
                    if (identification == 2)
                        _holdingRegisterEmpty = false;
                    return identification | (_fifos ? 0xc0 : 0);
                case 3:
                    return _lineControl;
                case 4:
                    return _modemControl;
                case 5:
                    var status = 0x60 | (_received.Count > 0 ? 1 : 0) | (_overrun ? 2 : 0);
                    _overrun = false;
                    return status;
                case 6:
                    var modem = _modemStatus;
                    _modemStatus &= 0xf0;
                    return modem;
                default:
                    return _scratch;
            }
        }

        private int Identification() =>
            (_interruptEnable & 4) != 0 && _overrun ? 6
            : (_interruptEnable & 1) != 0 && _received.Count >= _trigger ? 4
            : (_interruptEnable & 2) != 0 && _holdingRegisterEmpty ? 2
            : (_interruptEnable & 8) != 0 && (_modemStatus & 0xf) != 0 ? 0
            : 1;

        private void Write(int offset, int value)
        {
            switch (offset)
            {
                case 0 when (_lineControl & 0x80) != 0:
                    _divisor = value;
                    _divisorHigh ??= 0;
                    break;
                case 1 when (_lineControl & 0x80) != 0:
                    _divisorHigh = value;
                    break;
                case 0:
                    _holdingRegisterEmpty = true;
                    if ((_modemControl & 0x10) != 0)
                        Receive(value);
                    break;
                case 1:
                    _holdingRegisterEmpty |= (value & ~_interruptEnable & 2) != 0;
                    _interruptEnable = value & 0xf;
                    break;
                case 2:
                    if ((value & 1) != 0 != _fifos || (value & 3) == 3)
                        _received.Clear();
                    _holdingRegisterEmpty |= (value & 1) != 0 != _fifos || (value & 5) == 5;
                    _fifos = (value & 1) != 0;
                    _trigger = _fifos ? (int[])[1, 4, 8, 14] is var levels ? levels[value >> 6] : 1 : 1;
                    break;
                case 3:
                    _lineControl = value;
                    break;
                case 4:
                    _modemControl = value;
                    var inputs = (value & 0x10) == 0 ? Connected : (value & 1) << 5 | (value & 2) << 3 | (value & 0xc) << 4;
                    // Of the ring indicator only the trailing edge is told.
                    var deltas = (_modemStatus ^ inputs) >> 4 & 0xb | ((_modemStatus & ~inputs & 0x40) != 0 ? 4 : 0);
                    _modemStatus = inputs | _modemStatus & 0xf | deltas;
                    break;
                case 7:
                    _scratch = value;
                    break;
            }
        }

        private void Receive(int value)
        {
            if (!_fifos)
                _last = value;
            if (_received.Count < (_fifos ? 16 : 1))
            {
                _received.Enqueue(value);
                return;
            }
            _overrun = true;
            if (!_fifos)
            {
                _received.Clear();
                _received.Enqueue(value);
            }
        }
    }
}
