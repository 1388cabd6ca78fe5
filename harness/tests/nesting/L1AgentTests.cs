using System.Text;
using FsCheck.Fluent;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Nesting;

namespace Gauntlet.Harness.Tests.Nesting;

public sealed class L1AgentTests
{
    // However a stream is cut into pieces, and whatever in it looks like the marker's beginning.
    [Fact]
    public void All_that_comes_before_the_marker_is_passed_on_and_nothing_else()
    {
        var marker = "abab-abac"u8.ToArray();
        var piece = Gen.Elements("a", "b", "ab", "abab", "abab-", "abab-aba", "-", "c", "\n", "x");
        var property = Prop.ForAll(
            Arb.From(Gen.ListOf(piece)), Arb.From(Gen.ListOf(piece)), Arb.From(Gen.Choose(1, 7)),
            (before, after, step) =>
            {
                var text = string.Concat(before);
                var at = (text + "abab-abac").IndexOf("abab-abac", StringComparison.Ordinal);
                var all = Encoding.ASCII.GetBytes(text + "abab-abac" + string.Concat(after));
                var taken = new List<byte>();
                var output = new MarkedOutput(marker, bytes => taken.AddRange(bytes));
                for (var from = 0; from < all.Length; from += step)
                    output.Append(all.AsSpan(from, Math.Min(step, all.Length - from)));
                return output.Ended && Encoding.ASCII.GetString([.. taken]) == text[..Math.Min(at, text.Length)];
            });
        property.Holds(2000);
    }

    [Fact]
    public void A_line_that_cannot_be_the_marker_is_passed_on_at_once()
    {
        var taken = new List<byte>();
        var output = new MarkedOutput("0123"u8.ToArray(), bytes => taken.AddRange(bytes));
        output.Append("login: 01"u8);
        Assert.Equal("login: ", Encoding.ASCII.GetString([.. taken]));
        output.Append("x"u8);
        Assert.Equal("login: 01x", Encoding.ASCII.GetString([.. taken]));
        Assert.False(output.Ended);
    }

    [Fact]
    public async Task Any_word_survives_the_shell()
    {
        var words = Gen.ListOf(Gen.Elements("a", " ", "'", "\"", "\\", "$", "`", "\n", "*", "ä", "!", "-n", ";", "&", "\t")).Select(parts => string.Concat(parts)).Sample(200).ToList();
        var script = "printf '%s\\0' " + string.Join(' ', words.Select(L1Agent.Quote));
        var said = Encoding.UTF8.GetString(await ExternalTool.RunAsync(["/bin/sh", "-c", script], "", default));
        Assert.Equal(words, said.Split('\0')[..^1]);
    }
}
