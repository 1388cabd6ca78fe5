using System.Buffers.Binary;
using FsCheck.Fluent;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Storage;

/// <summary>QEMU, docs/interop/qcow2.rst; qemu-img makes the images and judges what was made of them.</summary>
public sealed class Qcow2Tests : IDisposable
{
    private readonly ImageFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [QemuImgFact]
    public void A_fresh_image_reads_as_zeros_and_what_is_written_stays()
    {
        _folder.QemuImg("create", "-q", "-f", "qcow2", "a.qcow2", "1M");
        var content = Noise(1, 5000);
        using (var image = BlockImages.Open(_folder["a.qcow2"], null, readOnly: false))
        {
            Assert.Equal(1 << 20, image.Bytes);
            Assert.True(AllZero(image, 0, 1 << 20));
            Assert.True(image.TryWrite(65536 - 1000, content));
            Assert.Equal(content, Read(image, 65536 - 1000, content.Length));
            Assert.True(AllZero(image, 0, 65536 - 1000));
        }
        using var again = BlockImages.Open(_folder["a.qcow2"], "qcow2", readOnly: true);
        Assert.Equal(content, Read(again, 65536 - 1000, content.Length));
        _folder.QemuImg("check", "-q", "a.qcow2");
    }

    [QemuImgFact]
    public void An_overlay_shows_its_backing_file_until_it_is_written_and_never_writes_that()
    {
        var below = Noise(2, 300_000);
        File.WriteAllBytes(_folder["base.raw"], below);
        _folder.QemuImg("create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.raw", "top.qcow2", "1M");
        using (var image = Qcow2Image.Open(_folder["top.qcow2"], readOnly: false))
        {
            Assert.Equal(below, Read(image, 0, below.Length));
            Assert.True(AllZero(image, 300_032, 1000));
            Assert.True(image.TryWrite(1024, [1, 2, 3]));
            Assert.True(image.TryWriteZeroes(65536, 65536, mayUnmap: true));
            Assert.Equal(below[..1024], Read(image, 0, 1024));
            Assert.Equal([1, 2, 3, below[1027]], Read(image, 1024, 4));
            Assert.True(AllZero(image, 65536, 65536));
            Assert.Equal(below[131072..140000], Read(image, 131072, 140000 - 131072));
        }
        Assert.Equal(below, File.ReadAllBytes(_folder["base.raw"]));
        _folder.QemuImg("check", "-q", "top.qcow2");
    }

    [QemuImgFact]
    public void Any_writes_leave_what_a_model_says_and_an_image_that_qemu_finds_sound()
    {
        const int bytes = 4 << 20;
        var step = from sector in Gen.Choose(0, bytes / 512 - 1)
                   from sectors in Gen.Choose(1, 300)
                   from zero in Gen.Frequency((4, Gen.Constant(false)), (1, Gen.Constant(true)))
                   from seed in Gen.Choose(0, 1000)
                   select (sector, Math.Min(sectors, bytes / 512 - sector), zero, seed);
        Prop.ForAll(step.ListOf(20).ToArbitrary(), Gen.Elements("512", "4096", "65536").ToArbitrary(), (steps, cluster) =>
        {
            var path = _folder[$"{Guid.NewGuid():N}.qcow2"];
            _folder.QemuImg("create", "-q", "-f", "qcow2", "-o", $"cluster_size={cluster}", path, "4M");
            var model = new byte[bytes];
            using (var image = Qcow2Image.Open(path, readOnly: false))
            {
                foreach (var (sector, sectors, zero, seed) in steps)
                {
                    var (at, content) = (sector * 512, Noise(seed, sectors * 512));
                    if (zero)
                        content.AsSpan().Clear();
                    content.CopyTo(model, at);
                    Assert.True(zero ? image.TryWriteZeroes(at, content.Length, mayUnmap: false) : image.TryWrite(at, content));
                }
                Assert.Equal(model, Read(image, 0, bytes));
            }
            _folder.QemuImg("check", "-q", path);
            File.WriteAllBytes(_folder["model.raw"], model);
            _folder.QemuImg("compare", "-q", "-f", "qcow2", "-F", "raw", path, _folder["model.raw"]);
            File.Delete(path);
        }).Holds(8);
    }

    [QemuImgFact]
    public void Damage_anywhere_is_refused_or_read_as_something_and_never_throws_or_hangs()
    {
        _folder.QemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "a.qcow2", "256K");
        using (var image = Qcow2Image.Open(_folder["a.qcow2"], readOnly: false))
        {
            for (var at = 0; at < 256 << 10; at += 8192)
                Assert.True(image.TryWrite(at, Noise(at, 3000)));
        }
        var sound = File.ReadAllBytes(_folder["a.qcow2"]);
        var path = _folder["damaged.qcow2"];
        var damage = from place in Gen.Frequency((3, Gen.Choose(0, 120)), (3, Gen.Choose(512, 8192)), (1, Gen.Choose(0, sound.Length - 9)))
                     from value in Gen.Elements<ulong>(0, 1, 0x200, 0x8000000000000200, 0x4000000000000000, ulong.MaxValue, 0x7fffffffffffffff, 0x00fffffffffffe00)
                     select (place, value);
        Prop.ForAll(damage.NonEmptyListOf().ToArbitrary(), all =>
        {
            var bytes = sound.ToArray();
            foreach (var (place, value) in all.Take(6))
                BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(place), value);
            File.WriteAllBytes(path, bytes);
            try
            {
                using var image = BlockImages.Open(path, "qcow2", readOnly: false);
                var buffer = new byte[4096];
                for (long at = 0; at + buffer.Length <= Math.Min(image.Bytes, 1 << 20); at += buffer.Length)
                {
                    image.TryRead(at, buffer);
                    image.TryWrite(at, buffer.AsSpan(0, 700));
                }
            }
            catch (BlockImageException why)
            {
                Assert.Contains("damaged.qcow2", why.Message, StringComparison.Ordinal);
            }
            return new FileInfo(path).Length < 16 << 20;
        }).Holds(150);
    }

    [QemuImgFact]
    public void An_image_based_on_itself_and_one_without_its_base_are_refused()
    {
        _folder.QemuImg("create", "-q", "-f", "qcow2", "a.qcow2", "1M");
        _folder.QemuImg("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "a.qcow2", "b.qcow2");
        _folder.QemuImg("rebase", "-q", "-u", "-F", "qcow2", "-b", "b.qcow2", "a.qcow2");
        Assert.Contains("based on", Assert.Throws<BlockImageException>(() => Qcow2Image.Open(_folder["b.qcow2"], readOnly: false)).Message, StringComparison.Ordinal);
        File.Delete(_folder["a.qcow2"]);
        Assert.Contains("a.qcow2", Assert.Throws<BlockImageException>(() => Qcow2Image.Open(_folder["b.qcow2"], readOnly: false)).Message, StringComparison.Ordinal);
    }

    [QemuImgFact]
    public void Snapshots_inside_an_image_are_not_overwritten()
    {
        _folder.QemuImg("create", "-q", "-f", "qcow2", "a.qcow2", "1M");
        _folder.QemuImg("snapshot", "-c", "before", "a.qcow2");
        Assert.Throws<BlockImageException>(() => Qcow2Image.Open(_folder["a.qcow2"], readOnly: false));
        using var image = Qcow2Image.Open(_folder["a.qcow2"], readOnly: true);
        Assert.True(AllZero(image, 0, 1 << 20));
    }

    [Fact]
    public void A_raw_file_is_the_disk_and_its_last_sector_is_filled_up()
    {
        File.WriteAllBytes(_folder["a.raw"], Noise(1, 1000));
        using var image = BlockImages.Open(_folder["a.raw"], null, readOnly: false);
        Assert.Equal(1024, image.Bytes);
        Assert.Equal([.. Noise(1, 1000), .. new byte[24]], Read(image, 0, 1024));
        Assert.True(image.TryWrite(512, [5]));
        Assert.True(image.TryWriteZeroes(0, 512, mayUnmap: true));
        Assert.True(image.TryFlush());
        Assert.True(AllZero(image, 0, 512));
        Assert.Equal([5], Read(image, 512, 1));
    }

    [Theory]
    [InlineData("nowhere.raw", "nowhere.raw': No such file")]
    [InlineData("no/where.raw", "where.raw': No such file")]
    [InlineData("", "directory")]
    public void What_is_not_there_is_told_by_name(string name, string message) =>
        Assert.Contains(message, Assert.Throws<BlockImageException>(() => BlockImages.Open(_folder[name], null, readOnly: true)).Message, StringComparison.Ordinal);

    private static byte[] Noise(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Read(IBlockImage image, long at, int count)
    {
        var bytes = new byte[count];
        Assert.True(image.TryRead(at, bytes));
        // What it tells without waiting is the same; whether it can is the host's business.
        var now = new byte[count];
        Assert.True(!image.TryReadNow(at, now) || now.AsSpan().SequenceEqual(bytes));
        return bytes;
    }

    private static bool AllZero(IBlockImage image, long at, int count) => !Read(image, at, count).AsSpan().ContainsAnyExcept((byte)0);
}
