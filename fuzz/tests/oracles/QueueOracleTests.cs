using Gauntlet.Fuzz.Diverge;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Fuzz.Tests.Oracles;

public sealed class QueueOracleTests
{
    [Theory]
    [InlineData(QueueFault.Forgets)]
    [InlineData(QueueFault.GivesBackTwice)]
    [InlineData(QueueFault.KeepsOverReset)]
    public void A_device_that_loses_count_of_its_chains_is_found(QueueFault fault)
    {
        using var target = PlantedVirtio.Target(fault);

        Assert.Equal("leaked element planted queue 0", Search.Find(target)?.Bucket);
    }

    [Fact]
    public void A_chain_that_a_device_keeps_and_tells_of_is_no_finding()
    {
        using var target = PlantedVirtio.Target(QueueFault.None);

        Assert.Null(Search.Find(target, inputs: 2_000)?.Report);
    }

    [Fact]
    public void Requests_that_a_disk_holds_until_its_host_can_are_no_finding()
    {
        const ulong Registers = 0xfeb00000;
        var bus = new IoBus();
        var clock = new ManualClock(DateTime.UnixEpoch, bus.DeviceLock);
        var memory = new GuestMemory([new GuestRam("ram", VirtioPrograms.Arena, 0x10000)]);
        var mostHeld = 0;
        var disk = new VirtioBlk(memory, clock, new BrokenImage(), errors: new BlockErrors(read: BlockErrorAction.Stop));
        var transport = new VirtioMmio(disk, UnconnectedIrqLine.Instance);
        bus.MapMmio(transport, 0, Registers);
        using var target = new DeviceTarget(bus, [transport], [], clock, memory, transport, new VirtioForm(VirtioTransport.Mmio(Registers), new VirtioKind(0, [0], 60, ReadASector)).Append);

        var random = new FuzzRandom(3);
        for (var i = 0; i < 2_000; i++)
        {
            target.Run(target.Form!.Mutate(random, [], [], Mutator.MaxInputBytes));
            mostHeld = Math.Max(mostHeld, disk.EntriesHeld(0));
        }

        Assert.True(mostHeld > 1, $"at most {mostHeld} requests were held at once");
    }

    // 5.2.6: header, data, status.
    private static void ReadASector(FuzzRandom random, VirtioChain chain, int queue)
    {
        chain.Out(new byte[16]);
        chain.In(512);
        chain.In(1);
    }

    /// <summary>A disk of a host that can do nothing for now.</summary>
    private sealed class BrokenImage : IBlockImage
    {
        public long Bytes => 1 << 14;

        public bool IsReadOnly => false;

        public bool TryRead(long offset, Span<byte> destination) => false;

        public bool TryWrite(long offset, ReadOnlySpan<byte> source) => false;

        public bool TryFlush() => false;

        public bool TryDiscard(long offset, long length) => false;

        public bool TryWriteZeroes(long offset, long length, bool mayUnmap) => false;

        public void Dispose() { }
    }
}
