using System.Text.RegularExpressions;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Results.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Triage;

/// <summary>What came out when a failure was tried again.</summary>
public enum FailureMark
{
    /// <summary>Nobody tried yet.</summary>
    Untried,

    /// <summary>It comes every time.</summary>
    Confirmed,

    /// <summary>It comes, but not every time.</summary>
    Flaky,

    /// <summary>It does not come: fixed, or only after what ran before it in its process.</summary>
    Gone,

    /// <summary>Only the harness brings it about, no guest.</summary>
    Artefact,

    /// <summary>Only a build with AddressSanitizer ends.</summary>
    OnlySanitizer,
}

/// <summary>One kind of failure that fuzzing left in a directory, with all that is kept of it.</summary>
/// <param name="Target">In process, or QEMU's device.</param>
/// <param name="Signature">The same for the same fault.</param>
/// <param name="SeenUtc">When it was first found.</param>
/// <param name="After">Of fuzzing in its directory, until then; null in directories of versions that did not keep it.</param>
/// <param name="Count">Runs that came to it, as far as they were told apart.</param>
/// <param name="Mark">What came of trying again.</param>
/// <param name="Inputs">Paths of those that were kept, the first found first.</param>
/// <param name="Files">Minimised program, regression tests: paths.</param>
/// <param name="Command">That shows it again; null: the report has it.</param>
/// <param name="Report">Message and stack.</param>
/// <param name="Run">The directory that it was found in: a run's, a campaign's of QEMU.</param>
public sealed record FoundFailure(
    string Target, string Signature, DateTime SeenUtc, TimeSpan? After, long Count, FailureMark Mark, IReadOnlyList<string> Inputs, IReadOnlyList<string> Files, string? Command, string Report, string Run)
{
    /// <summary>For people.</summary>
    public string MarkWord => Mark switch
    {
        FailureMark.Confirmed => "confirmed",
        FailureMark.Flaky => "flaky",
        FailureMark.Gone => "gone",
        FailureMark.Artefact => "artefact",
        FailureMark.OnlySanitizer => "sanitizer",
        _ => "-",
    };
}

/// <summary>Reads what fuzzing left, without anything of the target: a run's directory, a campaign's, or one of several that lie beside each other.</summary>
public static partial class FoundFailures
{
    // A campaign's directory has its targets', a target's those of its processes.
    private const int MostLevels = 2;

    private const string Crashes = "crashes", Hangs = "hangs", Buckets = "buckets";

    /// <summary>Of all targets below, each target's in the order of finding: a failure's place is its number, the same as long as the directory does not change.</summary>
    /// <exception cref="UserException">There is no such directory, or no fuzzer wrote it.</exception>
    public static IReadOnlyList<FoundFailure> Read(string directory)
    {
        if (!Directory.Exists(directory))
            throw new UserException($"reading what fuzzing found: there is no directory {directory}");
        var found = new List<FoundFailure>();
        if (!Collect(directory, 0, isQemu: false, found))
            throw new UserException($"reading what fuzzing found: {directory} has neither queue nor buckets, nor has a directory in it: name what `gauntlet fuzz run` or `campaign` wrote");
        return found;
    }

    /// <summary>Of a run in process, of one worker or several.</summary>
    /// <param name="run">That has <c>queue</c>, or directories that have.</param>
    public static IReadOnlyList<FoundFailure> OfRun(string run)
    {
        var kept = OutputDirectory.Parts(run).SelectMany(part => Kept(part, Crashes).Concat(Kept(part, Hangs))).ToList();
        if (kept.Count == 0)
            return [];
        var counts = OutputDirectory.Parts(run).Select(OutputDirectory.ReadCounts).ToList();
        var target = kept.Select(file => OutputDirectory.Target(file.Part)).FirstOrDefault(name => name is not null) ?? Path.GetFileName(Path.GetFullPath(run));
        var triaged = TriagedBucket.ReadAll(run);
        return [.. kept.GroupBy(file => file.Signature).Select(bucket =>
        {
            var ordered = bucket.OrderBy(static file => file.After ?? TimeSpan.Zero).ThenBy(static file => file.SeenUtc).ThenBy(static file => file.Path, StringComparer.Ordinal).ToList();
            var first = ordered[0];
            var known = triaged.FirstOrDefault(each => each.Signature == bucket.Key);
            return new FoundFailure(
                target, bucket.Key, first.SeenUtc, first.After, Math.Max(counts.Sum(each => each.GetValueOrDefault(bucket.Key)), ordered.Count), known?.Mark ?? FailureMark.Untried,
                [.. ordered.Select(static file => file.Path)], known?.Files ?? [], $"gauntlet fuzz repro {ShellCommand.Quote(target)} {ShellCommand.Quote(known?.Input ?? first.Path)}", known is { Report.Length: > 0 } ? known.Report : first.Report, run);
        }).OrderBy(static failure => failure.After ?? TimeSpan.Zero).ThenBy(static failure => failure.SeenUtc).ThenBy(static failure => failure.Inputs[0], StringComparer.Ordinal)];
    }

    // True when a fuzzer wrote there.
    private static bool Collect(string folder, int level, bool isQemu, List<FoundFailure> found)
    {
        var hasBuckets = Directory.Exists(Path.Combine(folder, Buckets));
        var (isOne, below) = (Directory.Exists(Path.Combine(folder, "queue")), Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal).ToList());
        isQemu |= hasBuckets;
        if (hasBuckets)
            found.AddRange(OfQemu(folder));
        if (isOne && isQemu)
            found.AddRange(HangsOfQemu(folder));
        else if (isOne || below.Any(static each => Worker().IsMatch(Path.GetFileName(each))))
        {
            found.AddRange(OfRun(folder));
            return true;
        }
        var any = isOne || hasBuckets;
        foreach (var each in level < MostLevels ? below : [])
            any |= Collect(each, level + 1, isQemu, found);
        return any;
    }

    private static IEnumerable<FoundFailure> OfQemu(string folder)
    {
        var buckets = new QemuBuckets(Path.Combine(folder, Buckets));
        foreach (var bucket in buckets.All)
        {
            var stem = buckets.Stem(bucket.Number);
            var mark = bucket.Standing switch { QemuStanding.Artefact => FailureMark.Artefact, QemuStanding.OnlySanitizer => FailureMark.OnlySanitizer, QemuStanding.Flaky => FailureMark.Flaky, _ => FailureMark.Confirmed };
            // Signature, device, seconds and standing are told apart from it.
            var report = string.Join('\n', File.ReadLines($"{stem}.txt").Skip(4));
            yield return new FoundFailure(
                bucket.Device, bucket.Signature, bucket.SeenUtc, TimeSpan.FromSeconds(bucket.Seconds), bucket.Count, mark, [],
                [.. ((string[])[".program", ".qtest", ".sh"]).Select(extension => stem + extension).Where(File.Exists)], $"sh {ShellCommand.Quote($"{stem}.sh")}", report, folder);
        }
    }

    private static IEnumerable<FoundFailure> HangsOfQemu(string folder)
    {
        var kept = Kept(folder, Hangs).ToList();
        if (kept.Count == 0)
            yield break;
        var device = Path.GetFileName(Path.GetFullPath(folder));
        yield return new FoundFailure(
            device, "hang: QEMU does not answer", kept[0].SeenUtc, kept[0].After, kept.Count, FailureMark.Untried, [.. kept.Select(static file => file.Path)], [],
            null, kept[0].Report, folder);
    }

    private static IEnumerable<(string Part, string Path, string Signature, string Report, DateTime SeenUtc, TimeSpan? After)> Kept(string part, string kind)
    {
        if (!Directory.Exists(Path.Combine(part, kind)))
            yield break;
        foreach (var path in OutputDirectory.InputsOf(part, kind))
        {
            // Its report is there first, unless somebody took it away.
            var report = File.Exists(path + ".txt") ? File.ReadAllText(path + ".txt").Split('\n', 2) : [];
            yield return (part, path, report is [{ Length: > 0 } signature, ..] ? signature : $"{kind}: no report beside the input", report is [_, var rest] ? rest.Trim() : "", File.GetLastWriteTimeUtc(path), FindingName.Parse(path).After);
        }
    }

    [GeneratedRegex(@"^worker-\d+$", RegexOptions.CultureInvariant)]
    private static partial Regex Worker();
}
