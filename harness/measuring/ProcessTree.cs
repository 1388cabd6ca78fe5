using System.Buffers.Text;
using System.Globalization;

namespace Gauntlet.Harness.Measuring;

/// <summary>What a process and its live descendants have used so far.</summary>
/// <param name="Cpu">User and system time, of children they have waited for too.</param>
/// <param name="ResidentBytes">Resident sets together; pages shared between them count for each.</param>
/// <param name="Delayed">
/// How long that thread of theirs which waited most was ready to run and the host's CPUs were busy with others: on an idle host the process would be further by so much.
/// Zero where the kernel does not count it (CONFIG_SCHED_INFO).
/// </param>
public readonly record struct ProcessUsage(TimeSpan Cpu, long ResidentBytes, TimeSpan Delayed);

/// <summary>Reads proc(5). Processes come and go while it is read: what is gone counts nothing.</summary>
public static class ProcessTree
{
    /// <summary>USER_HZ: what /proc counts time in on every Linux architecture that .NET runs on.</summary>
    private const int TicksPerSecond = 100;

    private const int MaxDepth = 16, MaxProcesses = 4096;

    /// <summary>Usage of the process and everything below it; zero when it is gone.</summary>
    public static ProcessUsage Sample(int processId)
    {
        var total = default(Total);
        Add(processId, 0, ref total);
        return new ProcessUsage(
            TimeSpan.FromTicks(total.Ticks * (TimeSpan.TicksPerSecond / TicksPerSecond)), total.Pages * Environment.SystemPageSize,
            TimeSpan.FromTicks(total.DelayedNs / TimeSpan.NanosecondsPerTick));
    }

    private struct Total
    {
        public long Ticks, Pages, DelayedNs;
        public int Processes;
    }

    private static void Add(int processId, int depth, ref Total total)
    {
        var (ticks, pages) = ReadStat(processId);
        total.Ticks += ticks;
        total.Pages += pages;
        if (depth >= MaxDepth || pages == 0 || ++total.Processes > MaxProcesses)
            return;
        foreach (var child in ReadThreads(processId, ref total.DelayedNs))
            Add(child, depth + 1, ref total);
    }

    /// <summary>Fields 14 to 17 (utime, stime, cutime, cstime) and 24 (rss) of /proc/PID/stat.</summary>
    private static (long Ticks, long Pages) ReadStat(int processId)
    {
        Span<byte> buffer = stackalloc byte[1024];
        ReadOnlySpan<byte> stat = Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"), buffer);
        // The second field is the program's name in parentheses and may hold anything, also parentheses and spaces.
        var nameEnd = stat.LastIndexOf((byte)')');
        if (nameEnd < 0)
            return default;
        stat = stat[(nameEnd + 1)..];
        long ticks = 0, pages = 0;
        var field = 2;
        foreach (var range in stat.Split((byte)' '))
        {
            if (field is >= 14 and <= 17 or 24 && Utf8Parser.TryParse(stat[range], out long value, out _))
            {
                if (field == 24)
                    pages = value;
                else
                    ticks += value;
            }
            field++;
        }
        return (ticks, pages);
    }

    /// <summary>The children of every thread, and the longest run delay: the second number of /proc/PID/task/TID/schedstat, in nanoseconds.</summary>
    private static List<int> ReadThreads(int processId, ref long delayedNs)
    {
        var children = new List<int>();
        Span<byte> buffer = stackalloc byte[8192];
        try
        {
            foreach (var task in Directory.EnumerateDirectories(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/task")))
            {
                ReadOnlySpan<byte> list = Read(Path.Join(task, "children"), buffer);
                foreach (var range in list.Split((byte)' '))
                {
                    if (Utf8Parser.TryParse(list[range], out int child, out _))
                        children.Add(child);
                }
                ReadOnlySpan<byte> schedule = Read(Path.Join(task, "schedstat"), buffer);
                var space = schedule.IndexOf((byte)' ');
                if (space > 0 && Utf8Parser.TryParse(schedule[(space + 1)..], out long delay, out _))
                    delayedNs = Math.Max(delayedNs, delay);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended while it was looked at.
        }
        return children;
    }

    private static ReadOnlySpan<byte> Read(string path, Span<byte> buffer)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            return buffer[..file.Read(buffer)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
