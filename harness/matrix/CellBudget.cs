using System.CommandLine.Parsing;
using System.Globalization;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Harness.Matrix;

/// <summary>What a run of a cell would tell, the most valuable first.</summary>
public enum CellValue
{
    /// <summary>A case of it failed in its latest run.</summary>
    FailedLately,

    /// <summary>Its VMM or an image of its cases is newer than its latest run, or its VMM has another version.</summary>
    Changed,

    /// <summary>None, or not all, of its cases were ever executed.</summary>
    NeverRun,

    /// <summary>Passed, and nothing changed since.</summary>
    Unchanged,
}

/// <summary>A cell's place in a budget.</summary>
/// <param name="Estimate">Time of its jobs together as one CPU would take, with the start of an L1 where they need one.</param>
/// <param name="Guessed">Jobs of which nothing is known: the estimate goes by what others of the accelerator take.</param>
/// <param name="LatestUtc">Its latest run; null: none.</param>
/// <param name="Taken">It is within the budget.</param>
public sealed record BudgetedCell(Cell Cell, CellValue Value, int Jobs, int Guessed, TimeSpan Estimate, DateTime? LatestUtc, bool Taken);

/// <summary>Chooses cells for a run that may take only so long: by what they would tell, then the longest not run, as many as fit by the medians of past runs.</summary>
public static class CellBudget
{
    /// <summary>A job of which nothing is known, when nothing is known of any.</summary>
    private const double AssumedSeconds = 2;

    /// <summary>For an emulated L1 to come up: it is no job's time.</summary>
    private const double L1StartSeconds = 15;

    /// <summary>A job that waits more than it works still takes a place in the schedule: see <see cref="JobLoad"/>.</summary>
    private const double LeastShare = 0.2;

    /// <summary>For the option's validation.</summary>
    public static void Check(OptionResult result)
    {
        if (result.Tokens.Count > 0 && !TryParse(result.Tokens[0].Value, out _))
            result.AddError($"--budget takes a time such as 90s, 20m or 2h, not '{result.Tokens[0].Value}'.");
    }

    /// <summary>A time that <see cref="Check"/> let pass.</summary>
    public static TimeSpan Parse(string text) => TryParse(text, out var time) ? time : throw new FormatException($"'{text}' is no time");

    /// <summary>
    /// Values every cell that has a job to run, and marks those that fit. Where none does the most valuable is taken: a run that does nothing keeps no budget either.
    /// </summary>
    /// <param name="statuses">The cells as the drivers answered.</param>
    /// <param name="jobs">All jobs in them; those with a reason to skip cost nothing and are not counted.</param>
    /// <param name="budget">Wall time.</param>
    /// <param name="cpus">Jobs side by side.</param>
    /// <param name="programs">Cells' VMM programs, for their time of change, as far as they are known.</param>
    /// <returns>In the order of value.</returns>
    public static IReadOnlyList<BudgetedCell> Choose(
        IReadOnlyList<CellStatus> statuses, IReadOnlyList<Job> jobs, IStore store, TimeSpan budget, int cpus, IReadOnlyDictionary<Cell, string> programs)
    {
        var past = new Past(store);
        var groups = jobs.Where(job => job.SkipReason is null).GroupBy(job => job.Cell).Select(group => (Cell: group.Key, Jobs: group.ToList(), Known: past.Costs(group))).ToList();
        var cells = new List<BudgetedCell>();
        foreach (var (cell, own, known) in groups)
        {
            var (value, latest) = past.Value(statuses.First(status => status.Cell == cell), own, programs.GetValueOrDefault(cell));
            var guessed = own.Count(job => !known.ContainsKey(job.Key));
            var seconds = own.Sum(job => known.TryGetValue(job.Key, out var cost) ? cost : 0) + (guessed == 0 ? 0 : guessed * Typical(cell.Accel))
                + (cell.Accel == L1Supply.Accel ? L1StartSeconds : 0);
            cells.Add(new BudgetedCell(cell, value, own.Count, guessed, TimeSpan.FromSeconds(seconds), latest, false));
        }
        var left = budget * cpus;
        var ordered = new List<BudgetedCell>();
        foreach (var cell in cells.OrderBy(cell => cell.Value).ThenBy(cell => cell.LatestUtc ?? DateTime.MinValue))
        {
            // A smaller one further down may still fit where a larger one does not.
            var taken = cell.Estimate <= left;
            if (taken)
                left -= cell.Estimate;
            ordered.Add(cell with { Taken = taken });
        }
        if (ordered.Count > 0 && ordered.TrueForAll(cell => !cell.Taken))
            ordered[0] = ordered[0] with { Taken = true };
        return ordered;

        // Of the same accelerator, for it decides; else of any, so many times longer as an emulated L1 is slower.
        double Typical(string accel)
        {
            var same = groups.Where(group => group.Cell.Accel == accel).SelectMany(group => group.Known.Values).ToList();
            if (same.Count > 0)
                return same.Average();
            var any = groups.Where(group => group.Cell.Accel != L1Supply.Accel).SelectMany(group => group.Known.Values).DefaultIfEmpty(AssumedSeconds).Average();
            return accel == L1Supply.Accel ? any * L1Supply.TimeFactor : any;
        }
    }

    /// <summary>The jobs of the cells taken, and those that are skipped anyway.</summary>
    public static List<Job> Keep(IReadOnlyList<BudgetedCell> cells, IEnumerable<Job> jobs)
    {
        var leftOut = cells.Where(cell => !cell.Taken).Select(cell => cell.Cell).ToHashSet();
        return [.. jobs.Where(job => job.SkipReason is not null || !leftOut.Contains(job.Cell))];
    }

    /// <summary>What was left out, a line each; nothing when all fits.</summary>
    public static IEnumerable<string> Notes(IReadOnlyList<BudgetedCell> cells, TimeSpan budget, int cpus)
    {
        var left = cells.Where(cell => !cell.Taken).ToList();
        if (left.Count == 0)
            yield break;
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"--budget {Text(budget)} leaves out {left.Count} of {cells.Count} cells, {left.Sum(cell => cell.Jobs)} jobs, about {Text(left.Aggregate(TimeSpan.Zero, (sum, cell) => sum + cell.Estimate) / cpus)}:");
        foreach (var cell in left)
            yield return string.Create(CultureInfo.InvariantCulture, $"  left out: {cell.Cell}: {cell.Jobs} jobs, {About(cell, cpus)}, {Text(cell.Value)}");
    }

    /// <summary>A cell's estimate for people, which says when it is a guess.</summary>
    public static string About(BudgetedCell cell, int cpus) =>
        $"about {Text(cell.Estimate / cpus)}{(cell.Guessed == 0 ? "" : cell.Guessed == cell.Jobs ? ", a guess" : string.Create(CultureInfo.InvariantCulture, $", {cell.Guessed} of them guessed"))}";

    /// <summary>As people say it.</summary>
    public static string Text(CellValue value) => value switch
    {
        CellValue.FailedLately => "failed lately",
        CellValue.Changed => "changed",
        CellValue.NeverRun => "never run",
        _ => "unchanged",
    };

    /// <summary>Minutes from ten up, else seconds.</summary>
    public static string Text(TimeSpan time) => time.TotalMinutes >= 10
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");

    private static bool TryParse(string text, out TimeSpan time) => DurationText.TryParse(text, out time) && time > TimeSpan.Zero;

    /// <summary>What the store knows of cells.</summary>
    private sealed class Past(IStore store)
    {
        private readonly Dictionary<string, Run?> _runs = [];
        private readonly Dictionary<string, List<HistoryEntry>> _executed = [];

        /// <summary>What jobs took when they were executed, whatever came of it: seconds of a CPU, the median, by key.</summary>
        public Dictionary<string, double> Costs(IEnumerable<Job> jobs)
        {
            var costs = new Dictionary<string, double>();
            foreach (var key in jobs.Select(job => job.Key).Distinct())
            {
                if (Executed(key) is { Count: > 0 } entries)
                    costs[key] = entries.Select(entry => Math.Max(entry.CpuSeconds, entry.WallSeconds * LeastShare)).Order().ElementAt(entries.Count / 2);
            }
            return costs;
        }

        /// <summary>The newest first. A skip says nothing of the case.</summary>
        private List<HistoryEntry> Executed(string key)
        {
            if (!_executed.TryGetValue(key, out var entries))
                _executed[key] = entries = [.. store.GetHistory(key, 8).Where(entry => entry.Verdict.WasExecuted())];
            return entries;
        }

        public (CellValue Value, DateTime? LatestUtc) Value(CellStatus status, IReadOnlyList<Job> jobs, string? program)
        {
            var latest = (Entry: (HistoryEntry?)null, Oldest: DateTime.MaxValue);
            var (failed, missing) = (false, false);
            foreach (var job in jobs)
            {
                if (Executed(job.Key) is not [var entry, ..])
                {
                    missing = true;
                    continue;
                }
                failed |= entry.Verdict.IsFailure() || entry.Flaky;
                if (latest.Entry is null || entry.StartedUtc > latest.Entry.StartedUtc)
                    latest.Entry = entry;
                latest.Oldest = entry.StartedUtc < latest.Oldest ? entry.StartedUtc : latest.Oldest;
            }
            if (failed)
                return (CellValue.FailedLately, latest.Entry!.StartedUtc);
            if (latest.Entry is { } seen && (HasOtherVersion(status, seen) || IsNewer(program, latest.Oldest) || jobs.Any(job => IsNewer(job.Image, latest.Oldest) || IsNewer(job.Initrd, latest.Oldest))))
                return (CellValue.Changed, seen.StartedUtc);
            return (missing ? CellValue.NeverRun : CellValue.Unchanged, latest.Entry?.StartedUtc);
        }

        /// <summary>Host facts name each VMM's version: see <see cref="HostFacts"/>.</summary>
        private bool HasOtherVersion(CellStatus status, HistoryEntry entry)
        {
            if (!_runs.TryGetValue(entry.RunId, out var run))
                _runs[entry.RunId] = run = store.FindRun(entry.RunId);
            return status.FullVersion is { } version && run?.Host.GetValueOrDefault(HostFacts.VmmFact(status.Cell)) is { } then && then != version;
        }

        private static bool IsNewer(string? file, DateTime thanUtc) => file is not null && File.Exists(file) && File.GetLastWriteTimeUtc(file) > thanUtc;
    }
}
