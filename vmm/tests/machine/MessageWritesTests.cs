using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Tests.Devices;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.MachineTests;

public sealed class MessageWritesTests
{
    private readonly RecordingMsi _apics = new();
    private readonly ArrayMemory _memory = new(4096);

    [Theory]
    [InlineData(0xfee00000UL)]
    [InlineData(0xfeeff00cUL)]
    public void Messages_to_the_apics_are_interrupts(ulong address)
    {
        new MessageWrites(_apics, _memory).SendMsi(address, 0x41);
        Assert.Equal([(address, 0x41u)], _apics.Messages);
    }

    [Fact]
    public void Messages_elsewhere_are_writes_to_memory_or_lost()
    {
        var writes = new MessageWrites(_apics, _memory);
        writes.SendMsi(0x100, 0x12345678);
        writes.SendMsi(0x1_fee0_0000, 1);
        writes.SendMsi(0xfef00000, 1);
        Assert.Empty(_apics.Messages);
        Assert.Equal(new byte[] { 0x78, 0x56, 0x34, 0x12 }, _memory.Bytes[0x100..0x104]);
    }
}
