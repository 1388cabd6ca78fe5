using System.Globalization;

namespace Gauntlet.Results.Store;

/// <summary>
/// The process that writes a run, told so that nobody can mistake another for it: a process id is used again, an id with its start time is not,
/// and after a reboot no process is the same.
/// </summary>
/// <param name="Host">Host name and machine id (machine-id(5)).</param>
/// <param name="Boot">The kernel's random id of this boot.</param>
/// <param name="Namespace">PID namespace: a container's ids mean nothing outside.</param>
/// <param name="ProcessId">In that namespace.</param>
/// <param name="ProcessStart">Clock ticks after boot (proc(5), stat field 22).</param>
internal sealed record RunOwner(string Host, string Boot, string Namespace, long ProcessId, long ProcessStart)
{
    /// <summary>This process.</summary>
    public static RunOwner Current { get; } = new(
        $"{Environment.MachineName} {ReadLine("/etc/machine-id")}",
        ReadLine("/proc/sys/kernel/random/boot_id"),
        new FileInfo("/proc/self/ns/pid").LinkTarget ?? "",
        Environment.ProcessId,
        StartOf(Environment.ProcessId) ?? 0);

    /// <summary>True when the process has surely ended; false when it lives, or when this host cannot know.</summary>
    public bool IsGone()
    {
        if (Host != Current.Host)
            return false;
        if (Boot != Current.Boot)
            return true;
        return Namespace == Current.Namespace && StartOf(ProcessId) != ProcessStart;
    }

    /// <summary>Start of a live process; null when there is none with that id, or only its unreaped rest.</summary>
    private static long? StartOf(long processId)
    {
        string stat;
        try
        {
            stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // The second field is the program's name in parentheses and may hold anything, also parentheses and spaces.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        const int state = 3 - 3, start = 22 - 3;
        return fields.Length > start && fields[state] is not ("Z" or "X") && long.TryParse(fields[start], CultureInfo.InvariantCulture, out var ticks) ? ticks : null;
    }

    private static string ReadLine(string file)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault("").Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
