using System.Diagnostics;
using System.Globalization;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gauntlet.Harness.Running;

/// <summary>Shows a run while it goes: what runs, what is done and how long it may take on a terminal; a line for each result that is no pass elsewhere.</summary>
internal sealed class RunProgress(Output output, IReadOnlyList<Job> jobs, IReadOnlyDictionary<string, JobTiming> timings, double cpus, bool verbose) : IRunObserver
{
    /// <summary>Where nobody watches, how often it is told how far it is.</summary>
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RedrawInterval = TimeSpan.FromMilliseconds(150);

    /// <summary>Running jobs shown; the rest is counted.</summary>
    private const int MaxShown = 12;

    /// <summary>Assumed of a job that has never run, until some have.</summary>
    private const double AssumedSeconds = 1;

    private readonly Lock _gate = new();
    private readonly Dictionary<(string, int), (Job Job, long Started)> _running = [];
    private readonly Queue<(JobResult Result, string Text)> _lines = [];
    private readonly VerdictCounts _counts = new();
    private readonly Stopwatch _elapsed = Stopwatch.StartNew();
    private double _doneSeconds;
    private int _done, _ended;
    private TimeSpan _told;

    public void Started(Job job)
    {
        lock (_gate)
            _running[(job.Key, job.Repetition)] = (job, Stopwatch.GetTimestamp());
    }

    public void Ended(JobResult result)
    {
        lock (_gate)
        {
            _running.Remove((result.Job.Key, result.Job.Repetition));
            _counts.Add(result.Verdict);
            _done++;
            if (result.Attempts.Count > 0)
            {
                _ended++;
                _doneSeconds += result.Attempts.Sum(attempt => attempt.WallSeconds);
            }
            if (verbose || result.Verdict is not (Verdict.Pass or Verdict.Skip or Verdict.KnownFail) || result.Flaky)
                Show(result);
            if (!output.Live && _elapsed.Elapsed - _told > PlainInterval)
            {
                _told = _elapsed.Elapsed;
                output.Error.WriteLine(Summary());
            }
        }
    }

    /// <summary>Runs something with the display on.</summary>
    public async Task<T> WatchAsync<T>(Func<Task<T>> run)
    {
        if (!output.Live)
            return await run();
        var task = run();
        await output.ErrorConsole.Live(new Text("")).AutoClear(true).Overflow(VerticalOverflow.Crop).StartAsync(async live =>
        {
            while (!task.IsCompleted)
            {
                live.UpdateTarget(Draw());
                await Task.WhenAny(task, Task.Delay(RedrawInterval));
            }
        });
        lock (_gate)
        {
            while (_lines.TryDequeue(out var line))
                output.ErrorConsole.MarkupLine(line.Text);
        }
        return await task;
    }

    private void Show(JobResult result)
    {
        var last = result.Attempts.Count > 0 ? result.Attempts[^1] : null;
        var name = Harmless.Line($"{result.Job.Suite}/{result.Job.Case} @ {result.Job.Cell}");
        var time = last is null ? "" : string.Create(CultureInfo.InvariantCulture, $" {last.WallSeconds:0.00} s");
        var why = result.Reason is null ? "" : Harmless.Line($": {result.Reason}");
        if (output.Live)
            _lines.Enqueue((result, $"[{result.Verdict.Style()}]{result.Verdict.Symbol()} {result.Verdict.Name()}[/] {Markup.Escape(name)}[grey]{time}[/]{Markup.Escape(why)}"));
        else
            output.Error.WriteLine($"{result.Verdict.Symbol()} {result.Verdict.Name()}{(result.Flaky ? " (flaky)" : "")} {name}{time}{why}");
    }

    private IRenderable Draw()
    {
        lock (_gate)
        {
            var rows = new List<IRenderable>();
            foreach (var (_, text) in _lines.TakeLast(MaxShown))
                rows.Add(new Markup(text) { Overflow = Overflow.Ellipsis });
            foreach (var (job, started) in _running.Values.OrderBy(entry => entry.Started).Take(MaxShown))
                rows.Add(new Markup($"[grey]  {Stopwatch.GetElapsedTime(started).TotalSeconds,6:0.0} s[/] {Markup.Escape(Harmless.Line($"{job.Suite}/{job.Case} @ {job.Cell}"))}"));
            if (_running.Count > MaxShown)
                rows.Add(new Markup($"[grey]           and {_running.Count - MaxShown} more[/]"));
            rows.Add(new Markup($"[bold]{Markup.Escape(Summary())}[/]"));
            return new Rows(rows);
        }
    }

    private string Summary()
    {
        var counts = string.Join("  ", _counts.Present.Select(p => $"{p.Verdict.Symbol()} {p.Count} {p.Verdict.Name()}"));
        var left = Left();
        var eta = left is null ? "" : $", about {Quantity.Seconds(left.Value.TotalSeconds)} left";
        return $"{_done} of {jobs.Count} done, {_running.Count} running{eta}   {counts}";
    }

    /// <summary>By the past of each job that is left, and the mean of this run for those without one.</summary>
    private TimeSpan? Left()
    {
        if (_ended == 0 && timings.Count == 0)
            return null;
        var mean = _ended == 0 ? AssumedSeconds : _doneSeconds / _ended;
        var all = jobs.Where(job => job.SkipReason is null).Sum(job => timings.TryGetValue(job.Key, out var timing) ? timing.WallSeconds : mean);
        var seconds = Math.Max(0, all - _doneSeconds) / cpus;
        return seconds < 1 || _done == jobs.Count ? null : TimeSpan.FromSeconds(seconds);
    }
}
