using FsCheck.Fluent;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Storage;

/// <summary>QEMU, docs/devel/blkdebug.txt.</summary>
public sealed class BlkDebugTests
{
    private readonly byte[] _sector = new byte[512];

    [Fact]
    public void A_request_fails_where_a_rule_says_so_and_once_where_it_says_that()
    {
        using var disk = New("""
            # the third sector cannot be read, one flush is lost
            [inject-error]
            event = "read_aio"
            sector = "3"

            [inject-error]
            event = "flush_to_disk"
            errno = "28"
            once = "on"
            """);
        Assert.True(disk.TryRead(2 * 512, _sector));
        Assert.False(disk.TryRead(3 * 512, _sector));
        Assert.False(disk.TryRead(2 * 512, new byte[1024]));
        Assert.True(disk.TryWrite(3 * 512, _sector));
        Assert.Equal((false, true), (disk.TryFlush(), disk.TryFlush()));
        Assert.False(disk.TryRead(3 * 512, _sector));
    }

    [Fact]
    public void Rules_are_on_from_one_request_to_another()
    {
        using var disk = New("""
            [inject-error]
            event = "write_aio"
            state = "2"
            [set-state]
            event = "flush_to_os"
            state = "1"
            new_state = "2"
            [set-state]
            event = "read_aio"
            state = "2"
            new_state = "3"
            """);
        Assert.True(disk.TryWrite(0, _sector));
        Assert.True(disk.TryFlush());
        Assert.False(disk.TryWrite(0, _sector));
        Assert.True(disk.TryRead(0, _sector));
        Assert.True(disk.TryWrite(0, _sector));
        Assert.True(disk.TryFlush());
        Assert.True(disk.TryWrite(0, _sector));
    }

    [Theory]
    [InlineData("event = \"read_aio\"", "line 1")]
    [InlineData("[inject-error]\ncolour = \"red\"", "there is no 'colour'")]
    [InlineData("[inject-error]\nnew_state = \"2\"", "there is no 'new_state'")]
    [InlineData("[inject-error]\nsector = \"-1\"", "no sector")]
    [InlineData("[set-state]\nstate = \"one\"", "no state")]
    public void Rules_that_are_none_are_told_with_their_line(string text, string reason) =>
        Assert.Contains(reason, Assert.Throws<BlockImageException>(() => BlkDebugImage.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_rules_or_is_refused_with_a_message()
    {
        var words = Gen.Elements("[inject-error]", "[set-state]", "event", "sector", "state", "new_state", "once", "=", "\"", "1", "99999999999999999999", "\n", "#", " ", "\0");
        Prop.ForAll(words.ArrayOf().ToArbitrary(), text =>
        {
            try
            {
                return BlkDebugImage.Parse(string.Concat(text)) is not null;
            }
            catch (BlockImageException why)
            {
                return why.Message.Contains("line", StringComparison.Ordinal);
            }
        }).Holds();
    }

    private static BlkDebugImage New(string rules) => new(new MemoryImage(8 * 512), BlkDebugImage.Parse(rules));
}
