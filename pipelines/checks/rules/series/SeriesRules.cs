using Gauntlet.Pipelines.Checks.Parsing;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Series;

/// <summary>
/// What no checkpatch looks at: whether a series is whole, says what changed since it was last sent, is signed by its authors, and leaves alone what judges it.
/// Asked for by <c>--series</c>; all inputs together are the series.
/// </summary>
internal static class SeriesRules
{
    private const string Hunk = "--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+int a;\n";

    public static WholeRule AuthorSignOff { get; } = new(
        "SERIES_AUTHOR_SIGN_OFF",
        Severity.Error,
        "no Signed-off-by is the author's",
        () => new("Only who wrote it can say that it may be passed on.", new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: D <d@e.f>\n---\n" + Hunk), new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n" + Hunk)));

    public static WholeRule Changelog { get; } = new(
        "SERIES_CHANGELOG",
        Severity.Warning,
        "a new version does not say what changed since the last",
        () => new(
            "Who has read the last version wants to read only what is new. Write it after the --- line or into the cover letter.",
            new("From: A <a@b.c>\nSubject: [PATCH v2] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n x.c | 1 +\n\n" + Hunk),
            new("From: A <a@b.c>\nSubject: [PATCH v2] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\nv2: int instead of long\n\n x.c | 1 +\n\n" + Hunk)));

    public static WholeRule ChangesJudge { get; } = new(
        "SERIES_CHANGES_JUDGE",
        Severity.Warning,
        "changes the rules or the pipeline that judge it",
        () => new(
            "It is judged by the base's rules and pipeline, whatever it brings; a person has to look at the change itself.",
            new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/.gauntlet/check.yaml\n+++ b/.gauntlet/check.yaml\n@@ -1,0 +1 @@\n+ignore: [A]\n"),
            new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n" + Hunk)));

    public static WholeRule Incomplete { get; } = new(
        "SERIES_INCOMPLETE",
        Severity.Error,
        "patches of the series are missing",
        () => new(
            "What is missing was neither read nor tested.",
            new("From: A <a@b.c>\nSubject: [PATCH 1/2] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n" + Hunk),
            new("From: A <a@b.c>\nSubject: [PATCH 1/1] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n" + Hunk)));

    public static WholeRule FixesCommit { get; } = new(
        "SERIES_FIXES",
        Severity.Warning,
        "Fixes: does not name a commit and its subject",
        () => new(
            "Who keeps a stable branch takes the fix where the commit is. In a repository the commit must be there and its subject the one that is named.",
            new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nFixes: 0123456789ab\nSigned-off-by: A <a@b.c>\n---\n" + Hunk),
            new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nFixes: 0123456789ab (\"x: add it\")\nSigned-off-by: A <a@b.c>\n---\n" + Hunk)));

    public static WholeRule NoMaintainer { get; } = new(
        "SERIES_MAINTAINERS",
        Severity.Warning,
        "MAINTAINERS does not cover a new file",
        () => new(
            "Nobody is asked about later changes to it. Add an F: line, in the patch that adds the file.",
            new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n" + NewFile),
            new("From: A <a@b.c>\nSubject: [PATCH] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n" + NewFile + "diff --git a/MAINTAINERS b/MAINTAINERS\n--- a/MAINTAINERS\n+++ b/MAINTAINERS\n@@ -3,1 +3,2 @@\n F: hw/net/\n+F: hw/new/\n")));

    private const string NewFile = "diff --git a/hw/new/x.c b/hw/new/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/hw/new/x.c\n@@ -0,0 +1 @@\n+int a;\n";

    public static IReadOnlyList<Rule> All { get; } = [FixesCommit, AuthorSignOff, Changelog, ChangesJudge, NoMaintainer, Incomplete];

    /// <summary>The patches with what is found in the series as a whole added to each.</summary>
    public static CheckedPatch[] Check(IReadOnlyList<CheckedPatch> patches, RuleSelection selection, SeriesContext context)
    {
        var documents = patches.Select(patch => patch.IsPatch ? PatchParser.Parse(patch.Lines.Text) : null).ToArray();
        var addedPatterns = documents.SelectMany(AddedPatterns).ToArray();
        var fixedLater = new LaterFixes(patches);
        var subjects = patches.Select(patch => PatchSubject.Of(patch.Lines)).ToArray();
        var covered = subjects.Where((subject, i) => subject.Number == 0 && HasChangelog(patches[i])).Any();
        var present = subjects.Select(subject => subject.Number).ToHashSet();
        var result = new CheckedPatch[patches.Count];
        for (var i = 0; i < result.Length; i++)
        {
            var findings = fixedLater.Mark(i);
            void Report(Rule rule, string? message = null)
            {
                if (selection.Selects(rule))
                    findings.Add(new Finding(rule, rule.Severity, message ?? rule.Message, subjects[i].Line, "", 0, Excerpt.None, 0, null));
            }
            if (patches[i].IsPatch)
                CheckPatch(patches[i], documents[i]!, subjects[i], covered, Report, context.SubjectOf);
            if (context.Maintainers is { } maintainers)
                CheckMaintainers(documents[i], maintainers, addedPatterns, Report);
            if (subjects[i].Number > subjects[i].Total)
                Report(Incomplete, $"patch {subjects[i].Number} of {subjects[i].Total}: the series is longer than it says");
            // Said once, of the first patch.
            var missing = Enumerable.Range(1, subjects[i].Total).Where(number => !present.Contains(number)).ToList();
            if (missing.Count > 0 && !subjects[..i].Any(subject => subject.Total == subjects[i].Total))
                Report(Incomplete, $"patches of the series are missing: {string.Join(", ", missing.Take(10))} of {subjects[i].Total}");
            result[i] = patches[i] with { Findings = findings };
        }
        return result;
    }

    private static void CheckMaintainers(PatchDocument? document, Maintainers maintainers, string[] addedPatterns, Action<Rule, string?> report)
    {
        foreach (var file in document?.Files ?? [])
        {
            if (file is { Change: FileChange.Added or FileChange.Copied or FileChange.Renamed, NewPath: { } path } && !maintainers.Covers(path) && !Array.Exists(addedPatterns, pattern => Maintainers.Matches(pattern, path)))
                report(NoMaintainer, $"MAINTAINERS does not cover the new file {path}");
        }
    }

    /// <summary>The patterns of <c>F:</c> lines that a patch adds to MAINTAINERS.</summary>
    private static IEnumerable<string> AddedPatterns(PatchDocument? document)
    {
        foreach (var hunk in document?.Files.Where(file => file.NewPath == "MAINTAINERS").SelectMany(file => file.Hunks) ?? [])
        {
            foreach (var line in hunk.Lines)
            {
                if (line is ['+', ..] && Maintainers.TryFilePattern(line.AsSpan(1), out var pattern))
                    yield return pattern;
            }
        }
    }

    private static void CheckPatch(CheckedPatch patch, PatchDocument document, PatchSubject subject, bool covered, Action<Rule, string?> report, Func<string, string>? subjectOf)
    {
        CheckFixes(patch.Lines, report, subjectOf);
        if (subject.Author.Length > 0 && !HasSignOff(patch.Lines, subject.Author))
            report(AuthorSignOff, $"no Signed-off-by is the author's, {subject.Author}");
        if (subject.Version > 1 && !covered && !HasChangelog(patch))
            report(Changelog, null);
        foreach (var file in document.Files)
        {
            var path = file.NewPath ?? file.OldPath ?? "";
            if (IsJudge(path) || IsJudge(file.OldPath ?? ""))
                report(ChangesJudge, $"changes {path}, which judges it");
        }
    }

    private static void CheckFixes(TextLines lines, Action<Rule, string?> report, Func<string, string>? subjectOf)
    {
        for (var i = 0; i < lines.Count && lines[i] is not "---" && !lines[i].StartsWith("diff --git "); i++)
        {
            // git log indents.
            var line = lines[i].Trim();
            if (!line.StartsWith("Fixes:", StringComparison.OrdinalIgnoreCase) || line.Length > MaxTrailer)
                continue;
            var value = line["Fixes:".Length..].Trim();
            var end = 0;
            while (end < value.Length && char.IsAsciiHexDigit(value[end]))
                end++;
            // An address of a bug tracker is none of ours.
            if (end == 0 || (end < value.Length && value[end] != ' '))
                continue;
            var id = value[..end].ToString();
            var named = value[end..].Trim();
            if (named is not ['(', '"', .., '"', ')'])
                report(FixesCommit, $"Fixes: {id} does not name the commit's subject, as in Fixes: {id} (\"subject\")");
            else if (subjectOf?.Invoke(id) is { } subject && subject != ByteText.ToDisplay(named[2..^2]))
                report(FixesCommit, ByteText.FromDisplay(subject.Length == 0 ? $"Fixes: {id} is no commit of this repository" : $"Fixes: {id} is \"{subject}\""));
        }
    }

    /// <summary>Longer lines are no trailers.</summary>
    private const int MaxTrailer = 1000;

    private static bool IsJudge(string path) =>
        path.StartsWith(".gauntlet/", StringComparison.Ordinal) || path.StartsWith(".gitlab-ci", StringComparison.Ordinal) || path.StartsWith(".github/", StringComparison.Ordinal)
        || (path.StartsWith("pipelines/", StringComparison.Ordinal) && path.EndsWith(".yaml", StringComparison.Ordinal)) || path.EndsWith("scripts/checkpatch.pl", StringComparison.Ordinal);

    private static bool HasSignOff(TextLines lines, string author)
    {
        for (var i = 0; i < lines.Count; i++)
        {
            var line = lines[i][Scan.SkipSpace(lines[i], 0)..];
            if (line.StartsWith("Signed-off-by:", StringComparison.OrdinalIgnoreCase) && line.Contains(author, StringComparison.OrdinalIgnoreCase))
                return true;
        }
        return false;
    }

    /// <summary>Whether words stand between the log's end and the diff: what changed since the last version.</summary>
    private static bool HasChangelog(CheckedPatch patch)
    {
        var inNotes = !patch.IsPatch;
        for (var i = 0; i < patch.Lines.Count; i++)
        {
            var line = patch.Lines[i];
            if (line is "---")
                inNotes = true;
            else if (line.StartsWith("diff ") || line.StartsWith("--- "))
                return false;
            else if (inNotes && Scan.SkipSpace(line, 0) is var start && start < line.Length && line[start] is 'v' or 'V' or 'C' or 'c' && MentionsVersion(line[start..]))
                return true;
        }
        return false;
    }

    private static bool MentionsVersion(ReadOnlySpan<char> text) =>
        (text[0] is 'v' or 'V' && text.Length > 1 && char.IsAsciiDigit(text[1])) || text.StartsWith("change", StringComparison.OrdinalIgnoreCase);
}

/// <summary>What a mail's header says of a patch's place in its series.</summary>
/// <param name="Author">The sender's address; empty when there is none.</param>
/// <param name="Version">1 when the subject names none.</param>
/// <param name="Number">From 1; 0 for a cover letter, and for a patch without a number.</param>
/// <param name="Total">Patches of the series; 0 when the subject does not say.</param>
/// <param name="Line">The subject's line, from 1.</param>
internal readonly record struct PatchSubject(string Author, int Version, int Number, int Total, int Line)
{
    public static PatchSubject Of(TextLines lines)
    {
        var author = "";
        for (var i = 0; i < lines.Count && lines[i].Length > 0; i++)
        {
            var line = lines.LineString(i);
            if ((line.StartsWith("From: ", StringComparison.OrdinalIgnoreCase) || line.StartsWith("Author: ", StringComparison.Ordinal)) && line.IndexOf('<', StringComparison.Ordinal) is > 0 and var open && line.IndexOf('>', open) is > 0 and var close)
                author = line[(open + 1)..close];
            if (line.StartsWith("Subject:", StringComparison.OrdinalIgnoreCase))
                return Parse(line, author, i + 1);
        }
        return new PatchSubject(author, 1, 0, 0, 1);
    }

    private static PatchSubject Parse(string line, string author, int number)
    {
        var (version, index, total) = (1, 0, 0);
        var open = line.IndexOf('[', StringComparison.Ordinal);
        var close = line.IndexOf(']', Math.Max(open, 0));
        foreach (var word in open < 0 || close < open ? [] : line[(open + 1)..close].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var slash = word.IndexOf('/', StringComparison.Ordinal);
            if (word[0] is 'v' or 'V' && int.TryParse(word.AsSpan(1), out var parsed))
                version = parsed;
            else if (slash > 0 && int.TryParse(word.AsSpan(0, slash), out var left) && int.TryParse(word.AsSpan(slash + 1), out var right) && right is > 0 and <= MaxPatches)
                (index, total) = (left, right);
        }
        return new PatchSubject(author, version, index, total, number);
    }

    /// <summary>A larger series is a typing mistake.</summary>
    private const int MaxPatches = 10_000;
}
