using System.Globalization;
using Gauntlet.Harness.Bench;
using Gauntlet.Harness.Suites;

// harness/bench/run --kut DIR [-j N] [--compare-verdicts | --overhead]
string? checkout = null, gauntlet = null;
var (jobs, mode) = (Environment.ProcessorCount, "all");
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--kut" when i + 1 < args.Length:
            checkout = Path.GetFullPath(args[++i]);
            break;
        case "--gauntlet" when i + 1 < args.Length:
            gauntlet = Path.GetFullPath(args[++i]);
            break;
        case "-j" when i + 1 < args.Length && int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0:
            jobs = number;
            i++;
            break;
        case "--compare-verdicts" or "--overhead":
            mode = args[i];
            break;
        default:
            Console.Error.WriteLine($"'{args[i]}' is not understood. usage: harness/bench/run --kut DIR [-j N] [--compare-verdicts | --overhead]");
            return 2;
    }
}

if (checkout is null || !File.Exists(Path.Combine(checkout, "run_tests.sh")) || !File.Exists(Path.Combine(checkout, KutConfiguration.FileName)))
{
    Console.Error.WriteLine("--kut must name a kvm-unit-tests checkout that was configured and built (./configure && make).");
    return 2;
}

gauntlet ??= Path.Combine(SourceTree.Require(), "gauntlet");
if (mode == "--overhead")
    return await Overhead.MeasureAsync(checkout) ? 0 : 1;

using var results = new BenchFolder();
var ours = Peers.RunGauntlet(gauntlet, checkout, jobs, results["whole"], []);
Console.WriteLine($"gauntlet run -j {jobs}, whole suite: {ours.Wall.TotalSeconds:0.0} s");
var theirs = Peers.RunTestsScript(checkout, jobs, results["whole-logs"], []);
Console.WriteLine($"run_tests.sh -j {jobs}, whole suite: {theirs.Wall.TotalSeconds:0.0} s");
var same = VerdictComparison.Print(theirs.Verdicts, ours.Verdicts);
if (mode == "--compare-verdicts")
    return same ? 0 : 1;

// A case that ends by itself: neither skipped nor ended at its limit by either.
var ending = theirs.Verdicts.Where(test => test.Value is "PASS" or "FAIL" && ours.Verdicts.GetValueOrDefault(test.Key)?.Verdict is "pass" or "fail").Select(test => test.Key).ToList();
var oursEnding = Peers.RunGauntlet(gauntlet, checkout, jobs, results["ending"], ending);
var theirsEnding = Peers.RunTestsScript(checkout, jobs, results["ending-logs"], ending);
var whole = ours.Wall / theirs.Wall;
var faster = theirsEnding.Wall / oursEnding.Wall;
Console.WriteLine();
Console.WriteLine($"{"",-42} {"run_tests.sh",14} {"gauntlet",12} {"ratio",10}   wanted");
Console.WriteLine($"{$"{ending.Count} cases that end by themselves",-42} {theirsEnding.Wall.TotalSeconds,12:0.0} s {oursEnding.Wall.TotalSeconds,10:0.0} s {faster,9:0.0}x   at least 5x less");
Console.WriteLine($"{$"whole suite, {theirs.Verdicts.Count} cases",-42} {theirs.Wall.TotalSeconds,12:0.0} s {ours.Wall.TotalSeconds,10:0.0} s {whole,10:0.00}   at most 0.60");
var cheap = await Overhead.MeasureAsync(checkout);
return same && cheap && whole <= 0.6 && faster >= 5 ? 0 : 1;
