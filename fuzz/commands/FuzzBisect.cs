using System.CommandLine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Bisecting;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz bisect</c>.</summary>
internal static class FuzzBisect
{
    private const int MaxRepetitions = 1000;

    public static Command Create(Output output)
    {
        var target = new Argument<string>("target") { Description = "As `gauntlet fuzz list` names it" };
        var input = new Argument<string>("input") { Description = "A file of the crashes, or a device program as text" };
        var good = new Option<string>("--good") { Description = "Revision at which the input does not fail", HelpName = "REV", Required = true };
        var bad = new Option<string>("--bad") { Description = "Revision at which it fails", HelpName = "REV", DefaultValueFactory = _ => "HEAD" };
        var source = new Option<string?>("--source") { Description = "Checkout of Gauntlet; without: this one", HelpName = "DIR" };
        var repeat = new Option<int>("--repeat") { Description = "Run the input so often at each commit: good is what passes every time", DefaultValueFactory = _ => 1 };
        var json = new Option<bool>("--json") { Description = "JSON for scripts" };
        repeat.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<int>() is < 1 or > MaxRepetitions)
                result.AddError($"--repeat takes 1 to {MaxRepetitions}.");
        });
        var command = new Command("bisect", "Find the commit since which an input fails: builds gauntlet at each step and runs its `gauntlet fuzz repro`") { target, input, good, bad, source, repeat, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var name = parsed.GetValue(target)!;
            if (QemuRun.IsFor(name))
                throw new UserException("What was found on QEMU is a case of the suite beside it: gauntlet bisect --vmm qemu --source DIR --good REV --bad REV --suite fuzz-out/qemu/buckets/suite.yaml -- '000*'");
            var checkout = parsed.GetValue(source) is { } named ? Path.GetFullPath(named) : SourceTree.Find() ?? throw new UserException("Where the sources of Gauntlet are is not known; name their checkout with --source.");
            var folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-bisect-").FullName;
            try
            {
                using var launcher = new AttemptLauncher();
                var trial = new ReproTrial(new GauntletSource(checkout), BuildCache.ForUser(), launcher, name, Prepare(name, parsed.GetValue(input)!, folder), parsed.GetValue(repeat));
                var history = new CommitHistory(new GitSource(checkout));
                var result = await new BisectSearch(history, trial.TryAsync, step => BisectReport.Tell(output, step)).RunAsync(parsed.GetValue(good)!, parsed.GetValue(bad)!, cancellation);
                return await BisectReport.TellAsync(output, result, history, parsed.GetValue(json), cancellation);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command
            .WithExample("gauntlet fuzz bisect pc fuzz-out/pc/crashes/id:000000 --good HEAD~40", "a crash of the night, in the commits since the last good one")
            .WithExample("gauntlet fuzz bisect edu fuzz/regressions/edu/msi-silences-the-pin.program --good v0.1 --bad v0.2 --source ~/gauntlet", "commits of another checkout");
    }

    /// <summary>
    /// The input as every commit understands it: device programs as text, whose words stay, where bytes mean what the target's registers are at a commit.
    /// </summary>
    /// <returns>Path of a file in <paramref name="folder"/>.</returns>
    internal static string Prepare(string target, string input, string folder)
    {
        using var made = TargetCatalogue.Create(target);
        var bytes = Replay.Load(input, made.Grammar);
        var path = Path.Combine(folder, "input");
        if (made.Grammar is { } grammar && !Replay.IsText(input))
            File.WriteAllText(path, ProgramText.Format(ProgramBytes.Decode(bytes, grammar)));
        else
            File.Copy(input, path);
        return path;
    }
}
