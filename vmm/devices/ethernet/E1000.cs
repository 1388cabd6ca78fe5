using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>An Intel 82540EM gigabit Ethernet controller, 8086:100e.</summary>
/// <remarks>
/// Intel PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual: 2 (blocks), 3.4.3 and 3.2.7 (interrupts of the rings), 4.1
/// (configuration), 12 (I/O space), 13.4 (registers). ITR delays interrupts; the rings' own delays are none. Power management, wake-up, flow control and
/// the frame check sequence (which reads as zeros) are not there.
/// </remarks>
public sealed class E1000 : IMmioDevice, IPortDevice, IResettable, ISaveable, IDisposable
{
    public const ushort Vendor = 0x8086, Device = 0x100e;
    public const int MemoryRegion = 0, IoRegion = 1;
    public const int MemoryBytes = 128 * 1024, IoBytes = 64;

    private const uint AddressOffset = 0, DataOffset = 4;
    private const uint DeviceReset = 1 << 26, PhyReset = 1u << 31, SpeedGigabit = 0x80, LinkUp = 2, FullDuplex = 1, ControlDefault = 0x00140241, PacketBuffers = 0x00100030, VlanType = 0x8100;
    private const uint LoopbackMask = 3 << 6, AddressValid = 1u << 31;

    // ICR.
    private const uint TransmitDone = 1, TransmitEmpty = 2, LinkChanged = 4, ReceiveShort = 1 << 4, ReceiveOverrun = 1 << 6, ReceiveDone = 1 << 7, MdioDone = 1 << 9, Causes = 0x0001ffff;

    private const long ThrottleUnitNs = 256;

    // What is done in one go; the rest is left to the next moment of virtual time.
    private const int WorkAtOnce = 256;

    private readonly E1000Registers _registers = new();
    private readonly E1000Eeprom _eeprom;
    private readonly E1000Phy _phy = new();
    private readonly E1000Transmitter _transmitter;
    private readonly E1000Receiver _receiver;
    private readonly INetworkLink _link;
    private readonly MacAddress _address;
    private readonly IClock _clock;
    private readonly IClockTimer _throttle, _continue;
    private readonly byte[] _incoming = new byte[EthernetFrame.MaxBytes];
    private uint _causes, _mask, _ioAddress;
    private long _quietUntil;
    private bool _isRaised;

    /// <summary>Makes the function; the caller puts it into a slot.</summary>
    /// <param name="link">Its end of the cable.</param>
    /// <param name="address">Its own; not a group's.</param>
    /// <param name="assigned">What firmware gives the registers in memory, and the I/O window; 0 for none.</param>
    public E1000(IoBus bus, IGuestMemory memory, IClock clock, INetworkLink link, MacAddress address, uint assigned, uint assignedPorts)
    {
        (_clock, _link, _address) = (clock, link, address);
        Function = new PciFunction(bus, new PciIdentity(Vendor, Device, 2, 0, Revision: 3) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 },
            this, new PciBar(MemoryRegion, assigned), new PciBar(IoRegion, assignedPorts));
        var dma = new MasteredMemory(memory, () => Function.IsBusMaster);
        _eeprom = new E1000Eeprom(address, Vendor, Device);
        _transmitter = new E1000Transmitter(dma, _registers) { OnFrame = OnFrame };
        _receiver = new E1000Receiver(dma, _registers);
        _throttle = clock.CreateTimer(UpdateInterrupt);
        _continue = clock.CreateTimer(Work);
        Regions =
        [
            new("registers", AddressSpace.Mmio, MemoryBytes, _registers.Declared),
            new("io", AddressSpace.Port, IoBytes, [new("IOADDR", AddressOffset, 4, RegisterAccess.ReadWrite, 0), new("IODATA", DataOffset, 4)]),
        ];
        _phy.IsLinkUp = link.IsUp;
        ResetRegisters();
    }

    public string Name => "e1000";

    public IReadOnlyList<RegisterMap> Regions { get; }

    public PciFunction Function { get; }

    public int StateVersion => 1;

    /// <summary>Looks at the link: frames that came, room for those to be sent, whether it is up. With the device lock held.</summary>
    public void Poll()
    {
        if (_phy.IsLinkUp != _link.IsUp)
        {
            _phy.IsLinkUp = !_phy.IsLinkUp;
            Raise(LinkChanged);
        }
        Work();
    }

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        var at = (uint)offset & ~3u;
        var shift = (int)(offset & 3) * 8;
        // A read that reaches no further than one register answers once.
        var value = (ulong)ReadRegister(at) >> shift;
        return shift / 8 + size > 4 ? value | (ulong)ReadRegister(at + 4) << (32 - shift) : value;
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        // 13.2: registers are written as doublewords only.
        if ((offset & 3) != 0 || size < 4)
            return;
        WriteRegister((uint)offset, (uint)value);
        if (size == 8)
            WriteRegister((uint)offset + 4, (uint)(value >> 32));
    }

    public uint ReadPort(int region, uint offset, int size) => offset switch
    {
        AddressOffset => _ioAddress,
        DataOffset when size == 4 => ReadRegister(_ioAddress),
        _ => 0,
    };

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (size != 4)
            return;
        if (offset == AddressOffset)
            _ioAddress = value & (MemoryBytes - 4);
        else if (offset == DataOffset)
            WriteRegister(_ioAddress, value);
    }

    public void Reset()
    {
        _ioAddress = 0;
        _phy.Reset();
        ResetRegisters();
    }

    public void Save(StateWriter writer)
    {
        _registers.Save(writer);
        _eeprom.Save(writer);
        _phy.Save(writer);
        _transmitter.Save(writer);
        writer.UInt32(_causes);
        writer.UInt32(_mask);
        writer.UInt32(_ioAddress);
        writer.Int64(_quietUntil);
        writer.Bool(_isRaised);
        writer.Bool(_throttle.DeadlineNs is not null);
        writer.Bool(_continue.DeadlineNs is not null);
    }

    public void Load(ref StateReader reader)
    {
        _registers.Load(ref reader);
        _eeprom.Load(ref reader);
        _phy.Load(ref reader);
        _transmitter.Load(ref reader);
        (_causes, _mask, _ioAddress) = (reader.UInt32() & Causes, reader.UInt32() & Causes, reader.UInt32() & (MemoryBytes - 4));
        // No longer than the longest delay there is.
        _quietUntil = Math.Clamp(reader.Int64(), 0, _clock.NowNs + ushort.MaxValue * ThrottleUnitNs);
        _isRaised = reader.Bool();
        SetTimer(_throttle, reader.Bool(), _quietUntil);
        SetTimer(_continue, reader.Bool(), _clock.NowNs);
    }

    public void Dispose() => (_link as IDisposable)?.Dispose();

    private static void SetTimer(IClockTimer timer, bool isArmed, long deadline)
    {
        if (isArmed)
            timer.Arm(deadline);
        else
            timer.Cancel();
    }

    private uint ReadRegister(uint offset)
    {
        switch (offset)
        {
            case E1000Registers.Status:
                return SpeedGigabit | FullDuplex | (_phy.IsLinkUp ? LinkUp : 0);
            case E1000Registers.Eeprom:
                return _eeprom.Pins;
            case E1000Registers.MaskSet:
                return _mask;
            case E1000Registers.InterruptCause:
                var causes = _causes;
                _causes = 0;
                UpdateInterrupt();
                return causes;
            case >= E1000Registers.FirstStatistic and <= E1000Registers.LastStatistic:
                // 13.7: statistics are cleared when read.
                var count = _registers[offset];
                _registers[offset] = 0;
                return count;
            default:
                return _registers[offset];
        }
    }

    private void WriteRegister(uint offset, uint value)
    {
        switch (offset)
        {
            case E1000Registers.Control when (value & DeviceReset) != 0:
                ResetRegisters();
                return;
            case E1000Registers.Control:
                if ((value & PhyReset) != 0)
                    _phy.Reset();
                _registers.Write(offset, value & ~PhyReset);
                return;
            case E1000Registers.Eeprom:
                _eeprom.WritePins(value);
                return;
            case E1000Registers.EepromRead:
                _registers[offset] = _eeprom.ReadWord(value);
                return;
            case E1000Registers.Mdi:
                _registers[offset] = _phy.Operate(value, out var isRestarted);
                if (isRestarted)
                    Raise(LinkChanged);
                if (E1000Phy.WantsInterrupt(value))
                    Raise(MdioDone);
                return;
            case E1000Registers.InterruptCause:
                _causes &= ~value;
                UpdateInterrupt();
                return;
            case E1000Registers.CauseSet:
                Raise(value & Causes);
                return;
            case E1000Registers.MaskSet:
                _mask |= value & Causes;
                UpdateInterrupt();
                return;
            case E1000Registers.MaskClear:
                _mask &= ~value;
                UpdateInterrupt();
                return;
            default:
                break;
        }
        _registers.Write(offset, value);
        if (offset is E1000Registers.TransmitTail or E1000Registers.ReceiveTail or E1000Registers.TransmitControl or E1000Registers.ReceiveControl)
            Work();
    }

    private void ResetRegisters()
    {
        _registers.Clear();
        _registers[E1000Registers.Control] = ControlDefault;
        _registers[E1000Registers.PacketBuffer] = PacketBuffers;
        _registers[E1000Registers.VlanType] = VlanType;
        // The first entry is loaded from the EEPROM, valid.
        Span<byte> address = stackalloc byte[8];
        _address.Write(address);
        (_registers[E1000Registers.AddressTable], _registers[E1000Registers.AddressTable + 4]) =
            (BinaryPrimitives.ReadUInt32LittleEndian(address), AddressValid | BinaryPrimitives.ReadUInt16LittleEndian(address[4..]));
        _eeprom.Reset();
        _transmitter.Reset();
        (_causes, _mask, _quietUntil) = (0, 0, 0);
        _continue.Cancel();
        UpdateInterrupt();
    }

    // Both rings, as far as there is something to do; more than a share of it waits.
    private void Work()
    {
        var hasMore = Transmit();
        hasMore |= Receive();
        if (hasMore)
            _continue.Arm(_clock.NowNs);
    }

    private bool Transmit()
    {
        uint causes = 0;
        _transmitter.FrameCount = 0;
        var hasWorked = false;
        for (var done = 0; _transmitter.HasWork && _link.CanSend; done++, hasWorked = true)
        {
            if (done == WorkAtOnce || _transmitter.FrameCount >= WorkAtOnce)
            {
                Raise(causes);
                return true;
            }
            if (_transmitter.RunNext())
                causes |= TransmitDone;
        }
        if (hasWorked && !_transmitter.HasWork)
            causes |= TransmitEmpty;
        Raise(causes);
        return false;
    }

    private bool Receive()
    {
        for (var done = 0; _receiver.IsEnabled; done++)
        {
            var length = _link.Peek(_incoming);
            if (length == 0)
                return false;
            if (done == WorkAtOnce)
                return true;
            if (!TryStore(_incoming.AsSpan(0, length)))
                return false;
            _link.Take();
        }
        return false;
    }

    private bool TryStore(ReadOnlySpan<byte> frame)
    {
        switch (_receiver.Take(frame))
        {
            case E1000Receiver.Result.Stored:
                Raise(ReceiveDone | (_receiver.IsShort ? ReceiveShort : 0));
                return true;
            case E1000Receiver.Result.NoBuffers:
                Raise(ReceiveOverrun);
                return false;
            default:
                return true;
        }
    }

    private void OnFrame(ReadOnlyMemory<byte> frame)
    {
        if ((_registers[E1000Registers.ReceiveControl] & LoopbackMask) == 0)
            _link.Send(frame.Span);
        else if (!_receiver.IsEnabled || !TryStore(frame.Span))
            _registers.Count(E1000Registers.MissedPackets);
    }

    private void Raise(uint causes)
    {
        if (causes == 0)
            return;
        _causes |= causes;
        UpdateInterrupt();
    }

    // 13.4.18: after an interrupt there is none for ITR units of 256 ns.
    private void UpdateInterrupt()
    {
        if ((_causes & _mask) == 0)
        {
            _isRaised = false;
            Function.SetInterrupt(false);
            _throttle.Cancel();
            return;
        }
        if (_isRaised)
            return;
        if (_clock.NowNs < _quietUntil)
        {
            _throttle.Arm(_quietUntil);
            return;
        }
        _isRaised = true;
        Function.SetInterrupt(true);
        _quietUntil = _clock.NowNs + _registers[E1000Registers.Throttle] * ThrottleUnitNs;
    }

    /// <summary>Guest memory for a function that may be its bus's master, or not.</summary>
    private sealed class MasteredMemory(IGuestMemory memory, Func<bool> isMaster) : IGuestMemory
    {
        public bool TryRead(ulong address, Span<byte> destination) => isMaster() && memory.TryRead(address, destination);

        public bool TryWrite(ulong address, ReadOnlySpan<byte> source) => isMaster() && memory.TryWrite(address, source);

        public Span<byte> GetSpan(ulong address, int maxLength) => isMaster() ? memory.GetSpan(address, maxLength) : [];

        public void MarkDirty(ulong address, ulong length) => memory.MarkDirty(address, length);
    }
}
