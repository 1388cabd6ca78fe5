using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Serial;

/// <summary>
/// 16550A asynchronous receiver/transmitter with FIFOs, as a PC's COM port.
/// </summary>
/// <remarks>
/// National Semiconductor PC16550D data sheet (June 1995), 8.0 "Registers", 8.10 "FIFO Operation". Bytes leave at once whatever the divisor says; only
/// the receiver's time-out is counted in character times. As PCs wire it, OUT2 lets the interrupt out, in loopback mode too, so that a self-test
/// can see it.
/// </remarks>
public sealed class Uart16550A : IPortDevice, IResettable, ISaveable
{
    private const int FifoBytes = 16;
    private const long CrystalHz = 1_843_200, NsPerSecond = 1_000_000_000;

    private const byte IerReceived = 1, IerTransmitEmpty = 2, IerLineStatus = 4, IerModemStatus = 8;
    private const byte IirNone = 1, IirModemStatus = 0, IirTransmitEmpty = 2, IirReceived = 4, IirLineStatus = 6, IirTimeout = 0xc, IirFifosEnabled = 0xc0;
    private const byte LcrDivisorAccess = 0x80;
    private const byte McrOut2 = 8, McrLoopback = 0x10, McrWritable = 0x1f;
    private const byte LsrDataReady = 1, LsrOverrun = 2, LsrErrors = 0x1e, LsrTransmitHoldingEmpty = 0x20, LsrTransmitterEmpty = 0x40;

    // What is at the other end: carrier, ready and clear to send.
    private const byte ConnectedModem = 0xb0;
    private const byte MsrDeltas = 0x0f, MsrTrailingRing = 0x04, MsrRing = 0x40;

    private readonly IIrqLine _irq;
    private readonly ISerialBackend _backend;
    private readonly IClock _clock;
    private readonly IClockTimer _timeoutTimer;
    private readonly byte[] _fifo = new byte[FifoBytes];
    private int _head, _count;
    private byte _ier, _fcr, _lcr, _mcr, _lsr, _msr, _scr, _lastReceived;
    private ushort _divisor;
    private bool _transmitEmptyPending, _timeoutPending;

    public Uart16550A(IIrqLine irq, ISerialBackend backend, IClock clock)
    {
        (_irq, _backend, _clock) = (irq, backend, clock);
        _timeoutTimer = clock.CreateTimer(OnTimeout);
        Reset();
    }

    public string Name => "isa-serial";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("uart", AddressSpace.Port, 8,
        [
            new("RBR", 0, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect),
            new("THR", 0, 1, RegisterAccess.Write),
            new("DLL", 0, 1, RegisterAccess.ReadWrite, null, "while LCR bit 7 is set"),
            new("IER", 1, 1, RegisterAccess.ReadWrite, 0),
            new("DLM", 1, 1, RegisterAccess.ReadWrite, null, "while LCR bit 7 is set"),
            new("IIR", 2, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect, 1),
            new("FCR", 2, 1, RegisterAccess.Write, 0),
            new("LCR", 3, 1, RegisterAccess.ReadWrite, 0),
            new("MCR", 4, 1, RegisterAccess.ReadWrite, 0),
            new("LSR", 5, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect, 0x60),
            new("MSR", 6, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect, ConnectedModem),
            new("SCR", 7, 1, RegisterAccess.ReadWrite),
        ]),
    ];

    public int StateVersion => 1;

    private bool FifosEnabled => (_fcr & 1) != 0;

    private int Capacity => FifosEnabled ? FifoBytes : 1;

    private bool Loopback => (_mcr & McrLoopback) != 0;

    // 8.4.1, FCR bits 6 and 7.
    private int TriggerLevel => !FifosEnabled ? 1 : (_fcr >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };

    /// <summary>The back end has bytes to receive. With the device lock held.</summary>
    public void PollInput()
    {
        if (Loopback)
            return;
        Span<byte> bytes = stackalloc byte[FifoBytes];
        var count = _backend.Read(bytes[..(Capacity - _count)]);
        if (count == 0)
            return;
        foreach (var value in bytes[..count])
            Receive(value);
        Update();
    }

    public uint ReadPort(int region, uint offset, int size)
    {
        byte value;
        switch (offset)
        {
            case 0 when (_lcr & LcrDivisorAccess) != 0:
                return (byte)_divisor;
            case 1 when (_lcr & LcrDivisorAccess) != 0:
                return (byte)(_divisor >> 8);
            case 0:
                value = TakeReceived();
                PollInput();
                break;
            case 1:
                return _ier;
            case 2:
                value = InterruptIdentification();
                if ((value & 0xf) == IirTransmitEmpty)
                    _transmitEmptyPending = false;
                break;
            case 3:
                return _lcr;
            case 4:
                return _mcr;
            case 5:
                value = _lsr;
                _lsr &= unchecked((byte)~LsrErrors);
                break;
            case 6:
                value = _msr;
                _msr &= unchecked((byte)~MsrDeltas);
                break;
            default:
                return _scr;
        }
        Update();
        return value;
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        var written = (byte)value;
        switch (offset)
        {
            case 0 when (_lcr & LcrDivisorAccess) != 0:
                _divisor = (ushort)((_divisor & 0xff00) | written);
                break;
            case 1 when (_lcr & LcrDivisorAccess) != 0:
                _divisor = (ushort)((_divisor & 0xff) | written << 8);
                break;
            case 0:
                Transmit(written);
                break;
            case 1:
                // The holding register is empty: enabling its interrupt raises it at once.
                if ((written & ~_ier & IerTransmitEmpty) != 0)
                    _transmitEmptyPending = true;
                _ier = (byte)(written & 0xf);
                break;
            case 2:
                WriteFcr(written);
                break;
            case 3:
                _lcr = written;
                break;
            case 4:
                WriteMcr((byte)(written & McrWritable));
                break;
            case 7:
                _scr = written;
                break;
            default:
                // LSR and MSR: written in the factory only (8.6, 8.8).
                break;
        }
        Update();
    }

    public void Reset()
    {
        _timeoutTimer.Cancel();
        (_ier, _fcr, _lcr, _mcr) = (0, 0, 0, 0);
        _lsr = LsrTransmitHoldingEmpty | LsrTransmitterEmpty;
        _msr = ConnectedModem;
        (_head, _count, _lastReceived) = (0, 0, 0);
        (_transmitEmptyPending, _timeoutPending) = (false, false);
        Update();
    }

    public void Save(StateWriter writer)
    {
        foreach (var value in (ReadOnlySpan<byte>)[_ier, _fcr, _lcr, _mcr, _lsr, _msr, _scr, _lastReceived, (byte)_count])
            writer.Byte(value);
        writer.UInt16(_divisor);
        for (var i = 0; i < _count; i++)
            writer.Byte(_fifo[(_head + i) % FifoBytes]);
        writer.Bool(_transmitEmptyPending);
        writer.Bool(_timeoutPending);
        writer.Int64(_timeoutTimer.DeadlineNs ?? -1);
    }

    public void Load(ref StateReader reader)
    {
        (_ier, _fcr, _lcr, _mcr) = ((byte)(reader.Byte() & 0xf), (byte)(reader.Byte() & 0xc9), reader.Byte(), (byte)(reader.Byte() & McrWritable));
        (_lsr, _msr, _scr) = ((byte)((reader.Byte() & LsrErrors) | LsrTransmitHoldingEmpty | LsrTransmitterEmpty), reader.Byte(), reader.Byte());
        _lastReceived = reader.Byte();
        var count = reader.Byte();
        if (count > Capacity)
            throw new StateFormatException($"{Name}: {count} bytes received, where {Capacity} fit");
        _divisor = reader.UInt16();
        (_head, _count) = (0, count);
        for (var i = 0; i < count; i++)
            _fifo[i] = reader.Byte();
        if (count > 0)
            _lsr |= LsrDataReady;
        _transmitEmptyPending = reader.Bool();
        _timeoutPending = reader.Bool();
        var deadline = reader.Int64();
        if (deadline >= 0)
            _timeoutTimer.Arm(deadline);
        else
            _timeoutTimer.Cancel();
        Update();
    }

    private void Transmit(byte value)
    {
        if (Loopback)
            Receive(value);
        else
            _backend.Write(value);
        _transmitEmptyPending = true;
    }

    private void Receive(byte value)
    {
        if (!FifosEnabled)
            _lastReceived = value;
        if (_count == Capacity)
        {
            _lsr |= LsrOverrun;
            // Without FIFOs the new character replaces the unread one; a full FIFO loses the new one (8.6, bit 1).
            if (!FifosEnabled)
                _fifo[_head] = value;
        }
        else
        {
            _fifo[(_head + _count) % FifoBytes] = value;
            _count++;
        }
        _lsr |= LsrDataReady;
        RestartTimeout();
    }

    private byte TakeReceived()
    {
        // Nothing there: the data sheet promises nothing. As QEMU's model: 0 with FIFOs, else the last byte that came without.
        if (_count == 0)
            return FifosEnabled ? (byte)0 : _lastReceived;
        var value = _fifo[_head];
        _head = (_head + 1) % FifoBytes;
        _count--;
        _timeoutPending = false;
        if (_count == 0)
            _lsr &= unchecked((byte)~LsrDataReady);
        RestartTimeout();
        return value;
    }

    private void WriteFcr(byte value)
    {
        // 8.4.1: changing the enable bit clears both FIFOs, and other bits count only while it is written as 1.
        if (((value ^ _fcr) & 1) != 0)
        {
            ClearReceiver();
            _transmitEmptyPending = true;
        }
        if ((value & 1) == 0)
        {
            _fcr = 0;
            return;
        }
        if ((value & 2) != 0)
            ClearReceiver();
        if ((value & 4) != 0)
            _transmitEmptyPending = true;
        _fcr = (byte)(value & 0xc9);
    }

    private void ClearReceiver()
    {
        (_head, _count, _timeoutPending) = (0, 0, false);
        _lsr &= unchecked((byte)~LsrDataReady);
        _timeoutTimer.Cancel();
    }

    // 8.7, bit 4: in loopback DTR, RTS, OUT1 and OUT2 are DSR, CTS, RI and DCD.
    private void WriteMcr(byte value)
    {
        _mcr = value;
        var inputs = ConnectedModem;
        if (Loopback)
            inputs = (byte)((value & 1) << 5 | (value & 2) << 3 | (value & 4) << 4 | (value & 8) << 4);
        var changed = (byte)((_msr ^ inputs) >> 4);
        var deltas = (byte)(changed & ~MsrTrailingRing);
        if ((_msr & MsrRing) != 0 && (inputs & MsrRing) == 0)
            deltas |= MsrTrailingRing;
        _msr = (byte)(inputs | (_msr & MsrDeltas) | deltas);
        if (!Loopback)
            PollInput();
    }

    // 8.10: four character times without a byte in or out, and bytes left below the trigger.
    private void RestartTimeout()
    {
        if (!FifosEnabled || _count == 0)
        {
            _timeoutTimer.Cancel();
            return;
        }
        var bitsPerCharacter = 1 + 5 + (_lcr & 3) + ((_lcr & 8) != 0 ? 1 : 0) + ((_lcr & 4) != 0 ? 2 : 1);
        var divisor = _divisor == 0 ? 1 : (long)_divisor;
        _timeoutTimer.Arm(_clock.NowNs + 4 * bitsPerCharacter * 16 * divisor * NsPerSecond / CrystalHz);
    }

    private void OnTimeout()
    {
        _timeoutPending = _count > 0;
        Update();
    }

    // 8.5, table III: by priority.
    private byte InterruptIdentification()
    {
        var fifos = FifosEnabled ? IirFifosEnabled : (byte)0;
        if ((_ier & IerLineStatus) != 0 && (_lsr & LsrErrors) != 0)
            return (byte)(IirLineStatus | fifos);
        if ((_ier & IerReceived) != 0 && _count >= TriggerLevel)
            return (byte)(IirReceived | fifos);
        if ((_ier & IerReceived) != 0 && _timeoutPending)
            return (byte)(IirTimeout | fifos);
        if ((_ier & IerTransmitEmpty) != 0 && _transmitEmptyPending)
            return (byte)(IirTransmitEmpty | fifos);
        if ((_ier & IerModemStatus) != 0 && (_msr & MsrDeltas) != 0)
            return (byte)(IirModemStatus | fifos);
        return (byte)(IirNone | fifos);
    }

    private void Update() => _irq.Set((_mcr & McrOut2) != 0 && (InterruptIdentification() & IirNone) == 0);
}
