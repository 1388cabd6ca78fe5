using System.Buffers.Binary;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>A virtio device on PCI: the modern interface, with MSI-X or, while that is off, the interrupt pin.</summary>
/// <remarks>
/// VIRTIO 1.2, 4.1: identity (4.1.2), capabilities (4.1.4), common configuration (4.1.4.3), notification (4.1.4.4), ISR (4.1.4.5), device-specific
/// configuration (4.1.4.6), the window in configuration space (4.1.4.9). No legacy interface.
/// </remarks>
public sealed class VirtioPci : IMmioDevice, IResettable, IResumable, ISaveable, IVirtioTransport, IPciConfigHook, IDisposable
{
    public const int ModernRegion = 0, MsixRegion = 1;
    public const ushort Vendor = 0x1af4, FirstDevice = 0x1040;

    private const int ModernBytes = 0x4000, NotifyMultiplier = 4;
    private const uint CommonOffset = 0, CommonBytes = 0x40, IsrOffset = 0x1000, ConfigurationOffset = 0x2000, NotifyOffset = 0x3000, PartBytes = 0x1000;
    private const ushort NoVector = 0xffff;
    private const byte QueueInterrupt = 1, ConfigurationInterrupt = 2;

    // struct virtio_pci_cap (4.1.4): cfg_type.
    private const byte VendorCapability = 9, CommonType = 1, NotifyType = 2, IsrType = 3, DeviceType = 4, WindowType = 5;

    // In the window's capability: bar, offset, length, data.
    private const int WindowBar = 4, WindowOffset = 8, WindowLength = 12, WindowData = 16;

    private readonly VirtioDevice _device;
    private readonly VirtioCommon _common;
    private readonly Msix _msix;
    private readonly ushort[] _queueVectors;
    private readonly IEventDelivery? _events;
    private readonly IDoorbell?[] _doorbells;
    private readonly HostEvent _onRung;
    private ulong? _doorbellsAt;
    private readonly int _window;
    private ushort _configurationVector = NoVector;
    private byte _isr, _generation;

    /// <summary>Makes the function; the caller puts it into a slot.</summary>
    /// <param name="assignBar">What firmware gives a region of so many bytes.</param>
    /// <param name="events">Takes the driver's notifications and the device's messages; null: each notification is an access, each message a call.</param>
    public VirtioPci(VirtioDevice device, IoBus bus, IMsiTarget msi, Func<int, uint> assignBar, IEventDelivery? events = null)
    {
        (_device, _common, _events) = (device, new VirtioCommon(device), events);
        _doorbells = new IDoorbell?[device.Queues.Count];
        _onRung = new HostEvent(bus.DeviceLock, device.Clock, AnswerDoorbells);
        _queueVectors = new ushort[device.Queues.Count];
        Name = $"{device.TypeName}-pci";
        Regions = [NewModernRegion(device), Msix.Region];
        var id = (ushort)(FirstDevice + device.TypeId);
        Function = new PciFunction(bus, new PciIdentity(Vendor, id, device.PciClass.Base, device.PciClass.Sub, Revision: 1) { SubsystemVendor = Vendor, Subsystem = 0x1100 },
            this, new PciBar(ModernRegion, assignBar(ModernBytes)), new PciBar(MsixRegion, assignBar(Msix.RegionBytes)));
        _msix = new Msix(Function, msi, MsixRegion, device.Queues.Count + 1, events);
        AddCapability(CommonType, CommonOffset, PartBytes);
        AddCapability(IsrType, IsrOffset, PartBytes);
        AddCapability(DeviceType, ConfigurationOffset, PartBytes);
        AddCapability(NotifyType, NotifyOffset, PartBytes, [NotifyMultiplier, 0, 0, 0]);
        _window = AddCapability(WindowType, 0, 0, [0, 0, 0, 0],
            [0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        Function.SetHook(this);
        device.Connect(this);
        Reset();
    }

    public string Name { get; }

    public IReadOnlyList<RegisterMap> Regions { get; }

    /// <summary>Its configuration space.</summary>
    public PciFunction Function { get; }

    public VirtioDevice Device => _device;

    public int StateVersion => 2;

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        if (region == MsixRegion)
            return _msix.Read(offset, size);
        switch (offset & ~(ulong)(PartBytes - 1))
        {
            case CommonOffset:
                return ReadCommon((uint)offset, size);
            case IsrOffset:
                return offset == IsrOffset ? TakeIsr() : 0u;
            case ConfigurationOffset:
                return _device.ReadConfigurationField((uint)offset - ConfigurationOffset, size);
            default:
                return 0;
        }
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (region == MsixRegion)
        {
            _msix.Write(offset, size, value);
            return;
        }
        switch (offset & ~(ulong)(PartBytes - 1))
        {
            case CommonOffset:
                for (var done = 0; done < size; done += 4)
                    WriteCommon((uint)offset + (uint)done, Math.Min(size - done, 4), (uint)(value >> (done * 8)));
                break;
            case ConfigurationOffset:
                _device.WriteConfigurationField((uint)offset - ConfigurationOffset, size, value);
                break;
            case NotifyOffset when Function.IsBusMaster:
                // Without NOTIFICATION_DATA the address alone tells the queue (4.1.5.2).
                _device.Notify((int)(offset - NotifyOffset) / NotifyMultiplier);
                break;
            default:
                break;
        }
    }

    public void SignalQueue(int queue)
    {
        if (_msix.IsEnabled)
            _msix.Signal(_queueVectors[queue]);
        else
            RaiseIsr(QueueInterrupt);
    }

    public void SignalConfiguration()
    {
        _generation++;
        if (_msix.IsEnabled)
            _msix.Signal(_configurationVector);
        else
            // Both: it looks at its queues too, which costs a driver nothing, and one that waits for either finds it.
            RaiseIsr(QueueInterrupt | ConfigurationInterrupt);
    }

    public void SignalBroken()
    {
        _common.MarkBroken();
        PlaceDoorbells();
        SignalConfiguration();
    }

    public bool TryReadConfig(int offset, int size, out uint value)
    {
        value = 0;
        if (offset < _window + WindowData || offset >= _window + WindowData + 4 || !TryGetWindow(out var region, out var at, out var length))
            return false;
        value = (uint)ReadMmio(region, at, length) & (uint.MaxValue >> (32 - length * 8)) & (uint.MaxValue >> (32 - size * 8));
        return true;
    }

    public void OnConfigWritten(int offset, int size, uint value)
    {
        _msix.OnConfigWritten();
        PlaceDoorbells();
        if (size > 0 && offset == _window + WindowData && TryGetWindow(out var region, out var at, out var length) && length <= size)
            WriteMmio(region, at, length, value);
        else if (size > 0 && _msix.IsEnabled && _isr != 0)
            Function.SetInterrupt(false);
    }

    public void OnResume() => _device.OnResume();

    public void Reset()
    {
        _common.Reset();
        _msix.Reset();
        ForgetDriver();
        PlaceDoorbells();
        _generation = 0;
    }

    public void Save(StateWriter writer)
    {
        // What was rung and not answered yet goes with the device, which answers when it runs.
        for (var queue = 0; queue < _doorbells.Length; queue++)
        {
            if (_doorbells[queue]?.TryTake() == true)
                _device.NotifyLater(queue);
        }
        _common.Save(writer);
        _msix.Save(writer);
        writer.UInt16(_configurationVector);
        foreach (var vector in _queueVectors)
            writer.UInt16(vector);
        writer.Byte(_isr);
        writer.Byte(_generation);
    }

    public void Load(ref StateReader reader)
    {
        // What was rung before is not of the state that comes.
        foreach (var doorbell in _doorbells)
            doorbell?.TryTake();
        _common.Load(ref reader);
        _msix.Load(ref reader);
        _configurationVector = KnownVector(reader.UInt16());
        foreach (ref var vector in _queueVectors.AsSpan())
            vector = KnownVector(reader.UInt16());
        _isr = (byte)(reader.Byte() & (QueueInterrupt | ConfigurationInterrupt));
        _generation = reader.Byte();
        PlaceDoorbells();
    }

    public void Dispose()
    {
        RemoveDoorbells();
        _msix.Dispose();
        (_device as IDisposable)?.Dispose();
    }

    private static RegisterMap NewModernRegion(VirtioDevice device)
    {
        var registers = new List<Register>
        {
            new("device_feature_select", 0x00, 4, RegisterAccess.ReadWrite, 0),
            new("device_feature", 0x04, 4, RegisterAccess.Read),
            new("driver_feature_select", 0x08, 4, RegisterAccess.ReadWrite, 0),
            new("driver_feature", 0x0c, 4, RegisterAccess.ReadWrite, 0),
            new("config_msix_vector", 0x10, 2, RegisterAccess.ReadWrite, NoVector),
            new("num_queues", 0x12, 2, RegisterAccess.Read, (ulong)device.Queues.Count),
            new("device_status", 0x14, 1, RegisterAccess.ReadWrite, 0, "0 resets"),
            new("config_generation", 0x15, 1, RegisterAccess.Read),
            new("queue_select", 0x16, 2, RegisterAccess.ReadWrite, 0),
            new("queue_size", 0x18, 2, RegisterAccess.ReadWrite, VirtioDevice.QueueSize),
            new("queue_msix_vector", 0x1a, 2, RegisterAccess.ReadWrite, NoVector),
            new("queue_enable", 0x1c, 2, RegisterAccess.ReadWrite, 0),
            new("queue_notify_off", 0x1e, 2, RegisterAccess.Read, 0),
            new("queue_desc", 0x20, 8, RegisterAccess.ReadWrite, 0),
            new("queue_driver", 0x28, 8, RegisterAccess.ReadWrite, 0),
            new("queue_device", 0x30, 8, RegisterAccess.ReadWrite, 0),
            new("queue_notify_data", 0x38, 2, RegisterAccess.Read, 0),
            new("queue_reset", 0x3a, 2, RegisterAccess.ReadWrite, 0),
            new("isr", IsrOffset, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect, 0),
        };
        foreach (var field in device.ConfigurationRegisters)
            registers.Add(field with { Offset = field.Offset + ConfigurationOffset });
        for (var queue = 0; queue < device.Queues.Count; queue++)
            registers.Add(new Register($"notify_{queue}", NotifyOffset + (uint)(queue * NotifyMultiplier), 2, RegisterAccess.Write));
        return new RegisterMap("modern", AddressSpace.Mmio, ModernBytes, registers);
    }

    private int AddCapability(byte type, uint offset, uint length, ReadOnlySpan<byte> extra = default, ReadOnlySpan<byte> writable = default)
    {
        var body = new byte[14 + extra.Length];
        body[0] = (byte)(body.Length + 2);
        body[1] = type;
        body[2] = ModernRegion;
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(6), offset);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(10), length);
        extra.CopyTo(body.AsSpan(14));
        return Function.AddCapability(VendorCapability, body, writable);
    }

    private ulong ReadCommon(uint offset, int size)
    {
        Span<byte> registers = stackalloc byte[(int)CommonBytes + sizeof(ulong)];
        registers.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(registers, _common.DeviceFeatureSelect);
        BinaryPrimitives.WriteUInt32LittleEndian(registers[0x04..], _common.DeviceFeatures);
        BinaryPrimitives.WriteUInt32LittleEndian(registers[0x08..], _common.DriverFeatureSelect);
        BinaryPrimitives.WriteUInt32LittleEndian(registers[0x0c..], _common.DriverFeatures);
        BinaryPrimitives.WriteUInt16LittleEndian(registers[0x10..], _configurationVector);
        BinaryPrimitives.WriteUInt16LittleEndian(registers[0x12..], (ushort)_device.Queues.Count);
        registers[0x14] = (byte)_common.Status;
        registers[0x15] = _generation;
        BinaryPrimitives.WriteUInt16LittleEndian(registers[0x16..], _common.QueueSelect);
        if (_common.Selected is { } queue)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(registers[0x18..], queue.State.Size);
            BinaryPrimitives.WriteUInt16LittleEndian(registers[0x1a..], _queueVectors[_common.QueueSelect]);
            BinaryPrimitives.WriteUInt16LittleEndian(registers[0x1c..], queue.IsEnabled ? (ushort)1 : (ushort)0);
            BinaryPrimitives.WriteUInt16LittleEndian(registers[0x1e..], _common.QueueSelect);
            BinaryPrimitives.WriteUInt64LittleEndian(registers[0x20..], queue.State.Descriptors);
            BinaryPrimitives.WriteUInt64LittleEndian(registers[0x28..], queue.State.Driver);
            BinaryPrimitives.WriteUInt64LittleEndian(registers[0x30..], queue.State.Device);
        }
        return offset < CommonBytes ? BinaryPrimitives.ReadUInt64LittleEndian(registers[(int)offset..]) & (ulong.MaxValue >> (64 - size * 8)) : 0;
    }

    // 4.1.3.1: each field is written with its own width; the 64-bit ones also in halves.
    private void WriteCommon(uint offset, int size, uint value)
    {
        switch ((offset, size))
        {
            case (0x00, 4):
                _common.DeviceFeatureSelect = value;
                break;
            case (0x08, 4):
                _common.DriverFeatureSelect = value;
                break;
            case (0x0c, 4):
                _common.DriverFeatures = value;
                break;
            case (0x10, 2):
                _configurationVector = KnownVector((ushort)value);
                break;
            case (0x14, 1):
                if (_common.WriteStatus((byte)value))
                    ForgetDriver();
                PlaceDoorbells();
                break;
            case (0x16, 2):
                _common.QueueSelect = (ushort)value;
                break;
            case (0x18, 2):
                _common.WriteQueueSize((ushort)value);
                break;
            case (0x1a, 2):
                if (_common.Selected is not null)
                    _queueVectors[_common.QueueSelect] = KnownVector((ushort)value);
                break;
            case (0x1c, 2):
                _common.WriteQueueEnable(value == 1);
                break;
            case ( >= 0x20 and < 0x38, 4) when offset % 4 == 0:
                _common.WriteQueueAddress((int)(offset - 0x20) / 8, (offset & 4) != 0, value);
                break;
            case (0x3a, 2):
                if (value == 1)
                    _common.ResetSelectedQueue();
                break;
            default:
                break;
        }
    }

    // 4.1.5.1.2: a vector that the table does not have reads back as none.
    private ushort KnownVector(ushort vector) => vector < _msix.VectorCount ? vector : NoVector;

    private void RaiseIsr(byte cause)
    {
        _isr |= cause;
        Function.SetInterrupt(true);
    }

    private uint TakeIsr()
    {
        var isr = _isr;
        _isr = 0;
        Function.SetInterrupt(false);
        return isr;
    }

    private void ForgetDriver()
    {
        _configurationVector = NoVector;
        _queueVectors.AsSpan().Fill(NoVector);
        TakeIsr();
    }

    // While the driver runs the device and its notifications count: to place one takes the host long.
    private void PlaceDoorbells()
    {
        if (_events is null)
            return;
        var wanted = _device.IsLive && Function.IsBusMaster ? Function.AddressOf(ModernRegion) : null;
        if (wanted == _doorbellsAt)
            return;
        RemoveDoorbells();
        _doorbellsAt = wanted;
        for (var queue = 0; queue < _doorbells.Length && wanted is not null; queue++)
            _doorbells[queue] = _events.TryAddDoorbell(wanted.Value + NotifyOffset + (ulong)(queue * NotifyMultiplier), _onRung.Raise);
    }

    private void RemoveDoorbells()
    {
        for (var queue = 0; queue < _doorbells.Length; queue++)
        {
            if (_doorbells[queue] is not { } doorbell)
                continue;
            _doorbells[queue] = null;
            var isRung = doorbell.TryTake();
            doorbell.Dispose();
            // Moved with the device's registers: the notification came before.
            if (isRung)
                _device.NotifyLater(queue);
        }
        _doorbellsAt = null;
    }

    private void AnswerDoorbells()
    {
        for (var queue = 0; queue < _doorbells.Length; queue++)
        {
            if (_doorbells[queue]?.TryTake() == true)
                _device.Notify(queue);
        }
    }

    // 4.1.4.9: bar, offset and length as the driver set them; anything but an aligned access inside a region does nothing.
    private bool TryGetWindow(out int region, out ulong offset, out int length)
    {
        region = (int)Function.Read(_window + WindowBar, 1);
        offset = Function.Read(_window + WindowOffset, 4);
        var bytes = Function.Read(_window + WindowLength, 4);
        length = (int)Math.Min(bytes, 8);
        return region < Regions.Count && bytes is 1 or 2 or 4 && offset % bytes == 0 && offset + bytes <= Regions[region].Length;
    }
}
