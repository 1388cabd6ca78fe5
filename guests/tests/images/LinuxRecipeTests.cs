using System.Buffers.Binary;
using System.Text;
using Gauntlet.Guests.Images;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests.Images;

public sealed class LinuxRecipeTests
{
    /// <summary>An ELF file with nothing but section headers, names, and a .modinfo.</summary>
    private static byte[] Module(string depends)
    {
        const int names = 64, info = 96, headers = 256;
        var elf = new byte[headers + (3 * 64)];
        BinaryPrimitives.WriteUInt64LittleEndian(elf.AsSpan(0x28), headers);
        BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(0x3a), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(0x3c), 3);
        BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(0x3e), 1);
        "\0.modinfo\0"u8.CopyTo(elf.AsSpan(names));
        var text = Encoding.ASCII.GetBytes($"license=GPL\0depends={depends}\0");
        text.CopyTo(elf.AsSpan(info));
        Section(1, 0, names, 16);
        Section(2, 1, info, text.Length);
        return elf;

        void Section(int index, uint name, ulong at, int length)
        {
            var header = elf.AsSpan(headers + (index * 64));
            BinaryPrimitives.WriteUInt32LittleEndian(header, name);
            BinaryPrimitives.WriteUInt64LittleEndian(header[0x18..], at);
            BinaryPrimitives.WriteUInt64LittleEndian(header[0x20..], (ulong)length);
        }
    }

    [Fact]
    public async Task Modules_come_after_what_they_depend_on_each_once()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(Path.Combine(folder.Path, "kernel"));
        foreach (var (name, depends) in new[] { ("kvm-amd", "kvm,ccp"), ("kvm", "irqbypass"), ("irqbypass", ""), ("ccp", "irqbypass,rng_core"), ("other", "nonesuch") })
            File.WriteAllBytes(Path.Combine(folder.Path, "kernel", name + ".ko"), Module(depends));
        File.WriteAllText(Path.Combine(folder.Path, "modules.builtin"), "kernel/drivers/char/hw_random/rng-core.ko\n");
        var modules = new KernelModules(folder.Path);
        Assert.Equal(["irqbypass", "kvm", "ccp", "kvm_amd"], (await modules.ResolveAsync(["kvm_amd", "kvm"], default)).Select(module => module.Name));
        var missing = await Assert.ThrowsAsync<UserException>(() => modules.ResolveAsync(["other"], default));
        Assert.Contains("no module 'nonesuch', which 'other' depends on", missing.Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder.Path, "kernel", "text.ko"), "no ELF file");
        Assert.Contains("damaged", (await Assert.ThrowsAsync<UserException>(() => new KernelModules(folder.Path).ResolveAsync(["text"], default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_initramfs_has_a_console_an_init_and_what_it_needs_before_it()
    {
        using var folder = new TemporaryFolder();
        var (kernel, busybox) = (Path.Combine(folder.Path, "bzImage"), Path.Combine(folder.Path, "busybox"));
        File.WriteAllText(kernel, "kernel");
        File.WriteAllText(busybox, "busybox");
        var recipe = new LinuxRecipe { Architecture = DebianArchitecture.Of("x86_64"), Kernel = kernel, Busybox = busybox, Commands = ["echo 'it''s'"] };
        var (found, initramfs) = await recipe.BuildAsync(new DebianPackages(Path.Combine(folder.Path, "cache")), default);
        Assert.Equal(kernel, found.Image);
        var entries = CpioArchive.Read(initramfs);
        var paths = entries.Select(entry => entry.Path).ToList();
        Assert.All(paths.Where(path => path.Contains('/', StringComparison.Ordinal)), path => Assert.True(paths.IndexOf(Path.GetDirectoryName(path)!) is var at && at >= 0 && at < paths.IndexOf(path)));
        Assert.Equal((5u, 1u), (entries.Single(entry => entry.Path == "dev/console").DeviceMajor, entries.Single(entry => entry.Path == "dev/console").DeviceMinor));
        Assert.Contains(@"run sh -c 'echo '\''it'\'''\''s'\'''", Encoding.UTF8.GetString(entries.Single(entry => entry.Path == "init").Content.Span), StringComparison.Ordinal);
        // The same recipe gives the same bytes.
        Assert.Equal(initramfs, (await recipe.BuildAsync(new DebianPackages(folder.Path), default)).Initramfs);
        var none = recipe with { Modules = ["virtio_blk"] };
        Assert.Contains("no lib/modules", (await Assert.ThrowsAsync<UserException>(() => none.BuildAsync(new DebianPackages(folder.Path), default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Packing_with_gzip_gives_what_gzip_unpacks()
    {
        var packed = await Compression.PackAsync([1, 2, 3], InitramfsPacking.Gzip, default);
        using var file = new System.IO.Compression.GZipStream(new MemoryStream(packed), System.IO.Compression.CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        file.CopyTo(bytes);
        Assert.Equal([1, 2, 3], bytes.ToArray());
    }

    [Fact]
    public async Task Disks_are_of_their_size_and_say_where_a_sector_is()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "disk");
        await new DiskImage { Bytes = DiskImage.ParseSize("3M"), Fill = DiskFill.SectorNumbers }.WriteAsync(path, default);
        var bytes = File.ReadAllBytes(path);
        Assert.Equal(3 << 20, bytes.Length);
        Assert.All(new[] { 0, 1, 2047, 2048, 6143 }, sector => Assert.Equal((sector, sector), (BitConverter.ToInt64(bytes, sector * 512), BitConverter.ToInt64(bytes, (sector * 512) + 504))));
        File.WriteAllText(Path.Combine(folder.Path, "source"), new string('x', 513));
        var small = new DiskImage { Bytes = 512, Fill = DiskFill.File, Source = Path.Combine(folder.Path, "source") };
        Assert.Contains("does not fit", (await Assert.ThrowsAsync<UserException>(() => small.WriteAsync(path, default))).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("511")]
    [InlineData("17T")]
    [InlineData("1X")]
    [InlineData("-1M")]
    public void A_size_that_is_none_is_refused(string size) => Assert.Throws<UserException>(() => DiskImage.ParseSize(size));
}
