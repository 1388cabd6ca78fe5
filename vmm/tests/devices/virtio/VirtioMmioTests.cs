using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 4.2.</summary>
public sealed class VirtioMmioTests
{
    private const ulong Base = 0xfeb00000;
    private const uint Ready = 0x044, Interrupts = 0x060, InterruptAck = 0x064, Status = 0x070;

    private readonly ArrayMemory _memory = new(1 << 20);
    private readonly RecordingLine _line = new();
    private readonly Bench _bench;

    public VirtioMmioTests() =>
        _bench = DeviceCatalogue.NewVirtioMmio((memory, clock) => new VirtioBlk(memory, clock, new MemoryImage(64 * 512), "mmio"), _line, _memory);

    [Fact]
    public void It_says_who_it_is()
    {
        Assert.Equal(0x74726976u, Read(0));
        Assert.Equal(2u, Read(4));
        Assert.Equal(2u, Read(8));
        Assert.Equal(64u, Read(0x100));
        Assert.Equal(64UL, _bench.Bus.ReadMmio(Base + 0x100, 8));
        Assert.Equal(uint.MaxValue, Read(0xb0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_request_is_carried_out_and_its_interrupt_stays_until_it_is_acknowledged(bool packed)
    {
        var driver = Start(packed);
        Request(driver);
        Assert.NotNull(driver.Take());
        Assert.Equal(0, _memory.Bytes[0x30000]);
        Assert.Equal(1u, Read(Interrupts));
        Assert.True(_line.Level);
        Write(InterruptAck, 2);
        Assert.True(_line.Level);
        Write(InterruptAck, 1);
        Assert.False(_line.Level);
        Assert.Equal(0u, Read(Interrupts));
    }

    [Fact]
    public void A_queue_that_the_driver_takes_back_is_not_served()
    {
        var driver = Start(packed: false);
        Assert.Equal(1u, Read(Ready));
        Write(Ready, 0);
        Assert.Equal(0u, Read(Ready));
        Request(driver);
        Assert.Null(driver.Take());
    }

    [Fact]
    public void Control_registers_take_whole_words_only()
    {
        _bench.Bus.WriteMmio(Base + Status, 1, 1);
        Assert.Equal(0u, Read(Status));
        Assert.Equal(0UL, _bench.Bus.ReadMmio(Base, 2));
    }

    [Fact]
    public void A_reset_lowers_the_line_and_a_restore_raises_it()
    {
        var driver = Start(packed: false);
        Request(driver);
        var transport = _bench.Devices.OfType<VirtioMmio>().Single();
        var state = transport.SaveToBytes();
        Write(Status, 0);
        Assert.False(_line.Level);
        transport.LoadFrom(state);
        Assert.True(_line.Level);
        Assert.Equal(1u, Read(Interrupts));
    }

    private RingDriver Start(bool packed)
    {
        Write(Status, 0);
        Write(Status, 3);
        Write(0x024, 1);
        Write(0x020, (uint)((VirtioFeature.Version1 | (packed ? VirtioFeature.RingPacked : 0)) >> 32));
        Write(Status, 11);
        Write(0x030, 0);
        Write(0x038, 16);
        Write(0x080, (uint)RingDriver.Descriptors);
        Write(0x090, (uint)RingDriver.Driver);
        Write(0x0a0, (uint)RingDriver.Device);
        Write(Ready, 1);
        Write(Status, 15);
        return packed ? new PackedDriver(_memory, 16) : new SplitDriver(_memory, 16);
    }

    // A flush.
    private void Request(RingDriver driver)
    {
        _memory.Bytes[0x20000] = 4;
        _memory.Bytes[0x30000] = 0xff;
        driver.Add([new(0x20000, 16, false), new(0x30000, 1, true)]);
        Write(0x050, 0);
    }

    private uint Read(uint offset) => (uint)_bench.Bus.ReadMmio(Base + offset, 4);

    private void Write(uint offset, uint value) => _bench.Bus.WriteMmio(Base + offset, 4, value);
}
