using System.Globalization;
using System.Text;

namespace Gauntlet.Fuzz.Engine;

/// <summary>
/// What a run leaves, in AFL's layout: <c>queue</c>, <c>crashes</c>, <c>hangs</c>, <c>fuzzer_stats</c>, <c>plot_data</c>. A file appears under its name only when it is
/// whole, so that a kill at any instant leaves a directory that can be read and gone on from.
/// </summary>
public sealed class OutputDirectory
{
    /// <summary>In the directory: the input that is being run.</summary>
    public const string CurrentInputFile = ".cur_input";

    // ENOSPC.
    private const int NoSpace = 28;

    private static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(2);

    private const string SourcesFile = "source_coverage", CountsFile = "bucket_counts", StatsFile = "fuzzer_stats", RunTimeKey = "run_time", BannerKey = "afl_banner";

    private readonly string _path;
    private readonly Action<string, byte[]> _write;
    private readonly Action<string> _tell;
    private readonly TimeSpan _betweenTries;
    private readonly Dictionary<string, long> _counts;
    private int _queue, _crashes, _hangs;
    private bool _areCountsWritten = true;

    /// <summary>Makes what is not there.</summary>
    public OutputDirectory(string path) : this(path, File.WriteAllBytes, Console.Error.WriteLine, BetweenTries)
    {
    }

    /// <param name="write">Writes a file.</param>
    /// <param name="tell">Given a line when the disk is full.</param>
    internal OutputDirectory(string path, Action<string, byte[]> write, Action<string> tell, TimeSpan betweenTries)
    {
        (_path, _write, _tell, _betweenTries) = (path, write, tell, betweenTries);
        foreach (var folder in (string[])["queue", "crashes", "hangs"])
            Directory.CreateDirectory(Path.Combine(path, folder));
        (_queue, _crashes, _hangs) = (Inputs("queue").Count, Inputs("crashes").Count, Inputs("hangs").Count);
        FuzzedBefore = TimeSpan.FromSeconds(long.TryParse(Stat(path, RunTimeKey), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? seconds : 0);
        _counts = ReadCounts(path);
    }

    /// <summary>The directory, where something was written to it, and those of several workers below it.</summary>
    public static IReadOnlyList<string> Parts(string path) => Directory.Exists(path)
        ? [.. Directory.EnumerateDirectories(path).Order(StringComparer.Ordinal).Prepend(path).Where(part => Directory.Exists(Path.Combine(part, "queue")))]
        : [];

    /// <summary>The input that is being run, in a mapping that outlives a killed process.</summary>
    public string CurrentInput => Path.Combine(_path, CurrentInputFile);

    public string Folder => _path;

    /// <summary>How long the directory was fuzzed when it was opened, over all sessions.</summary>
    public TimeSpan FuzzedBefore { get; }

    /// <summary>What is fuzzed in a directory; null when its statistics do not tell.</summary>
    public static string? Target(string path) => Stat(path, BannerKey);

    /// <summary>How many runs fell into each bucket of a directory; those of a worker's last second may be missing.</summary>
    public static Dictionary<string, long> ReadCounts(string path)
    {
        var (counts, file) = (new Dictionary<string, long>(StringComparer.Ordinal), Path.Combine(path, CountsFile));
        foreach (var words in File.Exists(file) ? File.ReadLines(file).Select(static line => line.Split('\t', 2)) : [])
        {
            if (words is [var number, var bucket] && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
                counts[bucket] = count;
        }
        return counts;
    }

    public int Crashes => _crashes;

    public int Hangs => _hangs;

    /// <summary>Paths of the inputs in <c>queue</c>, <c>crashes</c> or <c>hangs</c>, in order of finding.</summary>
    public IReadOnlyList<string> Inputs(string folder) => InputsOf(_path, folder);

    /// <summary>The same of a directory that is only read.</summary>
    public static IReadOnlyList<string> InputsOf(string path, string folder) =>
        [.. Directory.EnumerateFiles(Path.Combine(path, folder), "id:*").Where(static file => !file.EndsWith(".txt", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    /// <summary>Of the crashes: the first lines of their reports.</summary>
    public IEnumerable<string> Buckets() => Inputs("crashes").Select(path => File.ReadLines(path + ".txt").FirstOrDefault(""));

    /// <summary>Of the queue, by number; null when it is not there.</summary>
    public static byte[]? Queued(string path, int number) => Path.Combine(path, "queue", $"id:{number:d6}") is var file && File.Exists(file) ? File.ReadAllBytes(file) : null;

    public void AddQueue(ReadOnlySpan<byte> input) => Write(Path.Combine(_path, "queue", $"id:{_queue++:d6}"), input);

    /// <summary>With its report beside it.</summary>
    /// <param name="report">Its first line is the bucket.</param>
    /// <param name="after">Of fuzzing in this directory, over all sessions.</param>
    /// <param name="execs">Of the session; null: not counted.</param>
    public void AddCrash(ReadOnlySpan<byte> input, string report, TimeSpan after, long? execs = null) => AddFinding("crashes", new FindingName(_crashes++, after, execs), input, report);

    public void AddHang(ReadOnlySpan<byte> input, string report, TimeSpan after, long? execs = null) => AddFinding("hangs", new FindingName(_hangs++, after, execs), input, report);

    /// <summary>One more run fell into a bucket; written with the statistics.</summary>
    public void Count(string bucket)
    {
        _counts[bucket] = _counts.GetValueOrDefault(bucket) + 1;
        _areCountsWritten = false;
    }

    /// <summary>Replaces <c>fuzzer_stats</c> and adds a line to <c>plot_data</c>.</summary>
    public void WriteStats(in FuzzStats stats, string target, PowerSchedule schedule = Corpus.UsualSchedule)
    {
        var text = new StringBuilder();
        var percent = stats.EdgesTotal == 0 ? 0 : 100.0 * stats.Edges / stats.EdgesTotal;
        Line("start_time", stats.StartUnix);
        Line("last_update", stats.NowUnix);
        var runTime = (long)FuzzedBefore.TotalSeconds + stats.NowUnix - stats.StartUnix;
        Line(RunTimeKey, runTime);
        Line("fuzzer_pid", Environment.ProcessId);
        Line("cycles_done", stats.Cycles);
        Line("execs_done", stats.Execs);
        Line("execs_per_sec", stats.ExecsPerSecond.ToString("0.00", CultureInfo.InvariantCulture));
        Line("corpus_count", stats.Corpus);
        Line("corpus_favored", stats.Favoured);
        Line("corpus_found", stats.Corpus);
        Line("cur_item", stats.Current);
        Line("pending_favs", stats.PendingFavoured);
        Line("pending_total", stats.Pending);
        Line("bitmap_cvg", percent.ToString("0.00", CultureInfo.InvariantCulture) + "%");
        Line("saved_crashes", _crashes);
        Line("saved_hangs", _hangs);
        Line("last_find", stats.LastFindUnix);
        Line("edges_found", stats.Edges);
        Line("total_edges", stats.EdgesTotal);
        Line(BannerKey, target);
        Line("afl_version", "gauntlet");
        Line("target_mode", "in-process");
        Line("command_line", $"gauntlet fuzz run {target} --schedule {schedule.ToString().ToLowerInvariant()}");
        Write(Path.Combine(_path, StatsFile), Encoding.UTF8.GetBytes(text.ToString()));

        // The columns are AFL's; of them the depth is not kept.
        var plot = Path.Combine(_path, "plot_data");
        if (!File.Exists(plot))
            Patiently(() => File.AppendAllText(plot, "# relative_time, cycles_done, cur_item, corpus_count, pending_total, pending_favs, map_size, saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found\n"));
        var row = string.Create(CultureInfo.InvariantCulture,
            $"{runTime}, {stats.Cycles}, {stats.Current}, {stats.Corpus}, {stats.Pending}, {stats.PendingFavoured}, {percent:0.00}%, {_crashes}, {_hangs}, 0, {stats.ExecsPerSecond:0.00}, {stats.Execs}, {stats.Edges}\n");
        Patiently(() => File.AppendAllText(plot, row));
        if (!_areCountsWritten)
            Write(Path.Combine(_path, CountsFile), Encoding.UTF8.GetBytes(string.Concat(_counts.Select(static count => string.Create(CultureInfo.InvariantCulture, $"{count.Value}\t{count.Key}\n")))));
        _areCountsWritten = true;

        void Line(string key, object value) => text.Append(CultureInfo.InvariantCulture, $"{key,-18}: {value}\n");
    }

    /// <summary>Replaces what is known of source lines.</summary>
    public void WriteSources(IReadOnlyList<SourceFile> files) => Write(Path.Combine(_path, SourcesFile), Encoding.UTF8.GetBytes(SourceFile.Format(files)));

    /// <summary>Source lines that runs reached and did not; empty where nothing is known.</summary>
    public IReadOnlyList<SourceFile> Sources() => Path.Combine(_path, SourcesFile) is var path && File.Exists(path) ? SourceFile.Parse(File.ReadAllText(path)) : [];

    // A line of fuzzer_stats.
    private static string? Stat(string path, string key) => Path.Combine(path, StatsFile) is var file && File.Exists(file)
        ? File.ReadLines(file).Select(static line => line.Split(':', 2, StringSplitOptions.TrimEntries)).FirstOrDefault(words => words.Length == 2 && words[0] == key)?[1]
        : null;

    private void AddFinding(string folder, in FindingName name, ReadOnlySpan<byte> input, string report)
    {
        var path = Path.Combine(_path, folder, name.ToString());
        Write(path + ".txt", Encoding.UTF8.GetBytes(report));
        Write(path, input);
    }

    private void Write(string path, ReadOnlySpan<byte> bytes)
    {
        var (whole, copy) = (Path.Combine(_path, ".tmp"), bytes.ToArray());
        Patiently(() => _write(whole, copy));
        File.Move(whole, path, overwrite: true);
    }

    // A night is not lost to a full disk: it goes on when there is room.
    private void Patiently(Action write)
    {
        for (var told = false; ; told = true)
        {
            try
            {
                write();
                return;
            }
            catch (IOException exception) when (exception.HResult == NoSpace)
            {
                if (!told)
                    _tell($"writing to {_path}: the disk is full; fuzzing goes on when there is room");
                Thread.Sleep(_betweenTries);
            }
        }
    }
}

/// <summary>Where a run stands. Times are seconds since 1970.</summary>
public readonly record struct FuzzStats(
    long StartUnix, long NowUnix, long LastFindUnix, long Execs, double ExecsPerSecond, int Cycles, int Current, int Corpus, int Favoured, int Pending, int PendingFavoured,
    int Edges, int EdgesTotal);
