using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Feature bits that belong to no device type (VIRTIO 1.2, 6).</summary>
public static class VirtioFeature
{
    public const ulong IndirectDescriptors = 1UL << 28, EventIndex = 1UL << 29, Version1 = 1UL << 32, RingPacked = 1UL << 34, RingReset = 1UL << 40;

    /// <summary>What every device here can offer.</summary>
    public const ulong Transport = IndirectDescriptors | EventIndex | Version1 | RingPacked | RingReset;
}

/// <summary>What a device type asks of the transport that it sits behind.</summary>
public interface IVirtioTransport
{
    /// <summary>Used buffers of a queue are to be looked at.</summary>
    void SignalQueue(int queue);

    /// <summary>The configuration has changed.</summary>
    void SignalConfiguration();

    /// <summary>The driver broke a ring's rules: the device needs a reset, and the driver is told (VIRTIO 1.2, 2.1.2).</summary>
    void SignalBroken();
}

/// <summary>
/// A virtio device type without its transport: identity, features, queues, configuration fields. A transport (<see cref="VirtioPci"/>)
/// brings the guest's accesses here and the device's interrupts there.
/// </summary>
/// <remarks>VIRTIO 1.2, 2. All members are called with the machine's device lock held.</remarks>
public abstract class VirtioDevice
{
    /// <summary>Entries of each queue, at most.</summary>
    public const ushort QueueSize = 256;

    private readonly IClockTimer _continue;
    private IVirtioTransport? _transport;
    private ulong _postponed;

    /// <param name="queueCount">1 to 64.</param>
    protected VirtioDevice(IGuestMemory memory, IClock clock, int queueCount)
    {
        Memory = memory;
        Clock = clock;
        var queues = new Virtqueue[queueCount];
        for (var i = 0; i < queueCount; i++)
            queues[i] = new Virtqueue(memory, QueueSize);
        Queues = queues;
        _continue = clock.CreateTimer(ServePostponed);
    }

    /// <summary>As in QEMU's device names: <c>virtio-blk</c>.</summary>
    public abstract string TypeName { get; }

    /// <summary>Device ID (VIRTIO 1.2, 5).</summary>
    public abstract ushort TypeId { get; }

    /// <summary>What the device type offers, beside <see cref="VirtioFeature.Transport"/>.</summary>
    public virtual ulong DeviceFeatures => 0;

    /// <summary>Ring forms and other <see cref="VirtioFeature.Transport"/> features that are kept from the driver.</summary>
    public ulong WithheldFeatures { get; init; }

    /// <summary>All that the driver may accept.</summary>
    internal ulong OfferedFeatures => DeviceFeatures | (VirtioFeature.Transport & ~WithheldFeatures);

    /// <summary>The device-specific configuration, as a register map declares it; empty when there is none.</summary>
    public virtual IReadOnlyList<Register> ConfigurationRegisters => [];

    /// <summary>Bytes of it.</summary>
    public virtual int ConfigurationBytes => 0;

    /// <summary>How it shows in PCI's class code: base class and subclass.</summary>
    public virtual (byte Base, byte Sub) PciClass => (0xff, 0);

    public IReadOnlyList<Virtqueue> Queues { get; }

    /// <summary>What the driver accepted; final once FEATURES_OK was accepted.</summary>
    public ulong NegotiatedFeatures { get; private set; }

    /// <summary>The driver said DRIVER_OK and the device is not broken: queues are served.</summary>
    public bool IsLive { get; private set; }

    protected IGuestMemory Memory { get; }

    protected internal IClock Clock { get; }

    /// <summary>Once, by the transport.</summary>
    internal void Connect(IVirtioTransport transport) => _transport = transport;

    internal void SetFeatures(ulong features)
    {
        NegotiatedFeatures = features;
        foreach (var queue in Queues)
            queue.SetFormat((features & VirtioFeature.RingPacked) != 0, (features & VirtioFeature.EventIndex) != 0);
    }

    internal void SetLive(bool live)
    {
        var started = live && !IsLive;
        IsLive = live;
        if (started)
            OnStart();
    }

    /// <summary>The driver's notification: serves the queue, unless it does not run.</summary>
    internal void Notify(int queue)
    {
        if (!IsLive || (uint)queue >= (uint)Queues.Count || !Queues[queue].IsEnabled)
            return;
        OnNotified(queue);
    }

    /// <summary>The same, to be looked at once the guest runs.</summary>
    internal void NotifyLater(int queue)
    {
        if (IsLive && Queues[queue].IsEnabled)
            Postpone(queue);
    }

    /// <summary>Device reset (2.4): requests under way are given up, queues forgotten.</summary>
    internal void Reset()
    {
        IsLive = false;
        _postponed = 0;
        _continue.Cancel();
        OnReset();
        SetFeatures(0);
        foreach (var queue in Queues)
            queue.Reset();
    }

    internal void ResetQueue(int queue)
    {
        OnQueueReset(queue);
        Queues[queue].Reset();
    }

    internal void Save(StateWriter writer)
    {
        writer.UInt64(NegotiatedFeatures);
        writer.Bool(IsLive);
        writer.UInt64(_postponed | QueuesUnderWay);
        foreach (var queue in Queues)
            queue.Save(writer);
        SaveType(writer);
    }

    internal void Load(ref StateReader reader)
    {
        OnReset();
        SetFeatures(reader.UInt64() & OfferedFeatures);
        IsLive = reader.Bool();
        _postponed = reader.UInt64() & ulong.MaxValue >> (64 - Queues.Count);
        foreach (var queue in Queues)
            queue.Load(ref reader);
        LoadType(ref reader);
        if (_postponed != 0)
            _continue.Arm(Clock.NowNs);
        else
            _continue.Cancel();
    }

    /// <summary>One byte of the configuration.</summary>
    /// <param name="offset">0 to <see cref="ConfigurationBytes"/> - 1.</param>
    public virtual byte ReadConfiguration(int offset) => 0;

    public virtual void WriteConfiguration(int offset, byte value) { }

    /// <summary>Bytes of the configuration as one value; what is behind its end reads as 0.</summary>
    internal ulong ReadConfigurationField(uint offset, int size)
    {
        ulong value = 0;
        for (var i = 0; i < size; i++)
        {
            if (offset + i < ConfigurationBytes)
                value |= (ulong)ReadConfiguration((int)offset + i) << (i * 8);
        }
        return value;
    }

    internal void WriteConfigurationField(uint offset, int size, ulong value)
    {
        for (var i = 0; i < size; i++)
        {
            if (offset + i < ConfigurationBytes)
                WriteConfiguration((int)offset + i, (byte)(value >> (i * 8)));
        }
    }

    /// <summary>Handles one chain and gives it back (<see cref="Virtqueue.Push(uint)"/>); true to be given the next one, false when the queue is to wait.</summary>
    protected abstract bool HandleChain(int queue, Virtqueue ring);

    /// <summary>The driver has put chains into a queue that runs, or the rest of those that were postponed is to be served.</summary>
    protected virtual void OnNotified(int queue) => Serve(queue);

    /// <summary>The machine goes on, after it stood still because the host could not do something.</summary>
    internal virtual void OnResume() { }

    protected virtual void OnStart() { }

    protected virtual void OnReset() { }

    protected virtual void OnQueueReset(int queue) { }

    /// <summary>Ring entries of the chains that requests under way will give back: as many as the queue has <see cref="Virtqueue.EntriesUnderWay"/>.</summary>
    public virtual int EntriesHeld(int queue) => 0;

    /// <summary>Queues with requests under way, by bit: those of a restored machine are as if the driver had notified them once it goes on.</summary>
    protected virtual ulong QueuesUnderWay => 0;

    protected virtual void SaveType(StateWriter writer) { }

    protected virtual void LoadType(ref StateReader reader) { }

    /// <summary>Tells the driver of used buffers when it wants that, and of a broken ring.</summary>
    protected void Signal(int queue)
    {
        if (Queues[queue].TakeInterruptWish())
            _transport?.SignalQueue(queue);
        if (Queues[queue].IsBroken && IsLive)
        {
            IsLive = false;
            _transport?.SignalBroken();
        }
    }

    /// <summary>A change of the configuration that the driver is to look at.</summary>
    protected void SignalConfiguration() => _transport?.SignalConfiguration();

    /// <summary>
    /// Serves a queue. At most one ring's worth of chains in one go: the rest comes after the guest has run, so that no driver holds the machine's
    /// devices by adding chains as fast as they are handled.
    /// </summary>
    protected void Serve(int queue)
    {
        var ring = Queues[queue];
        ring.SetNotification(wanted: false);
        var handled = 0;
        while (handled < QueueSize)
        {
            if (!ring.TryPop())
            {
                ring.SetNotification(wanted: true);
                if (!ring.TryPop())
                    break;
            }
            handled++;
            if (!HandleChain(queue, ring))
                break;
        }
        if (handled == QueueSize)
            Postpone(queue);
        Signal(queue);
    }

    /// <summary>Brings <see cref="OnNotified"/> about once more, after the guest has run.</summary>
    protected void Postpone(int queue)
    {
        _postponed |= 1UL << queue;
        _continue.Arm(Clock.NowNs);
    }

    private void ServePostponed()
    {
        var queues = _postponed;
        _postponed = 0;
        for (var i = 0; i < Queues.Count; i++)
        {
            if ((queues >> i & 1) != 0)
                Notify(i);
        }
    }
}
