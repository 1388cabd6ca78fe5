using System.Globalization;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Measuring;

/// <summary>Memory of a process, of /proc/PID/smaps_rollup (proc(5)).</summary>
/// <param name="UssBytes">Pages that only it has: what ending it would free.</param>
/// <param name="PssBytes">Those, and its part of pages that it shares: what it costs beside the others that run now.</param>
/// <param name="RssBytes">All its resident pages.</param>
public sealed record ProcessMemory(long UssBytes, long PssBytes, long RssBytes)
{
    private const int SIGSTOP = 19;

    /// <summary>Null: it is gone, or the kernel does not let it be read.</summary>
    public static ProcessMemory? Of(int processId)
    {
        try
        {
            return Parse(File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/smaps_rollup")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Stops a process where it is, until it is continued or killed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not one process: 0 and less are whole process groups, the caller's own among them.</exception>
    public static void Stop(int processId)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId);
        _ = Libc.kill(processId, SIGSTOP);
    }

    internal static ProcessMemory? Parse(IEnumerable<string> lines)
    {
        var fields = new Dictionary<string, long>();
        foreach (var line in lines)
        {
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var name, var kibibytes, "kB"] && long.TryParse(kibibytes, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                fields[name] = value << 10;
        }
        return fields.TryGetValue("Pss:", out var pss) && fields.TryGetValue("Private_Dirty:", out var dirty) && fields.TryGetValue("Private_Clean:", out var clean) && fields.TryGetValue("Rss:", out var rss)
            ? new ProcessMemory(dirty + clean, pss, rss)
            : null;
    }
}
