using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Storage;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>ATA/ATAPI-7 (T13 1532D), 6.24 and volume 2, 5.8; MMC-3: a CD-ROM drive as drive 1 of the primary channel.</summary>
public sealed class AtapiCdRomTests
{
    private const int Blocks = 40;

    private readonly ArrayMemory _memory = new(1 << 18);
    private readonly RecordingLine _irq = new();
    private readonly byte[] _content = new byte[Blocks * AtapiCdRom.BlockBytes];
    private readonly IdeDriver _ide;

    public AtapiCdRomTests()
    {
        new Random(3).NextBytes(_content);
        var image = new MemoryImage(_content.Length, isReadOnly: true);
        _content.CopyTo(image.Content);
        _ide = NewDriver(new AtapiCdRom(image));
    }

    [Fact]
    public void A_read_comes_in_pieces_of_the_hosts_limit_each_with_an_interrupt_and_its_length()
    {
        Send(limit: 5121, 0x28, 0, 0, 0, 0, 3, 0, 0, 4);
        List<byte> data = [];
        while ((_ide.Status & 8) != 0)
        {
            Assert.Equal(2, _ide.In(2));
            var length = _ide.In(4) | _ide.In(5) << 8;
            Assert.Equal(Math.Min(5120, 4 * 2048 - data.Count), length);
            data.AddRange(_ide.ReadData(length));
            Assert.True(_irq.Level);
        }
        Assert.Equal(3, _ide.In(2));
        Assert.Equal(_content[(3 * 2048)..(7 * 2048)], data);
    }

    [Fact]
    public void A_read_by_dma_goes_to_memory()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.Bytes.AsSpan(0x1000), 0x80001000_00008000);
        _ide.Out(1, 1);
        Send(limit: 0, 0x28, 0, 0, 0, 0, 1, 0, 0, 2);
        _ide.StartDma(0x1000, toMemory: true);
        Assert.Equal(4, _ide.BusMasterStatus);
        Assert.Equal(_content[2048..(3 * 2048)], _memory.Bytes[0x8000..0x9000]);
        Assert.Equal(0x50, _ide.Status);
    }

    [Fact]
    public void It_says_what_it_is_and_how_much_is_in_it()
    {
        _ide.Out(6, 0x10);
        _ide.Command(0xa1);
        Assert.Equal(0x85c0, BinaryPrimitives.ReadUInt16LittleEndian(_ide.ReadData(512)));
        var inquiry = Ask(36, 0x12, 0, 0, 0, 36);
        Assert.Equal((5, 0x80), (inquiry[0], inquiry[1]));
        var capacity = Ask(8, 0x25);
        Assert.Equal((Blocks - 1u, 2048u), (BinaryPrimitives.ReadUInt32BigEndian(capacity), BinaryPrimitives.ReadUInt32BigEndian(capacity.AsSpan(4))));
        var toc = Ask(20, 0x43, 0, 0, 0, 0, 0, 1, 0, 20);
        Assert.Equal((18, 1, 0xaa, Blocks), (toc[1], toc[6], toc[14], toc[19]));
    }

    [Fact]
    public void What_is_beyond_the_end_or_not_known_is_refused_with_sense()
    {
        Send(limit: 2048, 0x28, 0, 0, 0, 0, Blocks, 0, 0, 1);
        Assert.Equal((0x51, 0x54), (_ide.Status, _ide.In(1)));
        var sense = Ask(18, 0x03, 0, 0, 0, 18);
        Assert.Equal((5, 0x21), (sense[2] & 0xf, sense[12]));
        Send(limit: 2048, 0xff);
        Assert.Equal((0x51, 0x54), (_ide.Status, _ide.In(1)));
        Assert.Equal(0x20, Ask(18, 0x03, 0, 0, 0, 18)[12]);
        // Told once.
        Assert.Equal(0, Ask(18, 0x03, 0, 0, 0, 18)[2]);
    }

    [Fact]
    public void An_empty_drive_is_not_ready()
    {
        var ide = NewDriver(new AtapiCdRom(null));
        Send(ide, 2048, 0x00);
        Assert.Equal((0x51, 0x24), (ide.Status, ide.In(1)));
        Send(ide, 2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
        Assert.Equal(0x51, ide.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_read_that_the_host_cannot_do_waits_where_that_is_wished(bool dma)
    {
        var image = new MemoryImage(_content.Length, isReadOnly: true);
        _content.CopyTo(image.Content);
        var drive = new AtapiCdRom(new BlkDebugImage(image, [new BlkDebugRule("read_aio", Once: true)]), new BlockErrors(read: BlockErrorAction.Stop));
        var bench = DeviceCatalogue.NewIde(_memory, _irq, cdRom: drive);
        var ide = new IdeDriver(bench.Bus);
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.Bytes.AsSpan(0x1000), 0x80000800_00008000);
        ide.Out(1, dma ? (byte)1 : (byte)0);
        Send(ide, 2048, 0x28, 0, 0, 0, 0, 3, 0, 0, 1);
        if (dma)
            ide.StartDma(0x1000, toMemory: true);
        Assert.Equal(0x80, ide.Status & 0x89);
        ((PiixIde)bench.Devices[1]).OnResume();
        Assert.Equal(_content[(3 * 2048)..(4 * 2048)], dma ? _memory.Bytes[0x8000..0x8800] : ide.ReadData(2048));
        Assert.Equal(0x50, ide.Status);
    }

    private IdeDriver NewDriver(AtapiCdRom drive) => new(DeviceCatalogue.NewIde(_memory, _irq, cdRom: drive).Bus);

    private byte[] Ask(int bytes, params byte[] packet)
    {
        Send(limit: 0xfffe, packet);
        Assert.Equal(0x58, _ide.Status);
        Assert.Equal(bytes, _ide.In(4) | _ide.In(5) << 8);
        var reply = _ide.ReadData(bytes);
        Assert.Equal(0x50, _ide.Status);
        return reply;
    }

    private void Send(int limit, params byte[] packet) => Send(_ide, limit, packet);

    private static void Send(IdeDriver ide, int limit, params byte[] packet)
    {
        ide.Out(6, 0x10);
        ide.Out(4, (byte)limit);
        ide.Out(5, (byte)(limit >> 8));
        ide.Command(0xa0);
        Assert.Equal((0x58, 1), (ide.Status, ide.In(2)));
        ide.WriteData([.. packet, .. new byte[12 - packet.Length]]);
        // DMA was for this packet only.
        ide.Out(1, 0);
    }
}
