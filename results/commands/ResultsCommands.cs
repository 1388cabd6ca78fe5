using System.CommandLine;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results …</c>: what was run, what came of it, what changed.</summary>
public sealed class ResultsCommands : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        var store = new StoreOption();
        var results = new Command("results", "What was run, what came of it, what changed") { store.Location };
        results.Add(ListCommand.Create(output, store));
        results.Add(ShowCommand.Create(output, store));
        results.Add(DiffCommand.Create(output, store));
        results.Add(HistoryCommand.Create(output, store));
        results.Add(FlakyCommand.Create(output, store));
        results.Add(ExportCommand.Create(output, store));
        results.Add(PruneCommand.Create(output, store));
        yield return results
            .WithExample("gauntlet results list", "the newest runs")
            .WithExample("gauntlet results show", "the newest run: its grid and what failed")
            .WithExample("gauntlet results show latest paging", "one case: verdict, subtests, the command line to repeat it")
            .WithExample("gauntlet results diff --baseline main", "what the newest run changed against a branch");
    }
}
