using System.CommandLine;
using System.CommandLine.Completions;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary>Which store, which run, which job: what the commands on results share, with completion from the store itself.</summary>
internal sealed class StoreOption
{
    /// <summary>Entries that completion offers.</summary>
    private const int MaxCompletions = 50;

    /// <summary>Said in every command's help for a run.</summary>
    public const string RunHelp = "Run: its id or a unique beginning of it, latest, or latest~1 for the one before";

    public Option<string?> Location { get; } = new("--results")
    {
        Description = "Results store: a folder, or postgres://user:password@host/database (default: gauntlet in the user's data folder)",
        HelpName = "DIR|URL",
        Recursive = true,
    };

    public ResultStore Open(ParseResult parsed) => ResultStore.Open(parsed.GetValue(Location));

    public Argument<string> RunArgument(string name = "run", string otherwise = "latest")
    {
        var argument = new Argument<string>(name) { Description = RunHelp, HelpName = name, DefaultValueFactory = _ => otherwise };
        argument.CompletionSources.Add(context => Complete(context, store => store.ListRuns(new RunFilter(MaxCompletions)).Select(run => run.Id).Prepend("latest")));
        return argument;
    }

    public Option<string?> BranchOption(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "BRANCH" };
        option.CompletionSources.Add(context => Complete(context, store => store.ListRuns(new RunFilter(MaxCompletions)).Select(run => run.Branch).OfType<string>().Distinct()));
        return option;
    }

    public void CompleteJobs(Argument<string?> argument)
    {
        argument.HelpName = argument.Name;
        argument.CompletionSources.Add(context => Complete(context, store => store.GetJobKeys()));
    }

    public static Option<bool> JsonOption() => new("--json") { Description = "JSON for scripts" };

    /// <exception cref="UserException">There is none.</exception>
    public static Run Find(ResultStore store, string idOrPrefix) => store.FindRun(idOrPrefix) ?? throw new UserException(
        idOrPrefix.StartsWith("latest", StringComparison.Ordinal)
            ? $"The results store {store.Location} has no run '{idOrPrefix}': it holds {store.ListRuns(new RunFilter(int.MaxValue)).Count}. `gauntlet run` adds one."
            : $"The results store {store.Location} has no run '{idOrPrefix}'. `gauntlet results list` shows those that it has.");

    private IEnumerable<string> Complete(CompletionContext context, Func<ResultStore, IEnumerable<string>> offer)
    {
        try
        {
            // Completion must not make a store where there is none.
            var location = context.ParseResult.GetValue(Location) ?? ResultStore.DefaultFolder();
            if (!location.Contains("://", StringComparison.Ordinal) && !Directory.Exists(location))
                return [];
            using var store = ResultStore.Open(location);
            return offer(store).Where(word => word.StartsWith(context.WordToComplete, StringComparison.Ordinal)).Take(MaxCompletions).ToList();
        }
        catch (Exception e) when (e is StoreException or UserException)
        {
            return [];
        }
    }
}
