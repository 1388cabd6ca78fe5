using System.Buffers.Binary;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 5.2.</summary>
public sealed class VirtioBlkTests
{
    private const ulong Header = 0x20000, StatusAddress = 0x20100, Data = 0x21000;
    private const int Sectors = 64;
    private const byte Ok = 0, IoError = 1, Unsupported = 2;
    private const uint In = 0, Out = 1, Flush = 4, GetId = 8, Discard = 11, WriteZeroes = 13;

    private readonly MemoryImage _disk = new(Sectors * 512);
    private readonly VirtioPciRig _rig;
    private RingDriver _driver;

    public VirtioBlkTests()
    {
        _rig = new VirtioPciRig((memory, clock) => new VirtioBlk(memory, clock, _disk, "disk-1"));
        _driver = _rig.Start();
    }

    [Fact]
    public void It_tells_its_capacity_and_block_size()
    {
        Assert.Equal((ulong)Sectors, _rig.Read(0x2000, 8));
        Assert.Equal(512UL, _rig.Read(0x2014, 4));
        Assert.Equal(0x10421af4u, _rig.Config(0));
    }

    [Fact]
    public void What_was_written_is_read_back_through_scattered_buffers()
    {
        new Random(3).NextBytes(_rig.Memory.Bytes.AsSpan((int)Data, 1024));
        Assert.Equal(Ok, Request(Out, 5, new(Data, 100, false), new(Data + 100, 924, false)));
        Assert.Equal(_rig.Memory.Bytes[(int)Data..(int)(Data + 1024)], _disk.Content.Slice(5 * 512, 1024).ToArray());
        Assert.Equal(Ok, Request(In, 5, new(Data + 0x1000, 1000, true), new(Data + 0x2000, 24, true)));
        Assert.Equal(_rig.Memory.Bytes[(int)Data..(int)(Data + 1000)], _rig.Memory.Bytes[(int)(Data + 0x1000)..(int)(Data + 0x1000 + 1000)]);
        Assert.Equal(_rig.Memory.Bytes[(int)Data + 1000], _rig.Memory.Bytes[(int)Data + 0x2000]);
    }

    [Theory]
    [InlineData((ulong)Sectors, 512u)]
    [InlineData((ulong)Sectors - 1, 1024u)]
    [InlineData(ulong.MaxValue, 512u)]
    [InlineData(ulong.MaxValue / 512 + 1, 512u)]
    [InlineData(0UL, 511u)]
    public void A_request_beyond_the_disk_or_of_part_of_a_sector_fails(ulong sector, uint bytes)
    {
        Assert.Equal(IoError, Request(In, sector, new Offer(Data, bytes, true)));
        Assert.Equal(IoError, Request(Out, sector, new Offer(Data, bytes, false)));
    }

    [Fact]
    public void A_buffer_outside_of_ram_fails_and_changes_nothing_on_the_disk()
    {
        Assert.Equal(IoError, Request(Out, 0, new Offer(0xffff_0000_0000, 512, false)));
        Assert.Equal(IoError, Request(In, 0, new Offer(_rig.Modern, 512, true)));
        Assert.True(_disk.Content.IndexOfAnyExcept((byte)0) < 0);
    }

    [Fact]
    public void A_flush_reaches_the_image_and_the_serial_number_the_guest()
    {
        Assert.Equal(Ok, Request(Flush, 0));
        Assert.Equal(1, _disk.Flushes);
        Assert.Equal(Ok, Request(GetId, 0, new Offer(Data, 20, true)));
        Assert.Equal("disk-1", Encoding.ASCII.GetString(_rig.Memory.Bytes, (int)Data, 20).TrimEnd('\0'));
    }

    [Fact]
    public void Zeroes_are_written_and_ranges_are_checked()
    {
        _disk.Content.Fill(7);
        Assert.Equal(Ok, Range(WriteZeroes, 2, 3, flags: 1));
        Assert.Equal(7, _disk.Content[2 * 512 - 1]);
        Assert.Equal(0, _disk.Content[2 * 512]);
        Assert.Equal(0, _disk.Content[5 * 512 - 1]);
        Assert.Equal(7, _disk.Content[5 * 512]);
        Assert.Equal(Ok, Range(Discard, 2, 3));
        Assert.Equal(Unsupported, Range(Discard, 2, 3, flags: 1));
        Assert.Equal(Unsupported, Range(WriteZeroes, 2, 3, flags: 2));
        Assert.Equal(IoError, Range(WriteZeroes, Sectors - 1, 2));
        Assert.Equal(IoError, Range(WriteZeroes, 0, uint.MaxValue));
    }

    [Fact]
    public void An_unknown_request_is_unsupported_and_one_without_a_status_byte_is_given_back()
    {
        Assert.Equal(Unsupported, Request(99, 0));
        _driver.Add([new(Header, 16, false)]);
        _rig.Notify();
        Assert.Equal(0u, _driver.Take()!.Value.Written);
    }

    [Fact]
    public void A_read_only_disk_is_offered_as_such_and_cannot_be_written()
    {
        var rig = new VirtioPciRig((memory, clock) => new VirtioBlk(memory, clock, new MemoryImage(512, isReadOnly: true)));
        rig.Write(0, 4, 0);
        Assert.NotEqual(0UL, rig.Read(4, 4) & 1 << 5);
        Assert.Equal(0UL, rig.Read(4, 4) & (1 << 13 | 1 << 14));
    }

    [Fact]
    public void A_disk_that_changes_its_size_tells_the_driver()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[4096]);
            VirtioBlk? disk = null;
            var rig = new VirtioPciRig((memory, clock) => disk = new VirtioBlk(memory, clock, new RawImage(path, readOnly: false)));
            rig.Start();
            var generation = rig.Read(0x15, 1);
            Assert.True(disk!.TryResize(8192));
            Assert.Equal(16UL, rig.Read(0x2000, 8));
            Assert.NotEqual(generation, rig.Read(0x15, 1));
            Assert.Equal(3UL, rig.Read(0x1000, 1));
            Assert.Equal(8192, new FileInfo(path).Length);
            Assert.False(disk.TryResize(100));
            Assert.False(disk.TryResize(-512));
            rig.Transport.Dispose();
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_disk_is_what_a_model_of_it_says(bool packed)
    {
        var step = from write in Gen.Elements(true, false)
                   from sector in Gen.Choose(0, Sectors - 1)
                   from count in Gen.Choose(1, 8)
                   from cut in Gen.Choose(1, 511)
                   from value in Gen.Choose(1, 255)
                   select (write, sector, Math.Min(count, Sectors - sector), cut, (byte)value);
        Prop.ForAll(step.ListOf(40).ToArbitrary(), steps =>
        {
            Array.Clear(_rig.Memory.Bytes);
            _disk.Content.Clear();
            _driver = _rig.Start(packed, VirtioFeature.IndirectDescriptors);
            var model = new byte[Sectors * 512];
            foreach (var (write, sector, count, cut, value) in steps)
            {
                var bytes = (uint)count * 512;
                var place = _rig.Memory.Bytes.AsSpan((int)Data, (int)bytes);
                if (write)
                {
                    place.Fill(value);
                    model.AsSpan(sector * 512, (int)bytes).Fill(value);
                }
                Assert.Equal(Ok, Request(write ? Out : In, (ulong)sector, new Offer(Data, (uint)cut, !write), new Offer(Data + (uint)cut, bytes - (uint)cut, !write)));
                Assert.True(place.SequenceEqual(model.AsSpan(sector * 512, (int)bytes)));
            }
        }).Holds(30);
    }

    private byte Range(uint type, ulong sector, uint sectors, uint flags = 0)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_rig.Memory.Bytes.AsSpan((int)Data), sector);
        BinaryPrimitives.WriteUInt32LittleEndian(_rig.Memory.Bytes.AsSpan((int)Data + 8), sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(_rig.Memory.Bytes.AsSpan((int)Data + 12), flags);
        return Request(type, 0, new Offer(Data, 16, false));
    }

    private byte Request(uint type, ulong sector, params Offer[] data)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_rig.Memory.Bytes.AsSpan((int)Header), type);
        BinaryPrimitives.WriteUInt64LittleEndian(_rig.Memory.Bytes.AsSpan((int)Header + 8), sector);
        _rig.Memory.Bytes[StatusAddress] = 0xff;
        Assert.True(_driver.Add([new(Header, 16, false), .. data, new(StatusAddress, 1, true)]) >= 0);
        _rig.Notify();
        Assert.NotNull(_driver.Take());
        return _rig.Memory.Bytes[StatusAddress];
    }
}
