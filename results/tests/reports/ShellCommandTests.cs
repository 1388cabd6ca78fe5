using System.Text;
using FsCheck.Fluent;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Tests.Records;

namespace Gauntlet.Results.Tests.Reports;

public sealed class ShellCommandTests
{
    [Fact]
    public void A_real_shell_takes_every_word_for_what_it_was()
    {
        // One shell for many words: starting it is what costs.
        var words = RecordGenerators.Text.Sample(800, 40).Concat(["", "~", "-n", "a=b", "*", "!", "{a,b}", "\n", "x\n\n", "\x1b[2J", "%s\\n\x01", "'", "''", "\u202e'\x7f'"])
            .Select(word => word.Replace("\0", "")).ToList();
        var script = "printf '%s\\0' " + string.Join(' ', words.Select(ShellCommand.Quote));
        Assert.Equal(words, Command.Run("sh", "-c", script).Split('\0').SkipLast(1));
    }

    [Fact]
    public void The_line_of_an_attempt_runs_it_with_its_folder_and_variables()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["my folder"]);
        var attempt = Samples.Attempt(Verdict.Pass) with
        {
            WorkingDirectory = folder["my folder"],
            Environment = new Dictionary<string, string> { ["B"] = "2 * 3", ["A"] = "$HOME" },
            CommandLine = ["/bin/sh", "-c", "pwd; echo \"$A|$B|$1\"", "sh", "it's"],
        };
        var line = ShellCommand.Of(attempt);
        Assert.Equal($"cd '{folder["my folder"]}' && env 'A=$HOME' 'B=2 * 3' /bin/sh -c 'pwd; echo \"$A|$B|$1\"' sh 'it'\\''s'", line);
        Assert.Equal($"{folder["my folder"]}\n$HOME|2 * 3|it's\n", Command.Run("sh", "-c", line));
    }

    [Fact]
    public void A_program_with_an_equals_sign_is_not_an_assignment() =>
        Assert.Equal("'a=b' c=d", ShellCommand.Of(Samples.Attempt(Verdict.Pass) with { CommandLine = ["a=b", "c=d"] }));

    [Fact]
    public void The_line_cannot_act_on_the_terminal_that_shows_it() => Prop.ForAll(RecordGenerators.Text.ToArbitrary(), word =>
    {
        foreach (var rune in ShellCommand.Quote(word).EnumerateRunes())
            Assert.False(rune.Value is not ('\n' or '\t') && (Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.Format));
    }).Holds();
}
