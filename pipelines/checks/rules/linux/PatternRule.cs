using System.Text.RegularExpressions;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>A rule that a pattern over an added line tells.</summary>
/// <param name="pattern">What is wrong.</param>
/// <param name="needs">Text without which the pattern cannot match: a quick way out; empty for none.</param>
internal sealed class PatternRule(string id, Severity severity, string message, Func<Regex> pattern, string needs, string why, Example bad, Example good)
    : LineRule(id, severity, message)
{
    /// <summary>Longer lines are not matched: patterns may look at each position from each other.</summary>
    public const int MaxLine = 1024;

    internal enum View
    {
        /// <summary>Strings and comments blanked.</summary>
        Line,

        /// <summary>Comments as spaces.</summary>
        Spaced,

        Raw,

        /// <summary>The statement that begins on the line.</summary>
        Statement,
    }

    private readonly CharacterSet _needed = CharacterSet.Of(needs);

    public override Explanation Explanation => new(why, bad, good);

    public View On { get; init; }

    /// <summary>A quick look whether the pattern can match.</summary>
    public Predicate<PatchScan>? When { get; init; }

    /// <summary>Whether the rule holds for a file.</summary>
    public Predicate<string>? AppliesTo { get; init; }

    /// <summary>What exempts a line that matches.</summary>
    public Func<Regex>? Unless { get; init; }

    /// <summary>Says what was found; null when it is nothing.</summary>
    public Func<PatchScan, Match, string?>? Describe { get; init; }

    /// <summary>The rule holds for what is new, not for whole files.</summary>
    public bool IsForPatches { get; init; }

    /// <summary>Each match of a line is a finding, not the first only.</summary>
    public bool Every { get; init; }

    /// <summary>The line before is shown too.</summary>
    public bool ShowsPrevious { get; init; }

    /// <summary>The statement's lines are shown.</summary>
    public bool ShowsStatement { get; init; }

    /// <summary>The statement is shown, strings and comments blanked.</summary>
    public bool ShowsBlanked { get; init; }

    public override void Check(PatchScan scan)
    {
        if (Severity == Severity.Check && !scan.ReportsTaste)
            return;
        if (On != View.Statement && !(On == View.Raw ? scan.RawCharacters : scan.Characters).Covers(_needed))
            return;
        var line = On == View.Raw ? scan.Raw : On == View.Statement ? default : scan.Line;
        if (line.Length > MaxLine || (IsForPatches && scan.WholeFile) || (AppliesTo is not null && !AppliesTo(scan.File)))
            return;
        if (On == View.Statement)
            line = scan.StatementText;
        if (line.IsEmpty || (needs.Length > 0 && !line.Contains(needs, StringComparison.Ordinal)))
            return;
        if (When is not null && !When(scan))
            return;
        var text = On switch { View.Line => scan.LineText, View.Spaced => scan.SpacedText, View.Raw => scan.RawText, _ => scan.StatementText };
        for (var match = pattern().Match(text); match.Success; match = match.NextMatch())
        {
            if (Unless is not null && Unless().IsMatch(text))
                return;
            var found = Describe is null ? Message : Describe(scan, match);
            if (found is not null)
                Report(scan, found);
            if (!Every)
                return;
        }
    }

    private void Report(PatchScan scan, string found)
    {
        if (ShowsStatement)
            scan.ReportWithText(this, scan.RawLines(1 + scan.StatementText.Count('\n')), found);
        else if (ShowsBlanked)
            scan.ReportWithText(this, scan.StatementText + "\n", found);
        else if (ShowsPrevious)
            scan.ReportWithPrevious(this, found);
        else
            scan.Report(this, found);
    }
}
