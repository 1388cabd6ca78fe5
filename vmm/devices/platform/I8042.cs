using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>
/// 8042 keyboard controller with a keyboard that nobody types on, and port 0x92: what the PC resets itself and opens A20 by.
/// </summary>
/// <remarks>
/// IBM PC AT Technical Reference (1984), "Keyboard Controller", commands 20h to FEh, and "Keyboard", commands from the system; port 92h: PS/2 Model 80
/// Technical Reference, "System Control Port A". A20 is remembered and read back, but masks nothing: no CPU since 2013 has the pin.
/// </remarks>
public sealed class I8042 : IPortDevice, IResettable, ISaveable
{
    public const int DataRegion = 0, CommandRegion = 1, SystemControlRegion = 2;

    private const byte StatusOutputFull = 1, StatusSystem = 4, StatusCommand = 8, StatusUnlocked = 0x10;
    private const byte CommandByteInterrupt = 1, CommandByteSystem = 4, CommandByteKeyboardDisabled = 0x10, CommandByteAuxiliaryDisabled = 0x20;
    private const byte OutputPortNotReset = 1, OutputPortA20 = 2, OutputPortOutputFull = 0x10;
    private const byte Acknowledge = 0xfa, Resend = 0xfe, SelfTestPassed = 0xaa;
    private const int QueueBytes = 16;

    private readonly IIrqLine _irq1;
    private readonly IMachineControl _machine;
    private readonly byte[] _queue = new byte[QueueBytes];
    private int _head, _count;
    private byte _commandByte, _pendingCommand, _keyboardCommand, _lastWrite, _lastOutput;
    private bool _a20;

    public I8042(IIrqLine irq1, IMachineControl machine)
    {
        (_irq1, _machine) = (irq1, machine);
        Reset();
    }

    public string Name => "i8042";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("data", AddressSpace.Port, 1, [new("DATA", 0, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect, 0)]),
        new("command", AddressSpace.Port, 1,
        [
            new("STATUS", 0, 1, RegisterAccess.Read, StatusUnlocked | StatusSystem),
            new("COMMAND", 0, 1, RegisterAccess.Write),
        ]),
        new("system-control", AddressSpace.Port, 1, [new("PORT92", 0, 1, RegisterAccess.ReadWrite, 2, "0 reset, 1 A20")]),
    ];

    public int StateVersion => 1;

    public uint ReadPort(int region, uint offset, int size)
    {
        switch (region)
        {
            case DataRegion:
                return TakeOutput();
            case CommandRegion:
                return (byte)((_count > 0 ? StatusOutputFull : 0) | (_commandByte & CommandByteSystem) | _lastWrite | StatusUnlocked);
            default:
                return (byte)(_a20 ? 2 : 0);
        }
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        var written = (byte)value;
        switch (region)
        {
            case DataRegion:
                _lastWrite = 0;
                WriteData(written);
                break;
            case CommandRegion:
                _lastWrite = StatusCommand;
                WriteCommand(written);
                break;
            default:
                _a20 = (written & 2) != 0;
                if ((written & 1) != 0)
                    _machine.RequestReset();
                break;
        }
        UpdateIrq();
    }

    public void Reset()
    {
        (_head, _count, _pendingCommand, _keyboardCommand, _lastWrite, _lastOutput) = (0, 0, 0, 0, 0, 0);
        // As firmware leaves it: self-test done, keyboard on, its interrupt enabled, no mouse.
        _commandByte = CommandByteInterrupt | CommandByteSystem | CommandByteAuxiliaryDisabled | 0x40;
        _a20 = true;
        UpdateIrq();
    }

    public void Save(StateWriter writer)
    {
        foreach (var value in (ReadOnlySpan<byte>)[_commandByte, _pendingCommand, _keyboardCommand, _lastWrite, _lastOutput, (byte)_count])
            writer.Byte(value);
        for (var i = 0; i < _count; i++)
            writer.Byte(_queue[(_head + i) % QueueBytes]);
        writer.Bool(_a20);
    }

    public void Load(ref StateReader reader)
    {
        (_commandByte, _pendingCommand, _keyboardCommand) = (reader.Byte(), reader.Byte(), reader.Byte());
        _lastWrite = (byte)(reader.Byte() & StatusCommand);
        _lastOutput = reader.Byte();
        var count = reader.Byte();
        if (count > QueueBytes)
            throw new StateFormatException($"{Name}: {count} bytes of output, where {QueueBytes} fit");
        (_head, _count) = (0, count);
        for (var i = 0; i < count; i++)
            _queue[i] = reader.Byte();
        _a20 = reader.Bool();
        UpdateIrq();
    }

    private void WriteCommand(byte command)
    {
        _pendingCommand = 0;
        switch (command)
        {
            case >= 0x20 and <= 0x3f:
                Put(command == 0x20 ? _commandByte : (byte)0);
                break;
            case >= 0x60 and <= 0x7f:
            case 0xd1 or 0xd2 or 0xd3 or 0xd4:
                _pendingCommand = command;
                break;
            case 0xa7:
                _commandByte |= CommandByteAuxiliaryDisabled;
                break;
            case 0xa8:
                _commandByte &= unchecked((byte)~CommandByteAuxiliaryDisabled);
                break;
            case 0xa9 or 0xab:
                Put(0);
                break;
            case 0xaa:
                _commandByte |= CommandByteSystem;
                Put(0x55);
                break;
            case 0xad:
                _commandByte |= CommandByteKeyboardDisabled;
                break;
            case 0xae:
                _commandByte &= unchecked((byte)~CommandByteKeyboardDisabled);
                break;
            case 0xc0:
                // Input port: not locked, colour display.
                Put(0x80);
                break;
            case 0xd0:
                Put((byte)(OutputPortNotReset | (_a20 ? OutputPortA20 : 0) | (_count > 0 ? OutputPortOutputFull : 0)));
                break;
            case 0xdd:
                _a20 = false;
                break;
            case 0xdf:
                _a20 = true;
                break;
            case >= 0xf0:
                // Pulses the output port's bits that are 0: bit 0 is RESET.
                if ((command & 1) == 0)
                    _machine.RequestReset();
                break;
            default:
                break;
        }
    }

    private void WriteData(byte value)
    {
        var command = _pendingCommand;
        _pendingCommand = 0;
        switch (command)
        {
            case 0x60:
                _commandByte = value;
                break;
            case 0xd1:
                _a20 = (value & OutputPortA20) != 0;
                if ((value & OutputPortNotReset) == 0)
                    _machine.RequestReset();
                break;
            case 0xd2:
                Put(value);
                break;
            case 0xd3 or 0xd4 or (>= 0x61 and <= 0x7f):
                // There is no mouse, and no RAM but the command byte.
                break;
            default:
                WriteKeyboard(value);
                break;
        }
    }

    private void WriteKeyboard(byte value)
    {
        if (_keyboardCommand != 0)
        {
            // A parameter: lamps, scan code set, repeat rate. Asking for the scan code set answers set 2.
            var asked = _keyboardCommand == 0xf0 && value == 0;
            _keyboardCommand = 0;
            Put(Acknowledge);
            if (asked)
                Put(2);
            return;
        }
        switch (value)
        {
            case 0xed or 0xf0 or 0xf3:
                _keyboardCommand = value;
                Put(Acknowledge);
                break;
            case 0xee:
                Put(0xee);
                break;
            case 0xf2:
                Put(Acknowledge);
                Put(0xab);
                Put(0x83);
                break;
            case 0xf4 or 0xf5 or 0xf6:
                Put(Acknowledge);
                break;
            case 0xff:
                Put(Acknowledge);
                Put(SelfTestPassed);
                break;
            default:
                Put(Resend);
                break;
        }
    }

    private void Put(byte value)
    {
        if (_count == QueueBytes)
            return;
        _queue[(_head + _count) % QueueBytes] = value;
        _count++;
    }

    // An empty buffer reads as its last byte.
    private byte TakeOutput()
    {
        if (_count == 0)
            return _lastOutput;
        _lastOutput = _queue[_head];
        _head = (_head + 1) % QueueBytes;
        _count--;
        // The next byte is a new edge.
        _irq1.Set(false);
        UpdateIrq();
        return _lastOutput;
    }

    private void UpdateIrq() => _irq1.Set(_count > 0 && (_commandByte & CommandByteInterrupt) != 0);
}
