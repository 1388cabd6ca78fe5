using System.Globalization;

namespace Gauntlet.Pipelines.Isolation;

/// <summary>Sums the memory of the processes in a pid namespace, from outside it.</summary>
public static class NamespaceMemory
{
    /// <summary>
    /// Bytes of resident memory of all processes in one's namespace, shared pages counted for each: an upper bound, as a limit wants it. What a process maps of files is
    /// left out. Processes that end meanwhile count as nothing.
    /// </summary>
    /// <param name="process">Any process in it, or the one that made it for its children.</param>
    public static long Sum(int process)
    {
        var inside = NamespaceOf(process, "pid_for_children");
        if (inside is null || inside == NamespaceOf(Environment.ProcessId))
            return 0;
        long sum = 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), out var id) && NamespaceOf(id) == inside)
                sum += AnonymousBytes(id);
        }

        return sum;
    }

    private static string? NamespaceOf(int process, string kind = "pid")
    {
        try
        {
            return new FileInfo($"/proc/{process}/ns/{kind}").LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long AnonymousBytes(int process)
    {
        try
        {
            long kib = 0;
            foreach (var line in File.ReadLines($"/proc/{process}/status"))
            {
                if (line.StartsWith("RssAnon:", StringComparison.Ordinal) || line.StartsWith("RssShmem:", StringComparison.Ordinal))
                    kib += long.Parse(line.AsSpan(9).Trim().TrimEnd("kB ").Trim(), CultureInfo.InvariantCulture);
            }

            return kib << 10;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
