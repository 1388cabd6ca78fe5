using System.Diagnostics;
using System.Text;

namespace Gauntlet.Pipelines.Bench;

/// <summary>What a check takes, start-up included: all patches against the peer, one patch, a very large one, a very long line.</summary>
internal static class Timing
{
    /// <summary>Times that we must be faster than the peer; less makes the exit code 1.</summary>
    private const double LeastSpeedUp = 20;

    private const int LargeLines = 450_000, LongLineBytes = 160 * 1024;

    private const long MostBytes = 1L << 30;

    private static readonly TimeSpan s_mostForOne = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan s_mostForLarge = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_betweenLooks = TimeSpan.FromMilliseconds(20);

    /// <summary>Prints each measurement with its goal; false when one is missed.</summary>
    public static bool Run(ComparisonOptions options)
    {
        var watch = Stopwatch.StartNew();
        Comparison.RunPerl(options, options.Patches);
        var theirs = watch.Elapsed;
        var ours = Median(5, () => Measure(options, options.Patches).Time);
        var median = options.Patches.OrderBy(patch => new FileInfo(patch).Length).ElementAt(options.Patches.Count / 2);
        var one = Median(21, () => Measure(options, [median]).Time);
        Console.WriteLine($"all patches in one process: {theirs.TotalSeconds:F2} s there, {ours.TotalSeconds:F3} s here, {theirs / ours:F1} times faster (goal {LeastSpeedUp})");
        Console.WriteLine($"one patch, start-up included: {one.TotalMilliseconds:F0} ms (goal {s_mostForOne.TotalMilliseconds})");
        var folder = Directory.CreateTempSubdirectory("gauntlet-bench-");
        try
        {
            var (large, longLine) = (Path.Combine(folder.FullName, "large.patch"), Path.Combine(folder.FullName, "long.patch"));
            WriteLarge(large, options.Patches);
            File.WriteAllText(longLine, $"--- a/x.c\n+++ b/x.c\n@@ -1,0 +1 @@\n+    {string.Concat(Enumerable.Repeat("f(a[1], (int *)b) + ", LongLineBytes / 20))};\n");
            var (time, bytes) = Measure(options, [large]);
            var line = Median(5, () => Measure(options, [longLine]).Time) - one;
            Console.WriteLine($"{LargeLines} lines of these patches as one: {time.TotalSeconds:F2} s, {bytes / (1 << 20)} MiB (goal {s_mostForLarge.TotalSeconds} s, {MostBytes / (1 << 20)} MiB)");
            Console.WriteLine($"a line of {LongLineBytes / 1024} KB: {line.TotalMilliseconds:F0} ms more than the one patch");
            return theirs / ours >= LeastSpeedUp && one <= s_mostForOne && time <= s_mostForLarge && bytes < MostBytes;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The patches' diffs one after the other, over and over.</summary>
    private static void WriteLarge(string path, IReadOnlyList<string> patches)
    {
        using var large = new StreamWriter(path, append: false, Encoding.Latin1);
        large.Write("From: A <a@b.c>\nSubject: [PATCH] all\n\nAll of it.\n\nSigned-off-by: A <a@b.c>\n---\n");
        for (var lines = 0; lines < LargeLines;)
        {
            var before = lines;
            foreach (var patch in patches)
            {
                foreach (var line in File.ReadLines(patch, Encoding.Latin1).SkipWhile(line => !line.StartsWith("diff --git ", StringComparison.Ordinal)).TakeWhile(line => line != "-- "))
                {
                    if (lines++ < LargeLines)
                        large.Write(line + "\n");
                }
            }
            if (lines == before)
                break;
        }
    }

    private static TimeSpan Median(int runs, Func<TimeSpan> measure) => Enumerable.Range(0, runs).Select(_ => measure()).Order().ElementAt(runs / 2);

    /// <summary>Wall time of one process, and the most memory that it was seen to hold.</summary>
    private static (TimeSpan Time, long Bytes) Measure(ComparisonOptions options, IEnumerable<string> patches)
    {
        string[] arguments = ["check", "--no-tree", "--rules", options.RuleSet, .. options.ExtraArguments, .. patches];
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo(options.Program ?? Environment.ProcessPath!, arguments) { RedirectStandardOutput = true })!;
        var drained = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        long most = 0;
        while (!process.WaitForExit(s_betweenLooks))
            most = Math.Max(most, PeakBytes(process.Id));
        drained.Wait();
        return (watch.Elapsed, most);
    }

    /// <summary>The kernel's mark of the most memory that a process held (proc(5), VmHWM); 0 when it has ended.</summary>
    private static long PeakBytes(int process)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{process}/status"))
            {
                if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                    return long.Parse(line["VmHWM:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim()) * 1024;
            }
        }
        catch (IOException)
        {
            // It ended between two looks.
        }
        return 0;
    }
}
