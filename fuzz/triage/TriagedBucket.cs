using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Worker;

namespace Gauntlet.Fuzz.Triage;

/// <summary>A bucket of a run in process that was tried again, in the run's <c>triage</c>: <c>NNN.txt</c> is written last, its program and its tests lie beside it.</summary>
/// <param name="Signature">As the run told it.</param>
/// <param name="Comes">Times of <see cref="Tries"/> that the input failed, each on a fresh process.</param>
/// <param name="Input">Path of the input that was tried.</param>
/// <param name="Files">Minimised program and regression tests; none when it does not come.</param>
/// <param name="Report">Of the last time that it came; empty when it did not.</param>
public sealed record TriagedBucket(string Signature, int Comes, string Input, IReadOnlyList<string> Files, string Report)
{
    /// <summary>How often an input is tried.</summary>
    public const int Tries = 3;

    // Inputs of a bucket that are tried until one comes every time.
    private const int MostInputs = 4;

    private const int HeadLines = 4;

    private static readonly TimeSpan LongestMinimizing = TimeSpan.FromSeconds(60);

    /// <summary>What its input comes to.</summary>
    public FailureMark Mark => Comes switch { 0 => FailureMark.Gone, < Tries => FailureMark.Flaky, _ => FailureMark.Confirmed };

    /// <summary>Of a run's directory; none when nobody triaged it.</summary>
    public static IReadOnlyList<TriagedBucket> ReadAll(string run)
    {
        var folder = Folder(run);
        return !Directory.Exists(folder) ? []
            : [.. Directory.EnumerateFiles(folder, "*.txt").Order(StringComparer.Ordinal).Select(file => Read(run, file)).OfType<TriagedBucket>()];
    }

    /// <summary>Tries a failure again, makes its input small, and writes both down with tests.</summary>
    /// <param name="target">That it is of.</param>
    /// <param name="name">Of the target.</param>
    /// <param name="failure">Of a run in process.</param>
    /// <param name="number">In the run.</param>
    public static TriagedBucket Write(IFuzzTarget target, string name, FoundFailure failure, int number)
    {
        using var process = new ReplayProcess(name);
        var (input, bytes, comes, finding) = MostReliable(process, failure.Inputs, target);
        var stem = Path.Combine(Folder(failure.Run), number.ToString("d3", CultureInfo.InvariantCulture));
        Directory.CreateDirectory(Folder(failure.Run));
        // Of a bucket that had the number once; what is gone keeps its tests.
        if (Read(failure.Run, $"{stem}.txt") is not { } old || old.Signature != failure.Signature)
            Directory.EnumerateFiles(Folder(failure.Run), $"{Path.GetFileName(stem)}.*").ToList().ForEach(File.Delete);
        if (finding is not null)
        {
            var small = comes == Tries ? Smallest(process, target, bytes, finding) : bytes;
            Regression.Write(stem, name, small, target.Grammar, finding);
        }
        var word = comes switch { 0 => "gone", < Tries => "flaky", _ => "confirmed" };
        File.WriteAllText($"{stem}.tmp", string.Create(CultureInfo.InvariantCulture,
            $"{failure.Signature}\n{name}\n{Path.GetRelativePath(failure.Run, input)}\n{word}: {comes} of {Tries} on a fresh process\n{(finding is null ? "" : $"{finding.Report}\n")}"));
        File.Move($"{stem}.tmp", $"{stem}.txt", overwrite: true);
        return Read(failure.Run, $"{stem}.txt")!;
    }

    /// <summary>The smallest input that still fails in the same way, three times of three; what was given when there is none, or time does not allow.</summary>
    public static byte[] Smallest(ReplayProcess process, IFuzzTarget target, byte[] input, Finding finding)
    {
        // What ends its process costs one for each try.
        var watch = Stopwatch.StartNew();
        var small = Minimizer.Minimize(input, target, bytes => watch.Elapsed < LongestMinimizing && process.Run(bytes)?.Bucket == finding.Bucket);
        return Comings(process, small).Count(again => again?.Bucket == finding.Bucket) == Tries ? small : input;
    }

    // What each of the tries came to, on processes of their own.
    private static List<Finding?> Comings(ReplayProcess process, byte[] input)
    {
        var findings = new List<Finding?>();
        for (var i = 0; i < Tries; i++)
        {
            process.Renew();
            findings.Add(process.Run(input));
        }
        return findings;
    }

    private static (string Path, byte[] Input, int Comes, Finding? Finding) MostReliable(ReplayProcess process, IReadOnlyList<string> inputs, IFuzzTarget target)
    {
        (string Path, byte[] Input, int Comes, Finding? Finding) best = (inputs[0], Replay.Load(inputs[0], target.Grammar), 0, null);
        foreach (var path in inputs.Take(MostInputs))
        {
            var input = Replay.Load(path, target.Grammar);
            var findings = Comings(process, input);
            // One that fails now in one way, now in another, is flaky too.
            var same = findings.OfType<Finding>().GroupBy(static finding => finding.Bucket).MaxBy(static bucket => bucket.Count());
            if (same is not null && same.Count() > best.Comes)
                best = (path, input, same.Count(), same.First());
            if (best.Comes == Tries)
                break;
        }
        return best;
    }

    private static string Folder(string run) => Path.Combine(run, "triage");

    private static TriagedBucket? Read(string run, string file)
    {
        if (!File.Exists(file) || File.ReadAllText(file).Split('\n', HeadLines + 1) is not [var signature, _, var input, var standing, ..] lines
            || standing.Split(' ') is not [_, var number, "of", ..] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var comes))
            return null;
        var files = Directory.EnumerateFiles(Folder(run), $"{Path.GetFileNameWithoutExtension(file)}.*").Where(each => each != file && !each.EndsWith(".tmp", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        return new TriagedBucket(signature, comes, Path.Combine(run, input), [.. files], lines.Length > HeadLines ? lines[HeadLines].Trim() : "");
    }
}
