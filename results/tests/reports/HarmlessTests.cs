using System.Text;
using FsCheck.Fluent;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Tests.Records;

namespace Gauntlet.Results.Tests.Reports;

public sealed class HarmlessTests
{
    [Theory]
    [InlineData("plain ASCII ~", "plain ASCII ~")]
    [InlineData("Grüße ✓ 漢字 \U0001f600", "Grüße ✓ 漢字 \U0001f600")]
    [InlineData("\x1b[31mred\u009b0m", @"\x1b[31mred\x9b0m")]
    [InlineData("a\u202eb\u2066c\u200d", @"a\u202eb\u2066c\u200d")]
    [InlineData("null\0", @"null\x00")]
    [InlineData("a\nb\tc\r\n", @"a\x0ab\x09c\x0d\x0a")]
    public void What_could_harm_is_shown_instead(string text, string harmless) => Assert.Equal(harmless, Harmless.Line(text));

    [Fact]
    public void Half_a_surrogate_pair_is_shown_by_its_number() => Assert.Equal(@"\ud800x", Harmless.Line("\ud800x"));

    [Fact]
    public void Lines_keep_their_ends_but_a_lone_carriage_return_cannot_overwrite_what_was_said() =>
        Assert.Equal("a\nb\tc\nFAIL\\x0dPASS\n", Harmless.Lines("a\nb\tc\r\nFAIL\rPASS\n"));

    [Fact]
    public void Nothing_harmful_is_left() => Prop.ForAll(RecordGenerators.Text.ToArbitrary(), text =>
    {
        foreach (var rune in Harmless.Line(text).EnumerateRunes())
            Assert.False(Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.Format);
    }).Holds();
}
