using System.CommandLine;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results history</c>: one job, or one subtest of it, over time.</summary>
internal static class HistoryCommand
{
    private const int DefaultLimit = 20;

    /// <summary>Jobs that a pattern may name.</summary>
    private const int MaxJobs = 20;

    public static Command Create(Output output, StoreOption storeOption)
    {
        var job = new Argument<string?>("job") { Description = JobPattern.Help, Arity = ArgumentArity.ExactlyOne };
        storeOption.CompleteJobs(job);
        var subtest = new Option<string?>("--subtest") { Description = "This subtest of it, by its exact name", HelpName = "NAME" };
        var limit = new Option<int>("--limit", "-n") { Description = "At most so many results of each job", DefaultValueFactory = _ => DefaultLimit };
        var json = StoreOption.JsonOption();
        var command = new Command("history", "Past results of a job, newest first") { job, subtest, limit, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(limit) < 1)
                throw new UserException("--limit must be 1 or more.");
            using var store = storeOption.Open(parsed);
            var pattern = parsed.GetValue(job)!;
            var keys = store.GetJobKeys().Where(key => JobPattern.Matches(pattern, key)).ToList();
            if (keys.Contains(pattern))
                keys = [pattern];
            if (keys.Count == 0)
                throw new UserException($"The results store {store.Location} has no results of '{Harmless.Line(pattern)}'.");
            if (keys.Count > MaxJobs)
                throw new UserException($"'{Harmless.Line(pattern)}' names {keys.Count} jobs, {JobPattern.Some(keys)} among them; name at most {MaxJobs}.");

            var histories = keys.ConvertAll(key => (Key: key, Entries: Entries(store, key, parsed.GetValue(subtest), parsed.GetValue(limit))));
            if (parsed.GetValue(json))
                CommandJson.Write(output.Out, histories.Select(history => new { job = history.Key, subtest = parsed.GetValue(subtest), results = history.Entries }));
            else
                Print(output, histories, parsed.GetValue(subtest));
            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results history 'smoke/paging @ qemu/tcg/x86_64'", "one job")
            .WithExample("gauntlet results history paging", "a case in all cells")
            .WithExample("gauntlet results history paging --subtest 'PKRU read'", "one check of it");
    }

    private static IReadOnlyList<HistoryEntry> Entries(ResultStore store, string key, string? subtest, int limit)
    {
        var entries = store.GetHistory(key, limit);
        if (subtest is null)
            return entries;
        return entries
            .Select(entry => entry.RunId).Distinct(StringComparer.Ordinal)
            .SelectMany(runId => store.GetResults(runId, key).Select(result => (Entry: entries.First(e => e.RunId == runId), Result: result)))
            .SelectMany(pair => (pair.Result.Attempts.Count > 0 ? pair.Result.Attempts[^1].Subtests : []).Where(s => s.Name == subtest).Select(s => pair.Entry with { Verdict = s.Verdict }))
            .ToList();
    }

    private static void Print(Output output, List<(string Key, IReadOnlyList<HistoryEntry> Entries)> histories, string? subtest)
    {
        foreach (var (key, entries) in histories)
        {
            output.Out.WriteLine(Harmless.Line(key) + (subtest is null ? "" : $" › {Harmless.Line(subtest)}"));

            // Oldest first, as time is read: one look says since when.
            output.Out.WriteLine("  " + string.Concat(entries.Reverse().Select(entry => VerdictText.Symbol(output, entry.Verdict))));
            if (entries.Count == 0)
            {
                output.Out.WriteLine("  no results");
                continue;
            }

            var table = new TextTable("  run", "started", "branch", "revision", "verdict", "CPU", "wall");
            foreach (var entry in entries)
            {
                table.Add(
                    ("  " + entry.RunId, null), (Quantity.Instant(entry.StartedUtc), "grey"), (entry.Branch ?? "", null), (entry.Revision is { Length: > 12 } r ? r[..12] : entry.Revision ?? "", "grey"),
                    ($"{entry.Verdict.Symbol()} {entry.Verdict.Name()}{(entry.Flaky ? " (flaky)" : "")}", entry.Verdict.Style()),
                    (Quantity.Seconds(entry.CpuSeconds), null), (Quantity.Seconds(entry.WallSeconds), null));
            }

            table.Write(output);
            output.Out.WriteLine();
        }
    }
}
