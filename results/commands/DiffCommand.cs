using System.CommandLine;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results diff</c>.</summary>
internal static class DiffCommand
{
    /// <summary>Changes of a kind that are printed unless all are asked for.</summary>
    private const int MaxChanges = 30;

    public static Command Create(Output output, StoreOption storeOption)
    {
        var runs = new Argument<string[]>("runs")
        {
            Description = "Two runs, earlier first; one: it and the newest; none: the newest two. With --baseline at most one, the later; with --between one suffices",
            Arity = new ArgumentArity(0, 2),
        };
        var baseline = storeOption.BranchOption("--baseline", "Compare with what each job last came to on this branch");
        var between = new Option<string?>("--between")
        {
            Description = $"Compare cells that differ in two values of an axis ({string.Join(", ", CellPairing.Axes)}), in one run (without a name the newest) or of two",
            HelpName = "AXIS=BEFORE,AFTER",
        };
        var all = new Option<bool>("--all") { Description = "Print every change, and what still fails" };
        var json = StoreOption.JsonOption();
        var command = new Command("diff", "What changed between two runs, or between cells, down to subtests; exits 1 when something newly fails") { runs, baseline, between, all, json };
        command.SetAction(parsed =>
        {
            using var store = storeOption.Open(parsed);
            var named = parsed.GetValue(runs) ?? [];
            var diff = parsed.GetValue(between) is { } values ? CompareCells(store, named, values, parsed.GetValue(baseline)) : Compare(store, named, parsed.GetValue(baseline));
            if (parsed.GetValue(json))
                CommandJson.WriteBytes(output.Out, stream => JsonReport.Write(diff, stream));
            else
                Print(output, diff, parsed.GetValue(all));
            return diff.NewlyFails ? ExitCode.Failure : ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results diff", "the newest two runs")
            .WithExample("gauntlet results diff --baseline main", "the newest run against a branch")
            .WithExample("gauntlet results diff --between vmm=gvmm@HEAD~3,gvmm@HEAD", "two VMMs of the newest run")
            .WithExample("gauntlet results diff 20261119-101500 latest --all", "any two runs, everything");
    }

    /// <summary>Reads two runs or a run and a branch from words of a command line.</summary>
    internal static RunDiff Compare(ResultStore store, IReadOnlyList<string> runs, string? baseline)
    {
        var comparer = new RunComparer(store);
        if (baseline is not null)
        {
            if (runs.Count > 1)
                throw new UserException("With --baseline there is only one run to name: the later.");
            return comparer.CompareWithBranch(baseline, StoreOption.Find(store, runs.Count == 1 ? runs[0] : "latest"))
                ?? throw new UserException($"The results store {store.Location} has no run of the branch '{baseline}' to compare with, or it is still running.");
        }

        var before = StoreOption.Find(store, runs.Count > 0 ? runs[0] : "latest~1");
        var after = StoreOption.Find(store, runs.Count > 1 ? runs[1] : "latest");
        return before.Id == after.Id ? throw new UserException($"Both are the run {after.Id}. Name two, earlier first.") : comparer.Compare(before, after);
    }

    private static RunDiff CompareCells(ResultStore store, IReadOnlyList<string> runs, string between, string? baseline)
    {
        if (baseline is not null)
            throw new UserException("Give --baseline or --between, not both.");
        var before = StoreOption.Find(store, runs.Count > 0 ? runs[0] : "latest");
        var after = runs.Count > 1 ? StoreOption.Find(store, runs[1]) : before;
        return new RunComparer(store).CompareCells(before, after, (earlier, later) => CellPairing.Parse(between, earlier, later));
    }

    private static void Print(Output output, RunDiff diff, bool all)
    {
        var sides = diff.Before.Id == diff.After.Id ? Name(diff.After) : $"{Name(diff.Before)} → {Name(diff.After)}";
        output.Out.WriteLine($"{sides}{(diff.Pairing is null ? "" : Harmless.Line($", {diff.Pairing}"))}: {diff.Compared} jobs compared");
        foreach (var kind in diff.Changes.GroupBy(change => change.Kind))
        {
            if (kind.Key == ChangeKind.StillFailing && !all)
            {
                output.Out.WriteLine($"\n{kind.Key.Title()}: {kind.Count()} (--all lists them)");
                continue;
            }

            output.Out.WriteLine($"\n{TextTable.Styled(output, kind.Key.Title(), Style(kind.Key))}: {kind.Count()}");
            string? previous = null;
            foreach (var change in all ? kind : kind.Take(MaxChanges))
            {
                // A subtest stands under its case, which is said once.
                var under = change.Subtest is not null && change.JobKey == previous;
                previous = change.JobKey;
                output.Out.WriteLine($"  {(under ? "   " : Harmless.Line(change.JobKey))}{(change.Subtest is null ? "" : $" › {Harmless.Line(change.Subtest)}")}: {Describe(change)}");
                if (change.Reason is not null && change.Kind is ChangeKind.NewlyFailing or ChangeKind.NewlySkipped or ChangeKind.NotJudged)
                    output.Out.WriteLine($"      {Harmless.Line(change.Reason)}");
            }

            if (!all && kind.Count() > MaxChanges)
                output.Out.WriteLine($"  … and {kind.Count() - MaxChanges} more (--all lists them)");
        }

        if (diff.Changes.Count == 0)
            output.Out.WriteLine("no differences");
        if (diff.NotReached > 0)
            output.Out.WriteLine($"\n{diff.NotReached} subtests were not reached: their cases crashed or timed out before them");
        if (diff.Changes.Any(change => change.Timing is not null))
            output.Out.WriteLine($"\nslower and faster: {TimingComparison.Statistic}");
    }

    private static string Name(Run run) => Harmless.Line(run.Id + (run.Branch is null ? "" : $" ({run.Branch})"));

    private static string Describe(Change change) => change.Timing is { } timing
        ? $"{Quantity.Seconds(timing.Before)} → {Quantity.Seconds(timing.After)} CPU ({timing.SamplesBefore} and {timing.SamplesAfter} samples, {Math.Min(Math.Abs(timing.Z), 99):0} standard errors)"
        : $"{change.Before?.Name() ?? "not there"} → {change.After?.Name() ?? "not there"}";

    private static string Style(ChangeKind kind) => kind switch
    {
        ChangeKind.NewlyFailing => "bold red",
        ChangeKind.Fixed or ChangeKind.NoLongerSkipped or ChangeKind.Faster => "green",
        ChangeKind.NewlySkipped or ChangeKind.NewlyFlaky or ChangeKind.Slower or ChangeKind.NotJudged => "yellow",
        _ => "default",
    };
}
