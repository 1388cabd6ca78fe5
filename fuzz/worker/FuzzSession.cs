using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Worker;

/// <summary>What a session is asked for.</summary>
/// <param name="Target">As <see cref="TargetCatalogue.Create"/> takes it.</param>
/// <param name="Output">The directory that is written, and gone on from when it is there.</param>
public sealed record FuzzRequest(string Target, string Output)
{
    public ulong Seed { get; init; } = 1;

    /// <summary>Null for no limit.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>Null for no limit.</summary>
    public long? Execs { get; init; }

    /// <summary>Longest input that is made, 1 to <see cref="Mutator.MaxInputBytes"/>.</summary>
    public int InputBytes { get; init; } = Mutator.MaxInputBytes;

    /// <summary>By the clock a run may take this many times what it may take of the processor.</summary>
    public const int MostWaiting = 8;

    /// <summary>Where nothing else is asked for.</summary>
    public static readonly TimeSpan UsualHang = TimeSpan.FromSeconds(2);

    /// <summary>Longest that one run may take, of the processor.</summary>
    public TimeSpan Hang { get; init; } = UsualHang;

    /// <summary>Processes at the same time, 1 or more. Several have a directory each below <see cref="Output"/>, and take over what the others find.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>How many mutations an input has in its turn; null: the usual one, and of several processes each the next one.</summary>
    public PowerSchedule? Schedule { get; init; }

    /// <summary>Random inputs only, which coverage does not guide: for comparison.</summary>
    public bool IsBlind { get; init; }

    /// <summary>How many workers may die before the session ends: a target that kills each one finds nothing more.</summary>
    public int Deaths { get; init; } = 100;

    /// <summary>A folder that <see cref="WovenFolder.Create"/> filled, for several sessions; null: one of its own, with only what the target needs woven.</summary>
    public string? Woven { get; init; }

    /// <summary>Assemblies to weave beside the usual ones, by file name.</summary>
    public IReadOnlyCollection<string> Weave { get; init; } = [];
}

/// <summary>What one line of a worker says.</summary>
public readonly record struct FuzzProgress(long Execs, long ExecsPerSecond, int Edges, int EdgesTotal, int Corpus, int Crashes, int Hangs);

/// <summary>Starts workers, one after the other: a process that dies of an input, or hangs on it, leaves the input and is replaced.</summary>
public static class FuzzSession
{
    private const int Killed = 128 + 9;

    /// <returns>What the last worker said.</returns>
    /// <exception cref="UserException">The target is unknown, or workers die without running anything.</exception>
    public static async Task<FuzzProgress> RunAsync(FuzzRequest request, Action<FuzzProgress> progress, CancellationToken cancellation)
    {
        if (request.Woven is { } ready)
            return await RunJobsAsync(request, ready, progress, cancellation);
        var woven = Path.Combine(Path.GetTempPath(), $"gauntlet-fuzz-{Guid.NewGuid():n}");
        try
        {
            WovenFolder.Create(woven, TargetCatalogue.UnderTest(request.Target), request.Weave);
            return await RunJobsAsync(request, woven, progress, cancellation);
        }
        finally
        {
            if (Directory.Exists(woven))
                Directory.Delete(woven, recursive: true);
        }
    }

    private static async Task<FuzzProgress> RunJobsAsync(FuzzRequest request, string woven, Action<FuzzProgress> progress, CancellationToken cancellation)
    {
        if (request.Jobs <= 1)
            return await RunWorkersAsync(request, woven, null, progress, cancellation);
        const ulong SeedsApart = 1_000_003;
        var (at, gate) = (new FuzzProgress[request.Jobs], new Lock());
        await Task.WhenAll(Enumerable.Range(0, request.Jobs).Select(async number =>
        {
            var one = request with
            {
                Output = Path.Combine(request.Output, $"worker-{number:d2}"),
                Seed = request.Seed + (ulong)number * SeedsApart,
                Execs = request.Execs / request.Jobs,
                Schedule = request.Schedule ?? ScheduleOf(number),
            };
            at[number] = await RunWorkersAsync(one, woven, Path.GetFullPath(request.Output), said => Say(number, said), cancellation);
        }));
        return Sum();

        void Say(int number, FuzzProgress said)
        {
            lock (gate)
            {
                at[number] = said;
                // One of them tells for all.
                if (number == 0)
                    progress(Sum());
            }
        }

        FuzzProgress Sum() => new(
            at.Sum(one => one.Execs), at.Sum(one => one.ExecsPerSecond), at.Max(one => one.Edges), at.Max(one => one.EdgesTotal), at.Max(one => one.Corpus),
            OutputDirectory.Parts(request.Output).SelectMany(part => new OutputDirectory(part).Buckets()).Distinct().Count(), at.Sum(one => one.Hangs));
    }

    // What one does not come upon another may: so afl-fuzz's users mix them (AFL++, docs/fuzzing_in_depth.md, "Using multiple cores").
    private static PowerSchedule ScheduleOf(int job) => (PowerSchedule)(((int)Corpus.UsualSchedule + job) % Enum.GetValues<PowerSchedule>().Length);

    private static async Task<FuzzProgress> RunWorkersAsync(FuzzRequest request, string woven, string? shared, Action<FuzzProgress> progress, CancellationToken cancellation)
    {
        var before = new OutputDirectory(request.Output).FuzzedBefore;
        var current = Path.Combine(request.Output, OutputDirectory.CurrentInputFile);
        var watch = Stopwatch.StartNew();
        var last = default(FuzzProgress);
        long execsBefore = 0;
        for (var seed = request.Seed; ; seed++)
        {
            var left = request.Time is { } time ? time - watch.Elapsed : (TimeSpan?)null;
            File.Delete(current);
            var (status, error) = await RunWorkerAsync(request, woven, shared, seed, left, request.Execs - execsBefore, said =>
            {
                last = said with { Execs = said.Execs + execsBefore };
                progress(last);
            }, cancellation);
            if (status == 0)
                return last;
            if (status == Killed || CurrentRun.Left(current) is not { } input)
                throw new UserException($"fuzzing {request.Target}: the worker ended with status {status}: {error}", ExitCode.Environment);
            // Opened again: the worker wrote to it as well.
            var output = new OutputDirectory(request.Output);
            var finding = status == Program.HangStatus ? Finding.Hang(request.Hang) : Finding.FromDeath(status, error);
            if (status == Program.HangStatus)
                output.AddHang(input, $"{finding.Bucket}\n", before + watch.Elapsed, last.Execs);
            else
                output.AddCrash(input, $"{finding.Bucket}\n{finding.Report}\n", before + watch.Elapsed, last.Execs);
            execsBefore = last.Execs;
            if (seed - request.Seed + 1 >= (ulong)request.Deaths || left < TimeSpan.Zero || request.Execs <= execsBefore)
                return last with { Crashes = output.Crashes, Hangs = output.Hangs };
        }
    }

    private static async Task<(int Status, string Error)> RunWorkerAsync(
        FuzzRequest request, string woven, string? shared, ulong seed, TimeSpan? time, long? execs, Action<FuzzProgress> said, CancellationToken cancellation)
    {
        string[] arguments =
        [
            "exec", Path.Combine(woven, WovenFolder.Program), request.Target, Path.GetFullPath(request.Output), seed.ToString(CultureInfo.InvariantCulture),
            Number(time is { } limit ? Math.Max((long)limit.TotalMilliseconds, 0) : -1), Number(execs ?? -1), Number((long)request.Hang.TotalMilliseconds),
            Number(request.InputBytes), shared ?? "", request.IsBlind ? "blind" : "", (request.Schedule ?? Corpus.UsualSchedule).ToString(),
        ];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })
            ?? throw new IOException("starting dotnet: it did not start");
        // Its input stays open as long as this process lives: a worker ends when that does (Program.EndWithStarter).
        try
        {
            var error = process.StandardError.ReadToEndAsync(cancellation);
            while (await process.StandardOutput.ReadLineAsync(cancellation) is { } line)
            {
                var words = line.Split(' ');
                if (words.Length == 7)
                    said(new FuzzProgress(Long(0), Long(1), (int)Long(2), (int)Long(3), (int)Long(4), (int)Long(5), (int)Long(6)));

                long Long(int index) => long.Parse(words[index], CultureInfo.InvariantCulture);
            }
            await process.WaitForExitAsync(cancellation);
            return (process.ExitCode, (await error).Trim());
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
