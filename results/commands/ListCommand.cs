using System.CommandLine;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results list</c>.</summary>
internal static class ListCommand
{
    private const int DefaultLimit = 20;

    public static Command Create(Output output, StoreOption storeOption)
    {
        var branch = storeOption.BranchOption("--branch", "Only runs of this branch");
        var state = new Option<RunState?>("--state") { Description = "Only runs in this state: running, finished, cancelled, interrupted", HelpName = "STATE" };
        state.CompletionSources.Add("running", "finished", "cancelled", "interrupted");
        var limit = new Option<int>("--limit", "-n") { Description = "At most so many", DefaultValueFactory = _ => DefaultLimit };
        var json = StoreOption.JsonOption();
        var command = new Command("list", "Runs, newest first") { branch, state, limit, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(limit) < 1)
                throw new UserException("--limit must be 1 or more.");
            using var store = storeOption.Open(parsed);
            var runs = store.ListRuns(new RunFilter(parsed.GetValue(limit), parsed.GetValue(branch), parsed.GetValue(state)));
            var overviews = store.GetOverviews(runs.Select(run => run.Id).ToList());
            if (parsed.GetValue(json))
            {
                CommandJson.Write(output.Out, runs.Select(run => new
                {
                    run,
                    counts = overviews.GetValueOrDefault(run.Id, RunOverview.Empty).Verdicts.ToDictionary(v => v.Key.Name(), v => v.Value),
                    flaky = overviews.GetValueOrDefault(run.Id, RunOverview.Empty).Flaky,
                }));
                return ExitCode.Success;
            }

            if (runs.Count == 0)
            {
                output.Out.WriteLine($"no runs in {store.Location}");
                return ExitCode.Success;
            }

            var table = new TextTable("run", "started", "took", "state", "branch", "revision", "results");
            foreach (var run in runs)
                table.Add((run.Id, null), (Quantity.Instant(run.StartedUtc), "grey"), (Took(run), null), State(run), (run.Branch ?? "", null), (Short(run.Revision), "grey"), Counts(run, overviews.GetValueOrDefault(run.Id, RunOverview.Empty)));
            table.Write(output);
            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results list --branch main -n 5", "the last five runs of a branch")
            .WithExample("gauntlet results list --state interrupted", "runs that can be continued")
            .WithExample("gauntlet results list --json | jq -r '.[0].run.id'", "for scripts");
    }

    private static string Took(Run run) => run.FinishedUtc is { } end ? Quantity.Seconds(Math.Max(0, (end - run.StartedUtc).TotalSeconds)) : "";

    private static (string, string?) State(Run run) => (run.State.ToString().ToLowerInvariant(), run.State is RunState.Interrupted or RunState.Cancelled ? "yellow" : null);

    private static string Short(string? revision) => revision is null ? "" : revision.Length > 12 ? revision[..12] : revision;

    private static (string, string?) Counts(Run run, RunOverview overview)
    {
        var counts = VerdictSymbol.WorstFirst.Where(overview.Verdicts.ContainsKey).Select(v => $"{v.Symbol()}{overview.Verdicts[v]}").ToList();
        if (overview.Results < run.JobCount)
            counts.Add($"({overview.Results} of {run.JobCount})");
        if (overview.Flaky > 0)
            counts.Add($"~{overview.Flaky} flaky");
        return (string.Join(' ', counts), VerdictSymbol.Worst(overview.Verdicts.Keys)?.Style());
    }
}
