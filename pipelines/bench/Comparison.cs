using System.Diagnostics;
using System.Text;
using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Bench;

/// <summary>Compares reports message by message.</summary>
internal static class Comparison
{
    /// <summary>Share of messages that must be the same; less makes the exit code 1.</summary>
    private const double LeastAgreement = 0.99, LeastLinuxAgreement = 0.95;

    public static int Run(ComparisonOptions options)
    {
        // Away from any repository and tree: both would ask it for the commits that a log names.
        Directory.SetCurrentDirectory(Path.GetTempPath());
        var kinds = new SortedDictionary<string, (int Both, int OnlyTheirs, int OnlyOurs)>(StringComparer.Ordinal);
        var differences = new List<string>();
        var exitCodes = 0;
        // A checkpatch.pl that names its types is compared on those that are done here.
        var done = options.RuleSet == "linux" ? CheckSetup.CreateRules(options.RuleSet).All.Select(rule => rule.Id).ToHashSet() : null;
        var notDone = 0;
        foreach (var patch in options.Patches)
        {
            var (theirs, theirExit) = Reference(options, patch);
            var (ours, ourExit) = Ours(options, patch);
            if (theirExit == ourExit)
                exitCodes++;
            else
                differences.Add($"exit {theirExit} there, {ourExit} here: {patch}");
            var reported = ReportMessages.Split(theirs);
            if (done is not null)
                notDone += reported.RemoveAll(message => !done.Contains(ReportMessages.TypeOf(message)));
            Compare(patch, reported, ReportMessages.Split(ours), kinds, differences);
        }
        if (done is not null)
            Console.WriteLine($"{done.Count} types done; {notDone} messages there are of other types");
        return Print(options, kinds, differences, exitCodes) & (!options.Time || Timing.Run(options)) ? 0 : 1;
    }

    private static void Compare(
        string patch, List<string> theirs, List<string> ours, SortedDictionary<string, (int Both, int OnlyTheirs, int OnlyOurs)> kinds, List<string> differences)
    {
        var left = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var message in ours)
            left[message] = left.GetValueOrDefault(message) + 1;
        foreach (var message in theirs)
        {
            var kind = ReportMessages.KindOf(message);
            var (both, onlyTheirs, onlyOurs) = kinds.GetValueOrDefault(kind);
            if (left.GetValueOrDefault(message) > 0)
            {
                left[message]--;
                kinds[kind] = (both + 1, onlyTheirs, onlyOurs);
            }
            else
            {
                kinds[kind] = (both, onlyTheirs + 1, onlyOurs);
                differences.Add($"only there: {patch}\n{message}");
            }
        }
        foreach (var (message, count) in left)
        {
            if (count == 0)
                continue;
            var kind = ReportMessages.KindOf(message);
            var (both, onlyTheirs, onlyOurs) = kinds.GetValueOrDefault(kind);
            kinds[kind] = (both, onlyTheirs, onlyOurs + count);
            differences.Add($"only here: {patch}\n{message}");
        }
    }

    private static bool Print(
        ComparisonOptions options, SortedDictionary<string, (int Both, int OnlyTheirs, int OnlyOurs)> kinds, List<string> differences, int exitCodes)
    {
        foreach (var difference in differences.Take(options.MaxShown))
            Console.WriteLine(difference + "\n");
        if (differences.Count > options.MaxShown)
            Console.WriteLine($"… and {differences.Count - options.MaxShown} more (--show N)\n");
        Console.WriteLine("both  only there  only here  message");
        foreach (var (kind, (both, onlyTheirs, onlyOurs)) in kinds.OrderByDescending(kind => kind.Value.OnlyTheirs + kind.Value.OnlyOurs).ThenBy(kind => kind.Key, StringComparer.Ordinal))
            Console.WriteLine($"{both,4}  {onlyTheirs,10}  {onlyOurs,9}  {kind}");
        var same = kinds.Values.Sum(kind => kind.Both);
        var all = kinds.Values.Sum(kind => kind.Both + kind.OnlyTheirs + kind.OnlyOurs);
        var agreement = all == 0 ? 1 : (double)same / all;
        Console.WriteLine($"\n{options.Patches.Count} patches: {same} of {all} messages agree ({agreement:P2}), {exitCodes} of {options.Patches.Count} exit codes");
        return agreement >= (options.RuleSet == "linux" ? LeastLinuxAgreement : LeastAgreement) && (exitCodes == options.Patches.Count || options.RuleSet == "linux");
    }

    private static (string Report, int Exit) Reference(ComparisonOptions options, string patch)
    {
        if (options.Cache is null)
            return RunPerl(options, [patch]);
        Directory.CreateDirectory(options.Cache);
        var path = Path.Combine(options.Cache, Uri.EscapeDataString(patch)[^Math.Min(180, Uri.EscapeDataString(patch).Length)..]);
        if (File.Exists(path + ".rc"))
            return (File.ReadAllText(path + ".out", Encoding.Latin1), int.Parse(File.ReadAllText(path + ".rc")));
        var (report, exit) = RunPerl(options, [patch]);
        File.WriteAllText(path + ".out", report, Encoding.Latin1);
        File.WriteAllText(path + ".rc", exit.ToString());
        return (report, exit);
    }

    internal static (string Report, int Exit) RunPerl(ComparisonOptions options, IEnumerable<string> patches)
    {
        string[] arguments = [options.Checkpatch, "--no-tree", "--color=never", .. ShowTypes(options), .. options.ExtraArguments, .. patches];
        var start = new ProcessStartInfo("perl", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.Latin1,
        };
        using var perl = Process.Start(start)!;
        perl.ErrorDataReceived += (_, _) => { };
        perl.BeginErrorReadLine();
        var report = perl.StandardOutput.ReadToEnd();
        perl.WaitForExit();
        return (report, perl.ExitCode);
    }

    private static string[] ShowTypes(ComparisonOptions options) => options.RuleSet == "linux" ? ["--show-types"] : [];

    private static string[] OurArguments(ComparisonOptions options, IEnumerable<string> patches)
    {
        string[] release = options.Release is null ? [] : ["--release", options.Release];
        // Linux's finds its list of misspelled words beside itself.
        var words = Path.Combine(Path.GetDirectoryName(options.Checkpatch)!, "spelling.txt");
        string[] spelling = options.RuleSet == "linux" && File.Exists(words) ? ["--codespellfile", words] : [];
        return ["--legacy", "--no-tree", "--rules", options.RuleSet, .. spelling, .. ShowTypes(options), .. release, .. options.ExtraArguments, .. patches];
    }

    private static (string Report, int Exit) Ours(ComparisonOptions options, string patch)
    {
        using var output = new MemoryStream();
        var exit = CheckProgram.Run(OurArguments(options, [patch]), output);
        return (Encoding.Latin1.GetString(output.ToArray()), exit);
    }
}
