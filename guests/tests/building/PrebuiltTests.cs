using System.Buffers.Binary;
using Gauntlet.Guests.Building;

namespace Gauntlet.Guests.Tests.Building;

/// <summary>What is checked in, without a compiler.</summary>
public sealed class PrebuiltTests
{
    private const long SizeLimitBytes = 1 << 20;

    /// <summary>Multiboot Specification 0.6.96, section 3.1.1: the header is in the first 8192 bytes, aligned to four.</summary>
    private const int MultibootSearchBytes = 8192;

    private const uint MultibootMagic = 0x1badb002;

    /// <summary>ELF's EI_CLASS.</summary>
    private const byte Class32 = 1, Class64 = 2;

    /// <summary>ELF's e_machine: EM_AARCH64, EM_RISCV, EM_386.</summary>
    private static readonly Dictionary<string, ushort> machines = new() { ["aarch64"] = 183, ["riscv64"] = 243, ["x86_64"] = 3 };

    private static readonly GuestTree tree = GuestTree.Find();

    private static readonly GuestManifest manifest = GuestManifest.Read(Path.Combine(tree.Prebuilt, GuestManifest.FileName));

    [Fact]
    public void Every_prebuilt_image_is_of_the_sources_as_they_are()
    {
        var prebuilt = manifest.Images.ToDictionary(image => image.File);
        Assert.Equal(tree.Images.Select(image => image.File), prebuilt.Keys);
        var stale = tree.Images.Where(image => prebuilt[image.File].Sources != SourceHash.Of(tree, image)).Select(image => image.File);
        Assert.True(!stale.Any(), $"Built from other sources: {string.Join(", ", stale)}. Run: gauntlet guests build");
    }

    [Fact]
    public void Every_prebuilt_image_is_the_one_in_the_manifest()
    {
        foreach (var image in manifest.Images)
            Assert.Equal(image.Sha256, GuestManifest.HashOf(Path.Combine(tree.Prebuilt, image.File)));
        var files = Directory.EnumerateFiles(tree.Prebuilt, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(tree.Prebuilt, file));
        Assert.Equal(manifest.Images.Select(image => image.File).Append(GuestManifest.FileName).Order(StringComparer.Ordinal), files.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_prebuilt_images_are_small()
    {
        Assert.InRange(manifest.Images.Sum(image => new FileInfo(Path.Combine(tree.Prebuilt, image.File)).Length), 1, SizeLimitBytes);
    }

    [Fact]
    public void Every_image_is_ELF_for_its_architecture_with_symbols_and_without_paths_of_the_host()
    {
        foreach (var image in manifest.Images)
        {
            var bytes = Read(image);
            byte @class = image.File.StartsWith("x86_64/", StringComparison.Ordinal) ? Class32 : Class64;
            Assert.Equal([0x7f, (byte)'E', (byte)'L', (byte)'F', @class, 1], bytes[..6]);
            Assert.Equal(machines[Path.GetDirectoryName(image.File)!], BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(18)));
            // Names of functions, so that a hung guest's program counter can be told by name.
            Assert.True(bytes.AsSpan().IndexOf("console_write\0"u8) > 0, $"{image.File} has no symbols");
            Assert.True(bytes.AsSpan().IndexOf("/home"u8) < 0 && bytes.AsSpan().IndexOf("/tmp"u8) < 0, $"{image.File} holds a path of the host that built it");
        }
    }

    [Fact]
    public void Every_x86_image_has_a_multiboot_header()
    {
        foreach (var image in manifest.Images.Where(image => image.File.StartsWith("x86_64/", StringComparison.Ordinal)))
        {
            var bytes = Read(image);
            var header = Enumerable.Range(0, Math.Min(MultibootSearchBytes, bytes.Length) / 4).Select(i => i * 4)
                .First(at => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)) == MultibootMagic);
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(header + 4));
            Assert.Equal(0u, MultibootMagic + flags + BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(header + 8)));
        }
    }

    [Fact]
    public void Every_image_belongs_to_a_case_and_every_case_has_its_image()
    {
        var cases = SuiteFile.All(tree).SelectMany(suite => suite.Cases).Select(testCase => testCase.Image).Distinct().Order(StringComparer.Ordinal);
        var images = manifest.Images.Where(image => image.Suite != GuestTree.Hypervisors);
        Assert.Equal(images.Select(image => Path.Combine(tree.Prebuilt, image.File)).Order(StringComparer.Ordinal), cases);
    }

    private static byte[] Read(ManifestImage image) => File.ReadAllBytes(Path.Combine(tree.Prebuilt, image.File));
}
