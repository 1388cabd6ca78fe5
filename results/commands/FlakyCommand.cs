using System.CommandLine;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results flaky</c>.</summary>
internal static class FlakyCommand
{
    private const int DefaultRuns = 30;

    public static Command Create(Output output, StoreOption storeOption)
    {
        var runs = new Option<int>("--runs", "-n") { Description = "Look back so many runs", DefaultValueFactory = _ => DefaultRuns };
        var branch = storeOption.BranchOption("--branch", "Only runs of this branch");
        var json = StoreOption.JsonOption();
        var command = new Command("flaky", "Jobs that came out both ways though nothing had changed, worst first") { runs, branch, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(runs) < 1)
                throw new UserException("--runs must be 1 or more.");
            using var store = storeOption.Open(parsed);
            var flaky = FlakyJobs.Find(store.GetPastVerdicts(parsed.GetValue(runs), parsed.GetValue(branch)));
            if (parsed.GetValue(json))
            {
                CommandJson.Write(output.Out, flaky);
            }
            else if (flaky.Count == 0)
            {
                output.Out.WriteLine($"no flaky jobs in the newest {parsed.GetValue(runs)} runs");
            }
            else
            {
                var table = new TextTable("rate", "results", "last in", "job");
                foreach (var job in flaky)
                    table.Add(($"{job.Rate:0%}", "yellow"), ($"{job.Disagreements} of {job.Results}", null), (job.LastRunId, "grey"), (job.JobKey, null));
                table.Write(output);
            }

            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results flaky", "in the newest runs")
            .WithExample("gauntlet results flaky --branch main --runs 100", "on a branch, further back");
    }
}
