using System.Buffers.Text;
using System.Globalization;

namespace Gauntlet.Harness.Measuring;

/// <summary>What a process and its live descendants have used so far.</summary>
/// <param name="Cpu">User and system time, of children they have waited for too.</param>
/// <param name="ResidentBytes">Resident sets together; pages shared between them count for each.</param>
public readonly record struct ProcessUsage(TimeSpan Cpu, long ResidentBytes);

/// <summary>Reads proc(5). Processes come and go while it is read: what is gone counts nothing.</summary>
public static class ProcessTree
{
    /// <summary>USER_HZ: what /proc counts time in on every Linux architecture that .NET runs on.</summary>
    private const int TicksPerSecond = 100;

    private const int MaxDepth = 16, MaxProcesses = 4096;

    /// <summary>Usage of the process and everything below it; zero when it is gone.</summary>
    public static ProcessUsage Sample(int processId)
    {
        var counted = 0;
        var (ticks, pages) = Sum(processId, 0, ref counted);
        return new ProcessUsage(TimeSpan.FromTicks(ticks * (TimeSpan.TicksPerSecond / TicksPerSecond)), pages * Environment.SystemPageSize);
    }

    private static (long Ticks, long Pages) Sum(int processId, int depth, ref int counted)
    {
        var (ticks, pages) = ReadStat(processId);
        if (depth >= MaxDepth || pages == 0)
            return (ticks, pages);
        foreach (var child in Children(processId))
        {
            if (++counted > MaxProcesses)
                break;
            var below = Sum(child, depth + 1, ref counted);
            ticks += below.Ticks;
            pages += below.Pages;
        }
        return (ticks, pages);
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

    private static List<int> Children(int processId)
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
