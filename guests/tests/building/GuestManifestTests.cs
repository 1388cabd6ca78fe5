using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Guests.Building;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests.Building;

public sealed class GuestManifestTests
{
    private static readonly string hash = new('a', 64);

    private static readonly Gen<ManifestImage> images =
        from folder in Gen.Elements("x86_64", "aarch64", "riscv64")
        from name in Gen.Choose(0, 999)
        from suite in Gen.Elements("cpu", "smoke", "ünïcode \"quoted\"\n")
        from seed in Gen.Choose(0, 15)
        select new ManifestImage($"{folder}/image{name}.elf", suite, new string("0123456789abcdef"[seed], 64), new string("fedcba9876543210"[seed], 64));

    [Fact]
    public void What_is_written_is_what_is_read()
    {
        var manifests = images.ListOf().Select(list => new GuestManifest(GuestManifest.CurrentSchema, "clang 1; lld 1", [.. list.DistinctBy(image => image.File)]));
        Prop.ForAll(manifests.ToArbitrary(), manifest =>
        {
            var read = GuestManifest.Parse(manifest.ToJson(), "manifest.json");
            return read.Compiler == manifest.Compiler && read.Images.SequenceEqual(manifest.Images.OrderBy(image => image.File, StringComparer.Ordinal));
        }).Holds();
    }

    [Fact]
    public void The_order_of_images_does_not_change_the_file()
    {
        ManifestImage first = new("x86_64/a.elf", "cpu", hash, hash), second = new("x86_64/b.elf", "cpu", hash, hash);
        Assert.Equal(new GuestManifest(1, "c", [first, second]).ToJson(), new GuestManifest(1, "c", [second, first]).ToJson());
    }

    [Fact]
    public void No_text_at_all_gives_anything_but_a_manifest_or_an_error_that_names_the_file()
    {
        var valid = new GuestManifest(GuestManifest.CurrentSchema, "c", [new("x86_64/a.elf", "cpu", hash, hash)]).ToJson();
        var mutated =
            from position in Gen.Choose(0, valid.Length - 1)
            from value in Gen.Choose(0, 255)
            from cut in Gen.Choose(0, valid.Length)
            from cuts in Gen.Elements(true, false)
            select Mutate(valid, position, (byte)value, cuts ? cut : valid.Length);
        Prop.ForAll(mutated.ToArbitrary(), bytes =>
        {
            try
            {
                GuestManifest.Parse(bytes, "the/manifest.json");
                return true;
            }
            catch (UserException e)
            {
                return e.Message.Contains("the/manifest.json", StringComparison.Ordinal);
            }
        }).Holds();
    }

    [Theory]
    [InlineData("", "invalid")]
    [InlineData("null", "null was found")]
    [InlineData("[]", "invalid")]
    [InlineData("{}", "invalid")]
    [InlineData("""{"schema": 2, "compiler": "c", "images": []}""", "schema 1 was expected, 2 was found")]
    [InlineData("""{"schema": 1, "compiler": null, "images": []}""", "\"compiler\" and \"images\"")]
    [InlineData("""{"schema": 1, "compiler": "c", "images": [null]}""", "each image needs")]
    [InlineData("""{"schema": 1, "compiler": "c", "images": [{"file": "x86_64/a.elf", "suite": "s", "sha256": "AB", "sources": "cd"}]}""", "64 lower-case hexadecimal digits")]
    [InlineData("""{"schema": 1, "compiler": "c", "images": [{"file": "../a.elf", "suite": "s", "sha256": "HASH", "sources": "HASH"}]}""", "ARCHITECTURE/NAME.elf")]
    [InlineData("""{"schema": 1, "compiler": "c", "images": [{"file": "a.elf", "suite": "s", "sha256": "HASH", "sources": "HASH"}]}""", "ARCHITECTURE/NAME.elf")]
    public void A_malformed_manifest_says_what_is_wrong_and_what_to_do(string text, string expected)
    {
        var error = Assert.Throws<UserException>(() => GuestManifest.Parse(Encoding.UTF8.GetBytes(text.Replace("HASH", hash, StringComparison.Ordinal)), "m.json"));
        Assert.Contains("'m.json'", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("gauntlet guests build", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_is_listed_twice_is_an_error()
    {
        ManifestImage image = new("x86_64/a.elf", "cpu", hash, hash);
        var error = Assert.Throws<UserException>(() => GuestManifest.Parse(new GuestManifest(1, "c", [image, image]).ToJson(), "m.json"));
        Assert.Contains("'x86_64/a.elf' is listed 2 times", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_manifest_says_how_to_make_one()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<UserException>(() => GuestManifest.Read(Path.Combine(folder.Path, "manifest.json")));
        Assert.Contains("cannot be read", error.Message, StringComparison.Ordinal);
        Assert.Contains("gauntlet guests build", error.Message, StringComparison.Ordinal);
    }

    private static byte[] Mutate(byte[] bytes, int position, byte value, int length)
    {
        var copy = bytes.ToArray();
        copy[position] = value;
        return copy[..length];
    }
}
