using System.Globalization;
using Gauntlet.Harness.Bench;
using Gauntlet.Harness.Suites;

// harness/bench/run --kut DIR [-j N] [--compare-verdicts | --overhead], or --boot [PAIRS] [ARCH…]
string? checkout = null, gauntlet = null;
var (jobs, mode) = (Environment.ProcessorCount, "all");
TimeSpan briefCase = TimeSpan.FromSeconds(1);
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
        case "--boot":
            var rest = args.Skip(i + 1).ToList();
            var pairs = rest is [var first, ..] && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var given) && given > 0 ? given : (int?)null;
            var archs = pairs is null ? rest : rest.Skip(1).ToList();
            if (archs.Find(arch => arch is not ("x86_64" or "aarch64" or "riscv64")) is { } unknown)
            {
                Console.Error.WriteLine($"'{unknown}' is no architecture that boots here; there are x86_64, aarch64 and riscv64.");
                return 2;
            }

            using (var overhead = new BootOverhead())
            {
                var within = true;
                foreach (var arch in archs.Count > 0 ? archs : ["x86_64", "aarch64", "riscv64"])
                    within &= await overhead.MeasureAsync(arch, pairs ?? 9);
                return within ? 0 : 1;
            }

        default:
            Console.Error.WriteLine($"'{args[i]}' is not understood. usage: harness/bench/run --kut DIR [-j N] [--compare-verdicts | --overhead] | --boot [PAIRS] [ARCH…]");
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
// Where the guest itself is busy for long no runner can be much faster than another: told apart, so that the runner's own cost is seen.
var brief = ending.FindAll(test => ours.Verdicts[test].VmmTime < briefCase);
var oursWhole = new Row($"whole suite, {theirs.Verdicts.Count} cases", theirs.Wall, ours.Wall, default);
var endingRow = Compare($"{ending.Count} cases that end by themselves", ending, "ending");
var briefRow = Compare($"{brief.Count} of them, the VMM's time under {briefCase.TotalSeconds:0.#} s", brief, "brief");
Console.WriteLine();
Console.WriteLine($"{"",-44} {"run_tests.sh",14} {"gauntlet",12} {"ratio",8}");
Console.WriteLine($"{oursWhole}   wanted at most 0.60");
Console.WriteLine($"{endingRow}   the VMMs alone {endingRow.Least.TotalSeconds:0.0} s, ratio beyond them {endingRow.RatioBeyondLeast:0.00}, wanted at most 0.20");
Console.WriteLine($"{briefRow}   the VMMs alone {briefRow.Least.TotalSeconds:0.0} s, ratio beyond them {briefRow.RatioBeyondLeast:0.00}, wanted at most 0.20");
var cheap = await Overhead.MeasureAsync(checkout);
return same && cheap && oursWhole.Ratio <= 0.6 && endingRow.RatioBeyondLeast <= 0.2 && briefRow.RatioBeyondLeast <= 0.2 ? 0 : 1;

Row Compare(string what, List<string> names, string folder)
{
    var their = Peers.RunTestsScript(checkout, jobs, results[$"{folder}-logs"], names).Wall;
    var (our, told) = Peers.RunGauntlet(gauntlet, checkout, jobs, results[folder], names);
    // No runner ends before its longest VMM, nor before all of them have had a CPU.
    var least = Math.Max(told.Values.Max(test => test.VmmTime.TotalSeconds), told.Values.Sum(test => test.VmmTime.TotalSeconds) / jobs);
    return new(what, their, our, TimeSpan.FromSeconds(least));
}

/// <summary>A line of the table.</summary>
/// <param name="Least">What the VMMs themselves take, whoever runs them.</param>
internal sealed record Row(string What, TimeSpan Theirs, TimeSpan Ours, TimeSpan Least)
{
    public double Ratio => Ours / Theirs;

    public double RatioBeyondLeast => (Ours - Least) / (Theirs - Least);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{What,-44} {Theirs.TotalSeconds,12:0.0} s {Ours.TotalSeconds,10:0.0} s {Ratio,8:0.00}");
}
