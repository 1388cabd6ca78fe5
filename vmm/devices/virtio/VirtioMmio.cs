using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>A virtio device behind registers in memory, with one interrupt line that is high while something is to be acknowledged.</summary>
/// <remarks>VIRTIO 1.2, 4.2: version 2, no legacy interface. Control registers are 32 bits wide and take no other access; the configuration takes any.</remarks>
public sealed class VirtioMmio : IMmioDevice, IResettable, IResumable, ISaveable, IVirtioTransport, IDisposable
{
    /// <summary>Bytes of registers, as QEMU's transports have.</summary>
    public const int RegionBytes = 0x200;

    private const uint Magic = 0x74726976, Version = 2, Vendor = 0x554d4551;
    private const uint ConfigurationOffset = 0x100;
    private const byte QueueInterrupt = 1, ConfigurationInterrupt = 2;

    // 4.2.2.1: what a length register of a shared memory region that is not there reads as.
    private const uint NoSharedMemory = uint.MaxValue;

    private readonly VirtioDevice _device;
    private readonly VirtioCommon _common;
    private readonly IIrqLine _line;
    private byte _isr;
    private uint _generation;

    public VirtioMmio(VirtioDevice device, IIrqLine line)
    {
        (_device, _line, _common) = (device, line, new VirtioCommon(device));
        Name = $"{device.TypeName}-device";
        Regions = [NewRegion(device)];
        device.Connect(this);
        Reset();
    }

    public string Name { get; }

    public IReadOnlyList<RegisterMap> Regions { get; }

    public VirtioDevice Device => _device;

    public int StateVersion => 2;

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        if (offset >= ConfigurationOffset)
            return _device.ReadConfigurationField((uint)offset - ConfigurationOffset, size);
        return size == 4 ? ReadRegister((uint)offset) : 0;
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (offset >= ConfigurationOffset)
            _device.WriteConfigurationField((uint)offset - ConfigurationOffset, size, value);
        else if (size == 4)
            WriteRegister((uint)offset, (uint)value);
    }

    public void SignalQueue(int queue) => Raise(QueueInterrupt);

    public void SignalConfiguration()
    {
        _generation++;
        Raise(ConfigurationInterrupt);
    }

    public void SignalBroken()
    {
        _common.MarkBroken();
        SignalConfiguration();
    }

    public void OnResume() => _device.OnResume();

    public void Reset()
    {
        _common.Reset();
        _generation = 0;
        Acknowledge(byte.MaxValue);
    }

    public void Save(StateWriter writer)
    {
        _common.Save(writer);
        writer.Byte(_isr);
        writer.UInt32(_generation);
    }

    public void Load(ref StateReader reader)
    {
        _common.Load(ref reader);
        _isr = (byte)(reader.Byte() & (QueueInterrupt | ConfigurationInterrupt));
        _generation = reader.UInt32();
        _line.Set(_isr != 0);
    }

    public void Dispose() => (_device as IDisposable)?.Dispose();

    private static RegisterMap NewRegion(VirtioDevice device)
    {
        var registers = new List<Register>
        {
            new("MagicValue", 0x000, 4, RegisterAccess.Read, Magic),
            new("Version", 0x004, 4, RegisterAccess.Read, Version),
            new("DeviceID", 0x008, 4, RegisterAccess.Read, device.TypeId),
            new("VendorID", 0x00c, 4, RegisterAccess.Read, Vendor),
            new("DeviceFeatures", 0x010, 4, RegisterAccess.Read),
            new("DeviceFeaturesSel", 0x014, 4, RegisterAccess.Write),
            new("DriverFeatures", 0x020, 4, RegisterAccess.Write),
            new("DriverFeaturesSel", 0x024, 4, RegisterAccess.Write),
            new("QueueSel", 0x030, 4, RegisterAccess.Write),
            new("QueueSizeMax", 0x034, 4, RegisterAccess.Read, VirtioDevice.QueueSize),
            new("QueueSize", 0x038, 4, RegisterAccess.Write),
            new("QueueReady", 0x044, 4, RegisterAccess.ReadWrite, 0),
            new("QueueNotify", 0x050, 4, RegisterAccess.Write),
            new("InterruptStatus", 0x060, 4, RegisterAccess.Read, 0),
            new("InterruptACK", 0x064, 4, RegisterAccess.Write),
            new("Status", 0x070, 4, RegisterAccess.ReadWrite, 0, "0 resets"),
            new("QueueDescLow", 0x080, 4, RegisterAccess.Write),
            new("QueueDescHigh", 0x084, 4, RegisterAccess.Write),
            new("QueueDriverLow", 0x090, 4, RegisterAccess.Write),
            new("QueueDriverHigh", 0x094, 4, RegisterAccess.Write),
            new("QueueDeviceLow", 0x0a0, 4, RegisterAccess.Write),
            new("QueueDeviceHigh", 0x0a4, 4, RegisterAccess.Write),
            new("SHMLenLow", 0x0b0, 4, RegisterAccess.Read, NoSharedMemory),
            new("SHMLenHigh", 0x0b4, 4, RegisterAccess.Read, NoSharedMemory),
            new("QueueReset", 0x0c0, 4, RegisterAccess.ReadWrite, 0),
            new("ConfigGeneration", 0x0fc, 4, RegisterAccess.Read, 0),
        };
        foreach (var field in device.ConfigurationRegisters)
            registers.Add(field with { Offset = field.Offset + ConfigurationOffset });
        return new RegisterMap("mmio", AddressSpace.Mmio, RegionBytes, registers);
    }

    private uint ReadRegister(uint offset) => offset switch
    {
        0x000 => Magic,
        0x004 => Version,
        0x008 => _device.TypeId,
        0x00c => Vendor,
        0x010 => _common.DeviceFeatures,
        0x034 => _common.Selected?.MaxSize ?? 0u,
        0x044 => _common.Selected is { IsEnabled: true } ? 1u : 0u,
        0x060 => _isr,
        0x070 => (uint)_common.Status,
        0x0b0 or 0x0b4 or 0x0b8 or 0x0bc => NoSharedMemory,
        0x0fc => _generation,
        _ => 0,
    };

    private void WriteRegister(uint offset, uint value)
    {
        switch (offset)
        {
            case 0x014:
                _common.DeviceFeatureSelect = value;
                break;
            case 0x020:
                _common.DriverFeatures = value;
                break;
            case 0x024:
                _common.DriverFeatureSelect = value;
                break;
            case 0x030:
                _common.QueueSelect = (ushort)Math.Min(value, ushort.MaxValue);
                break;
            case 0x038:
                _common.WriteQueueSize((ushort)Math.Min(value, ushort.MaxValue));
                break;
            case 0x044 when value == 0:
                _common.StopSelectedQueue();
                break;
            case 0x044:
                _common.WriteQueueEnable(value == 1);
                break;
            case 0x050:
                _device.Notify((int)Math.Min(value, int.MaxValue));
                break;
            case 0x064:
                Acknowledge((byte)value);
                break;
            case 0x070:
                if (_common.WriteStatus((byte)value))
                    Acknowledge(byte.MaxValue);
                break;
            case >= 0x080 and < 0x0b0 when (offset & 0xf) is 0 or 4:
                _common.WriteQueueAddress((int)(offset - 0x080) / 0x10, (offset & 4) != 0, value);
                break;
            case 0x0c0 when value == 1:
                _common.ResetSelectedQueue();
                break;
            default:
                break;
        }
    }

    private void Raise(byte cause)
    {
        _isr |= cause;
        _line.Set(true);
    }

    private void Acknowledge(byte causes)
    {
        _isr &= (byte)~causes;
        _line.Set(_isr != 0);
    }
}
