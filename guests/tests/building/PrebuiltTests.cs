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
    public void Every_image_is_32_bit_ELF_with_a_multiboot_header_and_symbols()
    {
        foreach (var image in manifest.Images)
        {
            var bytes = File.ReadAllBytes(Path.Combine(tree.Prebuilt, image.File));
            Assert.Equal([0x7f, (byte)'E', (byte)'L', (byte)'F', 1, 1], bytes[..6]);
            Assert.Equal(3 /* EM_386 */, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(18)));
            var header = Enumerable.Range(0, Math.Min(MultibootSearchBytes, bytes.Length) / 4).Select(i => i * 4)
                .First(at => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)) == MultibootMagic);
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(header + 4));
            Assert.Equal(0u, MultibootMagic + flags + BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(header + 8)));
            // Names of functions, so that a hung guest's RIP can be told by name.
            Assert.True(bytes.AsSpan().IndexOf("trap_dispatch\0"u8) > 0, $"{image.File} has no symbols");
            Assert.True(bytes.AsSpan().IndexOf("/home"u8) < 0 && bytes.AsSpan().IndexOf("/tmp"u8) < 0, $"{image.File} holds a path of the host that built it");
        }
    }

    [Fact]
    public void Every_image_belongs_to_a_case_and_every_case_has_its_image()
    {
        var cases = SuiteFile.All(tree).SelectMany(suite => suite.Cases).Select(testCase => testCase.Image).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(manifest.Images.Select(image => Path.Combine(tree.Prebuilt, image.File)).Order(StringComparer.Ordinal), cases);
    }
}
