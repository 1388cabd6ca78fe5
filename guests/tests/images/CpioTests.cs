using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Guests.Images;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests.Images;

public sealed class CpioTests
{
    private static readonly CpioKind[] s_withContent = [CpioKind.File, CpioKind.SymbolicLink];

    private static Gen<string> Name { get; } =
        from parts in Gen.Elements("a", "bin", "dev", "x.ko", "läßt", "..", "a b", "\n").NonEmptyListOf()
        select string.Join('/', parts.Take(6));

    private static Gen<CpioEntry> Entry { get; } =
        from name in Name
        from kind in Gen.Elements(Enum.GetValues<CpioKind>())
        from permissions in Gen.Choose(0, 0xfff)
        from numbers in Gen.Choose(0, int.MaxValue).ArrayOf(5)
        from content in Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf()
        select new CpioEntry(name, kind, permissions)
        {
            UserId = (uint)numbers[0],
            GroupId = (uint)numbers[1],
            ModifiedSeconds = (uint)numbers[2],
            DeviceMajor = (uint)numbers[3],
            DeviceMinor = (uint)numbers[4],
            Inode = 7,
            Content = s_withContent.Contains(kind) ? content : default(ReadOnlyMemory<byte>),
        };

    private static byte[] Pack(IEnumerable<CpioEntry> entries)
    {
        using var archive = new MemoryStream();
        CpioArchive.Write(archive, entries);
        return archive.ToArray();
    }

    private static string Text(CpioEntry entry) => $"{entry with { Content = default }} {Convert.ToHexString(entry.Content.Span)}";

    [Fact]
    public void What_is_written_is_read_back() => Prop.ForAll(Entry.ListOf().ToArbitrary(), entries =>
    {
        var archive = Pack(entries);
        return archive.Length % 512 == 0 && CpioArchive.Read(archive).Select(Text).SequenceEqual(entries.Select(Text));
    }).Holds();

    [Fact]
    public void A_damaged_archive_is_told_as_such() => Prop.ForAll(
        (from entries in Entry.ListOf() from at in Gen.Choose(0, 1 << 20) from value in Gen.Choose(0, 255) from cut in Gen.Choose(0, 1 << 20) select (entries, at, value, cut)).ToArbitrary(), damage =>
    {
        var archive = Pack(damage.entries);
        archive[damage.at % archive.Length] = (byte)damage.value;
        try
        {
            CpioArchive.Read(archive.AsMemory(0, damage.cut % archive.Length));
        }
        catch (InvalidDataException)
        {
            // Where and what: the only way in which it may fail.
        }
        return true;
    }).Holds();

    [Fact]
    public void Entries_without_an_inode_get_different_ones_and_links_share_theirs()
    {
        var entries = CpioArchive.Read(Pack(InitramfsSpec.Read("dir /d 755 0 0\nfile /d/a /etc/hostname 644 0 0 /d/b d/c\nfile d/e /etc/hostname 600 1 2\n", "list", "", _ => null)));
        Assert.Equal(["d", "d/a", "d/b", "d/c", "d/e"], entries.Select(entry => entry.Path));
        Assert.Equal([2u, 3, 3, 3, 1], entries.Select(entry => entry.Links));
        Assert.Equal(3, entries.Select(entry => entry.Inode).Distinct().Count());
        Assert.True(entries[1].Content.IsEmpty && entries[2].Content.IsEmpty && !entries[3].Content.IsEmpty);
    }

    [Fact]
    public void A_list_reads_as_gen_init_cpio_reads_it()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "init.sh"), "#!/bin/sh\n");
        var entries = InitramfsSpec.Read(
            """
            # a comment

            dir /dev 0755 0 0
            nod /dev/console 0600 0 0 c 5 1
            nod /dev/loop0 0644 0 0 b 7 0
            slink /bin/sh busybox 0777 0 0
            file /init ${WHERE}/init.sh 0755 10 20
            pipe /fifo 0600 0 0
            sock /socket 0600 0 0
            """, "list", folder.Path, name => name == "WHERE" ? folder.Path : null);
        Assert.Equal(
            [
                (CpioKind.Directory, "dev", 0x1ed), (CpioKind.CharacterDevice, "dev/console", 0x180), (CpioKind.BlockDevice, "dev/loop0", 0x1a4), (CpioKind.SymbolicLink, "bin/sh", 0x1ff),
                (CpioKind.File, "init", 0x1ed), (CpioKind.Pipe, "fifo", 0x180), (CpioKind.Socket, "socket", 0x180),
            ],
            entries.Select(entry => (entry.Kind, entry.Path, entry.Permissions)));
        Assert.Equal((5u, 1u), (entries[1].DeviceMajor, entries[1].DeviceMinor));
        Assert.Equal("busybox", Encoding.UTF8.GetString(entries[3].Content.Span));
        Assert.Equal(("#!/bin/sh\n", 10u, 20u), (Encoding.UTF8.GetString(entries[4].Content.Span), entries[4].UserId, entries[4].GroupId));
    }

    [Theory]
    [InlineData("file /init", "list:1: 2 words, where 'file NAME LOCATION MODE UID GID [HARD LINKS]' is expected.")]
    [InlineData("\ndir /a 0958 0 0", "list:2: '0958' is no octal mode such as 0755.")]
    [InlineData("dir /a 10000 0 0", "list:1: '10000' is no octal mode such as 0755.")]
    [InlineData("nod /a 0600 0 0 x 1 2", "list:1: a device's type is b or c, not 'x'.")]
    [InlineData("dir / 0755 0 0", "list:1: '/' names no file; '/dev' would.")]
    [InlineData("dir /a 0755 root 0", "list:1: 'root' is no number.")]
    [InlineData("link /a /b", "list:1: 'link' is none of file, dir, nod, slink, pipe and sock.")]
    [InlineData("file /a ${NONE}/x 0644 0 0", "list:1: ${NONE} is not set.")]
    public void A_line_that_is_wrong_is_told_with_its_place(string text, string message) =>
        Assert.Equal(message, Assert.Throws<UserException>(() => InitramfsSpec.Read(text, "list", "", _ => null)).Message);

    [Fact]
    public void Any_list_is_read_or_refused() => Prop.ForAll(
        Gen.Elements("file", "dir", "nod", "slink", "#", "/a", "/", "0755", "9", "c", "-1", "${X}", "\n", "\0", "TRAILER!!!", "99999999999").ListOf().Select(words => string.Join(' ', words)).ToArbitrary(), text =>
    {
        try
        {
            Pack(InitramfsSpec.Read(text, "list", "/nonesuch", _ => "x"));
        }
        catch (UserException)
        {
            // With a place.
        }
        return true;
    }).Holds();

    [CpioFact]
    public async Task Debians_cpio_lists_and_unpacks_it()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "content"), "some bytes");
        var archive = Pack(InitramfsSpec.Read("dir /d 0755 0 0\nfile /d/a content 0640 0 0 /d/b\nslink /d/l a 0777 0 0\n", "list", folder.Path, _ => null));
        var command = Host.Cpio!.Split(' ');
        var listed = await ExternalTool.RunAsync([.. command, "-t"], "", default, folder.Path, input: archive);
        Assert.Equal(["d", "d/a", "d/b", "d/l"], Encoding.UTF8.GetString(listed).Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
        await ExternalTool.RunAsync([.. command, "-i", "-d"], "", default, folder.Path, input: archive);
        Assert.Equal("some bytes", File.ReadAllText(Path.Combine(folder.Path, "d/a")));
        Assert.Equal("some bytes", File.ReadAllText(Path.Combine(folder.Path, "d/b")));
        Assert.Equal("a", new FileInfo(Path.Combine(folder.Path, "d/l")).LinkTarget);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(Path.Combine(folder.Path, "d/a")));
    }
}
