using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>Words of the log and of added lines that a list of misspelled words has. Silent without such a list.</summary>
internal sealed class MisspelledWord() : LineRule("TYPO_SPELLING", Severity.Warning, "word may be misspelled")
{
    /// <summary>The list that the examples are for.</summary>
    public const string ExampleList = "recieve||receive\n";

    public override Explanation Explanation => new(
        "Who searches for the word does not find it. The list is the tree's scripts/spelling.txt, or codespell's with --codespell.",
        new("/* recieve it */"),
        new("/* receive it */"));

    public override void Check(PatchScan scan)
    {
        if (scan.Spelling is not { Count: > 0 } spelling || !(scan.InCommitLog || scan.Line.StartsWith("+") || scan.Line.StartsWith("Subject:", StringComparison.OrdinalIgnoreCase)))
            return;
        var raw = scan.Raw;
        // A word's neighbours are consumed with it: the next one needs its own before it.
        var free = 0;
        for (var at = 0; at < raw.Length;)
        {
            if (!IsPart(raw[at]))
            {
                at++;
                continue;
            }
            var start = at;
            while (at < raw.Length && IsPart(raw[at]))
                at++;
            if ((start == 0 || start - 1 >= free) && spelling.Correct(raw[start..at]) is { } right)
            {
                Report(scan, raw, start, at, right);
                free = at + 1;
            }
        }
    }

    private void Report(PatchScan scan, ReadOnlySpan<char> raw, int start, int end, string right)
    {
        var mark = new System.Text.StringBuilder();
        mark.Append(raw).Append('\n');
        foreach (var c in raw[..start])
            mark.Append(c == '\t' ? '\t' : ' ');
        mark.Append('^', end - start).Append('\n');
        scan.ReportWithText(this, mark.ToString(), $"'{raw[start..end]}' may be misspelled - perhaps '{right}'?");
    }

    /// <summary>What belongs to a word: <c>don't</c> is one.</summary>
    private static bool IsPart(char c) => Scan.IsWord(c) || c is '-' or '\'' or '`';
}
