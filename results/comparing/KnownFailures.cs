using System.Collections.Concurrent;
using System.Globalization;
using Gauntlet.Results.Records;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Comparing;

/// <summary>
/// Failures that are known and do not count, from a file: turns what fails as an entry says into known-fail, and what passes although an entry says that it
/// fails into unexpected-pass, so that the list cannot rot. The format is in <c>harness/README.md</c>. May be applied from any thread.
/// </summary>
public sealed class KnownFailures
{
    /// <summary>Format that this program reads.</summary>
    private const int Schema = 1;

    private readonly ConcurrentDictionary<KnownFailure, bool> matched = new(ReferenceEqualityComparer.Instance);

    public KnownFailures(IReadOnlyList<KnownFailure> entries) => Entries = entries;

    public static KnownFailures None => new([]);

    public IReadOnlyList<KnownFailure> Entries { get; }

    /// <summary>Entries that nothing came under since this was made, of the jobs that were executed: mistyped, or for something that is gone.</summary>
    public IEnumerable<KnownFailure> Unmatched => Entries.Where(entry => !matched.ContainsKey(entry));

    /// <exception cref="UserException">The file is missing or malformed; with file and line.</exception>
    public static KnownFailures Load(string path) => Read(YamlFile.Load(path));

    /// <inheritdoc cref="Load"/>
    /// <param name="path">For messages.</param>
    public static KnownFailures Parse(string text, string path) => Read(YamlFile.Parse(text, path));

    /// <summary>The result as it counts.</summary>
    /// <param name="host">The run's host facts.</param>
    /// <param name="today">The day that entries expire by.</param>
    public JobResult Apply(JobResult result, IReadOnlyDictionary<string, string> host, DateOnly today)
    {
        if (Entries.Count == 0 || result.Attempts.Count == 0 || !(result.Verdict.WasExecuted() || result.Verdict == Verdict.InfraError))
            return result;

        var concerned = Entries.Where(entry => entry.Concerns(result.Job, host) && (entry.Infra || result.Verdict != Verdict.InfraError)).ToList();
        if (concerned.Count == 0)
            return result;

        foreach (var entry in concerned.Where(entry => entry.Subtest is null))
            matched.TryAdd(entry, true);
        var attempts = result.Attempts.Select(attempt => Apply(attempt, concerned, today)).ToList();
        var last = attempts[^1];
        if (last.Verdict == result.Attempts[^1].Verdict)
            return result with { Attempts = attempts, Reason = last.Reason == result.Attempts[^1].Reason ? result.Reason : last.Reason };

        // Failed as known and passed when tried again: that is the known failure at times, no news that it is gone.
        if (last.Verdict == Verdict.UnexpectedPass && attempts.FindLast(a => a.Verdict == Verdict.KnownFail) is { } known)
            return result with { Attempts = attempts, Verdict = Verdict.KnownFail, Reason = known.Reason };
        return result with { Attempts = attempts, Verdict = last.Verdict, Reason = last.Reason };
    }

    private Attempt Apply(Attempt attempt, List<KnownFailure> concerned, DateOnly today)
    {
        var subtests = attempt.Subtests.ToArray();
        foreach (var entry in concerned.Where(entry => entry.Subtest is not null))
            Apply(entry, subtests, today);

        var judged = attempt with { Subtests = subtests };
        if (concerned.Find(entry => entry.Subtest is null && !entry.Expired(today)) is { } whole)
        {
            return attempt.Verdict switch
            {
                Verdict.Fail or Verdict.Timeout or Verdict.Crash => judged with { Verdict = Verdict.KnownFail, Reason = $"known: {whole}; it was {Was(attempt)}" },
                Verdict.InfraError when whole.Infra => judged with { Verdict = Verdict.KnownFail, Reason = $"known: {whole}; it was {Was(attempt)}" },
                Verdict.Pass when !whole.Intermittent => judged with { Verdict = Verdict.UnexpectedPass, Reason = $"passes, although it is known to fail: {whole}" },
                _ => judged,
            };
        }

        if (attempt.Verdict == Verdict.Fail && attempt.Subtests.Any(s => s.Verdict.IsFailure()) && !subtests.Any(s => s.Verdict.IsFailure()))
            return judged with { Verdict = Verdict.KnownFail, Reason = $"only known subtests fail; it was {Was(attempt)}" };
        if (attempt.Verdict == Verdict.Pass && Array.Find(subtests, s => s.Verdict == Verdict.UnexpectedPass) is { } stale)
            return judged with { Verdict = Verdict.UnexpectedPass, Reason = $"subtest '{stale.Name}' {stale.Detail}" };

        var expired = concerned.Find(entry => entry.Subtest is null && entry.Expired(today));
        return expired is not null && attempt.Verdict.IsFailure() ? judged with { Reason = $"{attempt.Reason}; no longer excused: {expired}" } : judged;
    }

    private void Apply(KnownFailure entry, Subtest[] subtests, DateOnly today)
    {
        var fitting = Enumerable.Range(0, subtests.Length).Where(i => Wildcard.Matches(entry.Subtest, subtests[i].Name)).ToList();
        if (fitting.Count == 0)
            return;
        matched.TryAdd(entry, true);
        if (entry.Expired(today))
            return;

        // One pattern may stand for a family of checks: it is out of date only when all of them pass.
        var stale = !entry.Intermittent && (!Wildcard.IsOne(entry.Subtest!) || fitting.TrueForAll(i => subtests[i].Verdict is Verdict.Pass or Verdict.Skip));
        foreach (var i in fitting)
        {
            subtests[i] = subtests[i].Verdict switch
            {
                Verdict.Fail => subtests[i] with { Verdict = Verdict.KnownFail, Detail = Join(subtests[i].Detail, $"known: {entry}") },
                Verdict.Pass when stale => subtests[i] with { Verdict = Verdict.UnexpectedPass, Detail = Join(subtests[i].Detail, $"passes, although it is known to fail: {entry}") },
                _ => subtests[i],
            };
        }
    }

    private static string Was(Attempt attempt) => attempt.Reason is null ? attempt.Verdict.Name() : $"{attempt.Verdict.Name()}: {attempt.Reason}";

    private static string Join(string? detail, string more) => string.IsNullOrEmpty(detail) ? more : $"{detail}; {more}";

    private static KnownFailures Read(YamlMap map)
    {
        map.RequireSchema(Schema);
        map.RefuseOthersThan("schema", "failures");
        return new KnownFailures(map.Maps("failures").Select(ReadEntry).ToList());
    }

    private static KnownFailure ReadEntry(YamlMap map)
    {
        map.RefuseOthersThan("suite", "case", "subtest", "cell", "host", "reason", "owner", "expires", "intermittent", "infra");
        if (map.Has("subtest") && string.IsNullOrEmpty(map.Text("subtest")))
            throw map.Error("'subtest' is empty; leave it out when the case itself fails.", "subtest");
        return new KnownFailure
        {
            Suite = map.RequiredText("suite"),
            Case = map.RequiredText("case"),
            Subtest = map.Text("subtest"),
            Cells = [.. (map.IsList("cell") ? map.Maps("cell") : map.Map("cell") is { } one ? [one] : []).Select(cell => Patterns(cell, CellAxes.Names))],
            Host = map.Map("host") is { } host ? Patterns(host, null) : [],
            Reason = map.RequiredText("reason"),
            Owner = map.RequiredText("owner"),
            Expires = ReadDay(map, "expires"),
            Intermittent = map.Flag("intermittent") ?? false,
            Infra = map.Flag("infra") ?? false,
            Source = map.Position(),
        };
    }

    private static Dictionary<string, string> Patterns(YamlMap map, IReadOnlyList<string>? known)
    {
        if (known is not null)
            map.RefuseOthersThan([.. known]);
        return map.Keys.ToDictionary(name => name, map.RequiredText, StringComparer.Ordinal);
    }

    private static DateOnly? ReadDay(YamlMap map, string key)
    {
        if (map.Text(key) is not { } text)
            return null;
        return DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
            ? day
            : throw map.Error($"'{key}' must be a day as 2027-06-30, not '{text}'.", key);
    }
}
