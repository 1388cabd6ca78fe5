using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Device status bits (VIRTIO 1.2, 2.1).</summary>
[Flags]
public enum VirtioStatus : byte
{
    None = 0,
    Acknowledge = 1,
    Driver = 2,
    DriverOk = 4,
    FeaturesOk = 8,
    NeedsReset = 0x40,
    Failed = 0x80,
}

/// <summary>What both transports have in common: device status, feature negotiation, queue selection and set-up.</summary>
/// <remarks>VIRTIO 1.2, 2.1, 2.2, 3.1, 4.1.4.3 and 4.2.2, whose registers are the same but for their offsets.</remarks>
internal sealed class VirtioCommon(VirtioDevice device)
{
    private uint _deviceFeatureSelect, _driverFeatureSelect;
    private ulong _driverFeatures;

    public VirtioStatus Status { get; private set; }

    /// <summary>Any value: a queue that does not exist has size 0.</summary>
    public ushort QueueSelect { get; set; }

    public uint DeviceFeatureSelect
    {
        get => _deviceFeatureSelect;
        set => _deviceFeatureSelect = value;
    }

    public uint DriverFeatureSelect
    {
        get => _driverFeatureSelect;
        set => _driverFeatureSelect = value;
    }

    public uint DeviceFeatures => Half(device.OfferedFeatures, _deviceFeatureSelect);

    public uint DriverFeatures
    {
        get => Half(_driverFeatures, _driverFeatureSelect);
        set
        {
            // 3.1.1: they are fixed once FEATURES_OK is set.
            if ((Status & VirtioStatus.FeaturesOk) != 0 || _driverFeatureSelect > 1)
                return;
            var shift = (int)_driverFeatureSelect * 32;
            _driverFeatures = (_driverFeatures & ~((ulong)uint.MaxValue << shift)) | (ulong)value << shift;
        }
    }

    /// <summary>The selected queue, null when there is none of that number.</summary>
    public Virtqueue? Selected => QueueSelect < device.Queues.Count ? device.Queues[QueueSelect] : null;

    /// <summary>A write to the status register; true when it was a reset.</summary>
    public bool WriteStatus(byte value)
    {
        if (value == 0)
        {
            Reset();
            return true;
        }
        // 2.1.1: a driver never clears a bit but by reset, and NEEDS_RESET is the device's.
        var wanted = ((VirtioStatus)value & ~VirtioStatus.NeedsReset) | Status;
        if ((wanted & VirtioStatus.FeaturesOk) != 0 && (Status & VirtioStatus.FeaturesOk) == 0)
        {
            // 2.2.2, 6: only what is offered, and never without VERSION_1: FEATURES_OK then does not stick.
            if ((_driverFeatures & ~device.OfferedFeatures) != 0 || (_driverFeatures & VirtioFeature.Version1) == 0)
                wanted &= ~VirtioStatus.FeaturesOk;
            else
                device.SetFeatures(_driverFeatures);
        }
        Status = wanted;
        const VirtioStatus ready = VirtioStatus.DriverOk | VirtioStatus.FeaturesOk;
        device.SetLive((wanted & ready) == ready && (wanted & (VirtioStatus.NeedsReset | VirtioStatus.Failed)) == 0);
        return false;
    }

    /// <summary>The device found the driver broken (2.1.2).</summary>
    public void MarkBroken() => Status |= VirtioStatus.NeedsReset;

    public void WriteQueueSize(ushort value)
    {
        if (Selected is { IsEnabled: false } queue)
            queue.State.Size = value;
    }

    public void WriteQueueEnable(bool enable)
    {
        // A driver must not clear it (4.1.4.3.2); a size that cannot be leaves the queue off. Features come first (3.1.1).
        if (enable && (Status & VirtioStatus.FeaturesOk) != 0 && Selected is { IsEnabled: false } queue)
            queue.TryEnable();
    }

    /// <summary>4.1.4.3: with RING_RESET negotiated, one queue alone; complete when the write is.</summary>
    public void ResetSelectedQueue()
    {
        if (Selected is not null && (device.NegotiatedFeatures & VirtioFeature.RingReset) != 0)
            device.ResetQueue(QueueSelect);
    }

    /// <summary>4.2.2, QueueReady: the driver takes a queue back; complete when the write is.</summary>
    public void StopSelectedQueue()
    {
        if (Selected is not null)
            device.ResetQueue(QueueSelect);
    }

    /// <summary>Sets half of one of the selected queue's addresses; a queue that runs keeps them.</summary>
    /// <param name="area">0 descriptors, 1 driver, 2 device.</param>
    public void WriteQueueAddress(int area, bool high, uint value)
    {
        if (Selected is not { IsEnabled: false } queue)
            return;
        ref var address = ref queue.State.Descriptors;
        if (area == 1)
            address = ref queue.State.Driver;
        else if (area == 2)
            address = ref queue.State.Device;
        address = high ? (address & uint.MaxValue) | (ulong)value << 32 : (address & ~(ulong)uint.MaxValue) | value;
    }

    public void Reset()
    {
        (Status, QueueSelect, _deviceFeatureSelect, _driverFeatureSelect, _driverFeatures) = (VirtioStatus.None, 0, 0, 0, 0);
        device.Reset();
    }

    public void Save(StateWriter writer)
    {
        writer.Byte((byte)Status);
        writer.UInt16(QueueSelect);
        writer.UInt32(_deviceFeatureSelect);
        writer.UInt32(_driverFeatureSelect);
        writer.UInt64(_driverFeatures);
        device.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        Status = (VirtioStatus)reader.Byte();
        QueueSelect = reader.UInt16();
        _deviceFeatureSelect = reader.UInt32();
        _driverFeatureSelect = reader.UInt32();
        _driverFeatures = reader.UInt64();
        device.Load(ref reader);
    }

    private static uint Half(ulong features, uint select) => select switch
    {
        0 => (uint)features,
        1 => (uint)(features >> 32),
        _ => 0,
    };
}
