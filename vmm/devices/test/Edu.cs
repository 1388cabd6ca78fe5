using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Test;

/// <summary>QEMU's educational device, 1234:11e8: a liveness check, factorials, interrupts by pin or MSI, and DMA through a buffer of its own.</summary>
/// <remarks>
/// QEMU, docs/specs/edu.rst. Factorials and transfers take virtual time there, too: a guest sees the busy bits. The engine drives
/// <see cref="AddressBits"/> address bits unless a mask says otherwise; a transfer that leaves the buffer, or guest RAM, moves nothing, and ends as any other.
/// </remarks>
public sealed class Edu : IMmioDevice, IResettable, ISaveable, IPciConfigHook
{
    public const ushort Vendor = 0x1234, Device = 0x11e8;
    public const int RegionBytes = 1 << 20;

    /// <summary>Address bits of the DMA engine when nothing else is said.</summary>
    public const int AddressBits = 28;

    /// <summary>Where the engine sees the device's buffer, and its bytes.</summary>
    public const ulong BufferAddress = 0x40000;

    public const int BufferBytes = 4096;

    private const uint Identity = 0x010000ed;
    private const uint IdentityOffset = 0, LivenessOffset = 4, FactorialOffset = 8, StatusOffset = 0x20, InterruptStatusOffset = 0x24,
        RaiseOffset = 0x60, AcknowledgeOffset = 0x64, SourceOffset = 0x80, DestinationOffset = 0x88, CountOffset = 0x90, CommandOffset = 0x98;

    // From here on registers are 4 or 8 bytes wide.
    private const uint FirstWideOffset = 0x80;
    private const uint Computing = 1, FactorialInterrupts = 0x80;
    private const uint FactorialDone = 1, DmaDone = 0x100;
    private const ulong DmaRun = 1, DmaFromDevice = 2, DmaInterrupts = 4, DmaCommandBits = DmaRun | DmaFromDevice | DmaInterrupts;
    private const long FactorialNs = 1_000_000, DmaNs = 100_000_000;

    private readonly IGuestMemory _memory;
    private readonly IClock _clock;
    private readonly IClockTimer _factorialTimer, _dmaTimer;
    private readonly ulong _addressMask;
    private readonly Msi _msi;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private uint _liveness, _factorial, _status, _interrupts;
    private ulong _source, _destination, _count, _command;

    /// <summary>Makes the function; the caller puts it into a slot.</summary>
    /// <param name="assigned">The address that firmware gives the registers; 0 for none.</param>
    /// <param name="addressMask">Of the DMA engine: which address bits it drives.</param>
    public Edu(IoBus bus, IGuestMemory memory, IClock clock, IMsiTarget msi, uint assigned, ulong addressMask = (1UL << AddressBits) - 1)
    {
        (_memory, _clock, _addressMask) = (memory, clock, addressMask);
        Function = new PciFunction(bus, new PciIdentity(Vendor, Device, 0, 0xff, Revision: 0x10) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 }, this, new PciBar(0, assigned));
        _msi = new Msi(Function, msi, vectors: 1);
        Function.SetHook(this);
        _factorialTimer = clock.CreateTimer(FinishFactorial);
        _dmaTimer = clock.CreateTimer(FinishDma);
    }

    public string Name => "edu";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("registers", AddressSpace.Mmio, RegionBytes,
        [
            new("IDENTIFICATION", IdentityOffset, 4, RegisterAccess.Read, Identity, "version, then 0xed"),
            new("LIVENESS", LivenessOffset, 4, RegisterAccess.ReadWrite, 0, "reads inverted"),
            new("FACTORIAL", FactorialOffset, 4, RegisterAccess.ReadWrite, 0),
            new("STATUS", StatusOffset, 4, RegisterAccess.ReadWrite, 0, "0 computing, 7 interrupt afterwards"),
            new("INTERRUPT_STATUS", InterruptStatusOffset, 4, RegisterAccess.Read, 0),
            new("INTERRUPT_RAISE", RaiseOffset, 4, RegisterAccess.Write),
            new("INTERRUPT_ACKNOWLEDGE", AcknowledgeOffset, 4, RegisterAccess.Write),
            new("DMA_SOURCE", SourceOffset, 8, RegisterAccess.ReadWrite, 0),
            new("DMA_DESTINATION", DestinationOffset, 8, RegisterAccess.ReadWrite, 0),
            new("DMA_COUNT", CountOffset, 8, RegisterAccess.ReadWrite, 0),
            new("DMA_COMMAND", CommandOffset, 8, RegisterAccess.ReadWrite, 0, "0 start, 1 from the device, 2 interrupt afterwards"),
        ]),
    ];

    public PciFunction Function { get; }

    public int StateVersion => 1;

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        if (!IsWide(offset, size))
            return ulong.MaxValue;
        return offset switch
        {
            IdentityOffset => Identity,
            LivenessOffset => _liveness,
            FactorialOffset => _factorial,
            StatusOffset => _status,
            InterruptStatusOffset => _interrupts,
            SourceOffset => _source,
            DestinationOffset => _destination,
            CountOffset => _count,
            CommandOffset => _command,
            _ => ulong.MaxValue,
        };
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (!IsWide(offset, size))
            return;
        switch (offset)
        {
            case LivenessOffset:
                _liveness = ~(uint)value;
                break;
            case FactorialOffset when (_status & Computing) == 0:
                _factorial = (uint)value;
                _status |= Computing;
                _factorialTimer.Arm(_clock.NowNs + FactorialNs);
                break;
            case StatusOffset:
                _status = (_status & ~FactorialInterrupts) | ((uint)value & FactorialInterrupts);
                break;
            case RaiseOffset:
                Raise((uint)value);
                break;
            case AcknowledgeOffset:
                _interrupts &= ~(uint)value;
                UpdatePin();
                break;
            // The engine's registers are its own while it runs.
            case SourceOffset when (_command & DmaRun) == 0:
                _source = value;
                break;
            case DestinationOffset when (_command & DmaRun) == 0:
                _destination = value;
                break;
            case CountOffset when (_command & DmaRun) == 0:
                _count = value;
                break;
            case CommandOffset when (_command & DmaRun) == 0 && (value & DmaRun) != 0:
                _command = value & DmaCommandBits;
                _dmaTimer.Arm(_clock.NowNs + DmaNs);
                break;
            default:
                break;
        }
    }

    public bool TryReadConfig(int offset, int size, out uint value)
    {
        value = 0;
        return false;
    }

    public void OnConfigWritten(int offset, int size, uint value)
    {
        _msi.OnConfigWritten();
        UpdatePin();
    }

    public void Reset()
    {
        _factorialTimer.Cancel();
        _dmaTimer.Cancel();
        (_liveness, _factorial, _status, _interrupts) = (0, 0, 0, 0);
        (_source, _destination, _count, _command) = (0, 0, 0, 0);
        _buffer.AsSpan().Clear();
        _msi.Reset();
        UpdatePin();
    }

    public void Save(StateWriter writer)
    {
        foreach (var register in (ReadOnlySpan<uint>)[_liveness, _factorial, _status, _interrupts])
            writer.UInt32(register);
        foreach (var register in (ReadOnlySpan<ulong>)[_source, _destination, _count, _command])
            writer.UInt64(register);
        writer.Bytes(_buffer);
        writer.Int64(_factorialTimer.DeadlineNs ?? -1);
        writer.Int64(_dmaTimer.DeadlineNs ?? -1);
        _msi.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        (_liveness, _factorial, _status, _interrupts) = (reader.UInt32(), reader.UInt32(), reader.UInt32() & (Computing | FactorialInterrupts), reader.UInt32());
        (_source, _destination, _count, _command) = (reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64() & DmaCommandBits);
        var buffer = reader.Bytes(BufferBytes);
        if (buffer.Length != BufferBytes)
            throw new StateFormatException($"edu: a buffer of {buffer.Length} bytes, where {BufferBytes} were expected");
        buffer.CopyTo(_buffer);
        SetTimer(_factorialTimer, reader.Int64());
        SetTimer(_dmaTimer, reader.Int64());
        _msi.Load(ref reader);
        UpdatePin();
    }

    private static void SetTimer(IClockTimer timer, long deadline)
    {
        if (deadline < 0)
            timer.Cancel();
        else
            timer.Arm(deadline);
    }

    private static bool IsWide(ulong offset, int size) => size == 4 || (size == 8 && offset >= FirstWideOffset);

    private void Raise(uint causes)
    {
        _interrupts |= causes;
        if (_interrupts == 0)
            return;
        if (_msi.IsEnabled)
            _msi.Signal(0);
        else
            UpdatePin();
    }

    // PCI Local Bus Specification 3.0, 6.8.1.3: with messages on, the pin is silent.
    private void UpdatePin() => Function.SetInterrupt(_interrupts != 0 && !_msi.IsEnabled);

    // Modulo 2^32, where every factorial from 34 on is 0: no more steps than that.
    private void FinishFactorial()
    {
        const uint firstZero = 34;
        var value = _factorial;
        if (value >= firstZero)
        {
            _factorial = 0;
        }
        else
        {
            _factorial = 1;
            for (var i = 2u; i <= value; i++)
                _factorial *= i;
        }
        _status &= ~Computing;
        if ((_status & FactorialInterrupts) != 0)
            Raise(FactorialDone);
    }

    private void FinishDma()
    {
        var toMemory = (_command & DmaFromDevice) != 0;
        var (inside, outside) = toMemory ? (_source, _destination) : (_destination, _source);
        if (Function.IsBusMaster && _count <= BufferBytes && inside >= BufferAddress && inside - BufferAddress <= BufferBytes - _count)
        {
            var piece = _buffer.AsSpan((int)(inside - BufferAddress), (int)_count);
            _ = toMemory ? _memory.TryWrite(outside & _addressMask, piece) : _memory.TryRead(outside & _addressMask, piece);
        }
        _command &= ~DmaRun;
        if ((_command & DmaInterrupts) != 0)
            Raise(DmaDone);
    }
}
