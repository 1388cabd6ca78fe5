using FsCheck.Fluent;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Suites;

public sealed class QtestFileTests
{
    [Fact]
    public void What_is_for_people_is_left_out_and_words_have_one_space_between_them()
    {
        var script = QtestFile.Parse("# q35: assertion\n\n  outl  0xcf8\t0x80000810 \r\ninw 0xcfc\n# not in qtest: reset\nwrite 0x1000 0x2 0xbeef", "s.qtest");
        Assert.Equal(["outl 0xcf8 0x80000810", "inw 0xcfc", "write 0x1000 0x2 0xbeef"], script.Commands);
        Assert.Equal("outl 0xcf8 0x80000810\ninw 0xcfc\nwrite 0x1000 0x2 0xbeef\n", script.Text);
        Assert.False(script.StepsClock);
        Assert.True(QtestFile.Parse("clock_step\n", "s.qtest").StepsClock);
    }

    [Theory]
    [InlineData("inb 0x70\ninb", ":2:", "a port must follow")]
    [InlineData("outb 0x10000 0", ":1:", "above 0xffff")]
    [InlineData("outb 0x70 0x", ":1:", "the value must be a number")]
    [InlineData("outb 0x70 -1", ":1:", "the value must be a number")]
    [InlineData("outb 0x70 08", ":1:", "the value must be a number")]
    [InlineData("readq 0x10000000000000000", ":1:", "the address must be a number")]
    [InlineData("read 0x1000 0", ":1:", "at least 1")]
    [InlineData("read 0x1000 0x1000001", ":1:", "above 0x1000000")]
    [InlineData("write 0 2 beef", ":1:", "0x and pairs")]
    [InlineData("write 0 2 0xbee", ":1:", "0x and pairs")]
    [InlineData("b64write 0 2 *", ":1:", "base64")]
    [InlineData("memset 0 2 0x100", ":1:", "above 0xff")]
    [InlineData("inb 1 2", ":1:", "2 words do")]
    [InlineData("\n\nqom-list \u001b[2J", ":3:", "'qom-list' is no command")]
    [InlineData("# nothing\n", "", "no command")]
    public void What_QEMU_would_abort_at_is_refused_with_its_line(string text, string line, string expected)
    {
        var error = Assert.Throws<UserException>(() => QtestFile.Parse(text, "/t/s.qtest"));
        Assert.StartsWith("/t/s.qtest" + line, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_script_has_an_end()
    {
        var many = string.Concat(Enumerable.Repeat("inb 0\n", QtestFile.MaxCommands));
        Assert.Equal(QtestFile.MaxCommands, QtestFile.Parse(many, "s.qtest").Commands.Count);
        Assert.StartsWith($"s.qtest:{QtestFile.MaxCommands + 1}:", Assert.Throws<UserException>(() => QtestFile.Parse(many + "inb 0\n", "s.qtest")).Message, StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        using (var large = File.Create(folder["large.qtest"]))
            large.SetLength(QtestFile.MaxBytes + 1);
        Assert.Contains("bytes", Assert.Throws<UserException>(() => QtestFile.Read(folder["large.qtest"])).Message, StringComparison.Ordinal);
        Assert.Contains("not a regular file", Assert.Throws<UserException>(() => QtestFile.Read("/dev/zero")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_a_script_holds_it_is_refused_with_a_message_or_read_again_as_the_same()
    {
        var word = Gen.Elements("inb", "outl", "write", "read", "memset", "clock_step", "set_irq_in", "0x10", "0x", "08", "020", "18446744073709551615", "99999999999999999999", "0xbeef", "=", "#", "\0", "é", "\u2028", "");
        var script = from lines in Gen.ListOf(Gen.ListOf(word)) select string.Join('\n', lines.Select(words => string.Join(' ', words)));
        Prop.ForAll(script.ToArbitrary(), text =>
        {
            try
            {
                var read = QtestFile.Parse(text, "s.qtest");
                return read.Commands.Count > 0 && QtestFile.Parse(read.Text, "s.qtest").Text == read.Text && read.Text.All(char.IsAscii);
            }
            catch (UserException e)
            {
                return e.Message.StartsWith("s.qtest:", StringComparison.Ordinal);
            }
        }).Holds(2000);
    }
}
