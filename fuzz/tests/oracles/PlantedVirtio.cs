using Gauntlet.Fuzz.Diverge;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Fuzz.Tests.Oracles;

/// <summary>What a planted virtio device does wrong with its queue.</summary>
public enum QueueFault
{
    /// <summary>Nothing: what it keeps it tells of.</summary>
    None,

    /// <summary>A chain without anything to write is forgotten.</summary>
    Forgets,

    /// <summary>A chain with much to write is given back twice.</summary>
    GivesBackTwice,

    /// <summary>What it keeps it has after a reset still.</summary>
    KeepsOverReset,
}

/// <summary>A virtio device that keeps each chain until the next one comes, and may have a fault.</summary>
internal sealed class PlantedVirtio(IGuestMemory memory, IClock clock, QueueFault fault) : VirtioDevice(memory, clock, queueCount: 1)
{
    private const int Much = 300;

    private (ushort Id, int RingEntries)? _kept;

    public override string TypeName => "planted";

    public override ushort TypeId => 63;

    public override int EntriesHeld(int queue) => _kept?.RingEntries ?? 0;

    /// <summary>The device behind registers in memory, as a target.</summary>
    public static DeviceTarget Target(QueueFault fault)
    {
        const ulong Registers = 0xfeb00000;
        var bus = new IoBus();
        var clock = new ManualClock(DateTime.UnixEpoch, bus.DeviceLock);
        var memory = new GuestMemory([new GuestRam("ram", VirtioPrograms.Arena, 0x10000)]);
        var transport = new VirtioMmio(new PlantedVirtio(memory, clock, fault), UnconnectedIrqLine.Instance);
        bus.MapMmio(transport, 0, Registers);
        var form = new VirtioForm(VirtioTransport.Mmio(Registers), new VirtioKind(0, [0], 0, Ask));
        return new DeviceTarget(bus, [transport], [], clock, memory, memory, form.Append);
    }

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        var chain = ring.Chain;
        if (fault == QueueFault.Forgets && chain.WritableBytes == 0)
            return true;
        if (fault == QueueFault.GivesBackTwice && chain.WritableBytes > Much)
            ring.Push(0);
        if (_kept is { } kept)
            ring.Push(kept.Id, kept.RingEntries, 0);
        _kept = (chain.Id, chain.RingEntries);
        return true;
    }

    protected override void OnReset()
    {
        if (fault != QueueFault.KeepsOverReset)
            _kept = null;
    }

    protected override void OnQueueReset(int queue) => _kept = null;

    protected override void SaveType(StateWriter writer)
    {
        writer.UInt16(_kept?.Id ?? 0);
        writer.UInt16((ushort)(_kept?.RingEntries ?? 0));
    }

    protected override void LoadType(ref StateReader reader)
    {
        var (id, ringEntries) = (reader.UInt16(), reader.UInt16());
        _kept = ringEntries == 0 ? null : (id, ringEntries);
    }

    private static void Ask(FuzzRandom random, VirtioChain chain, int queue)
    {
        if (random.OneIn(2))
            chain.Out([], 1 + random.Below(16));
        if (chain.Count == 0 || random.OneIn(2))
            chain.In(1 + (uint)random.Below(400));
    }
}
