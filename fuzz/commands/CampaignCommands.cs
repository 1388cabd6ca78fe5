using System.CommandLine;
using Gauntlet.Fuzz.Campaigns;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz campaign</c> and <c>report</c>.</summary>
internal static class CampaignCommands
{
    public static Command Campaign(Output output)
    {
        var file = new Argument<string>("file") { Description = "YAML: targets, time, output" };
        var junit = new Option<string?>("--junit") { Description = "Write a JUnit file" };
        var seed = new Option<ulong>("--seed") { Description = "Of all that is random; another each night finds more", DefaultValueFactory = _ => 1 };
        var results = new Option<string?>("--results") { Description = "Results store that tells which failures are known: a folder, or postgres://user:password@host/database (default: gauntlet in the user's data folder)", HelpName = "DIR|URL" };
        var command = new Command("campaign", "Fuzz many targets, the time shared by what it brings; exit code 1 when something new fails") { file, junit, seed, results };
        command.SetAction(async (parsed, cancellation) =>
        {
            var asked = CampaignFile.Load(parsed.GetValue(file)!);
            using var store = ResultStore.Open(parsed.GetValue(results));
            var outcomes = await new Campaign(asked, parsed.GetValue(seed), output.Out.WriteLine, new FindingStore(store)).RunAsync(cancellation);
            if (parsed.GetValue(junit) is { } path)
                CampaignJUnit.Write(path, outcomes);
            foreach (var outcome in outcomes)
            {
                output.Out.WriteLine($"{(outcome.IsBad ? "FAIL" : "ok  ")} {outcome.Target,-16} {(long)outcome.Spent.TotalSeconds,6} s {outcome.Last.Execs,12} runs in the last turn {outcome.Last.Edges,6} edges {outcome.New.Count,3} new {outcome.Known.Count,3} known");
                foreach (var failure in outcome.New.Concat(outcome.Regressions))
                    output.Out.WriteLine($"     {failure}");
            }
            return outcomes.Any(outcome => outcome.IsBad) ? ExitCode.Failure : ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz campaign pipelines/nightly.yaml --junit fuzz.xml", "a night");
    }

    public static Command Report(Output output)
    {
        var folder = new Argument<string>("directory") { Description = "What `gauntlet fuzz run` wrote, or a campaign" };
        var to = new Option<string>("--output") { Description = "The page", DefaultValueFactory = _ => "fuzz.html" };
        var command = new Command("report", "One HTML page of a directory: edges, runs a second and finds over time, failures") { folder, to };
        command.SetAction(parsed =>
        {
            var page = HtmlPage.Render(parsed.GetValue(folder)!);
            File.WriteAllText(parsed.GetValue(to)!, page);
            output.Out.WriteLine(parsed.GetValue(to)!);
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz report fuzz-out/nightly --output night.html", "a campaign's page");
    }
}
