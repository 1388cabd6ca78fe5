namespace Gauntlet.Pipelines.Isolation;

/// <summary>What the kernel says of the control group of a process that an engine started.</summary>
internal static class ControlGroup
{
    private const string Root = "/sys/fs/cgroup";

    /// <summary>True when the kernel has ended a process of the group for want of memory within its limit (Linux, admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst); false where nobody counts that.</summary>
    public static bool HasRunOutOfMemory(int process)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{process}/cgroup"))
            {
                // hierarchy:controllers:path, the controllers empty for version 2 (cgroups(7)).
                var parts = line.Split(':', 3);
                var counts = parts is [_, "memory", var first] ? $"{Root}/memory{first}/memory.oom_control"
                    : parts is ["0", "", var second] ? $"{Root}{second}/memory.events"
                    : null;
                if (counts is not null && File.Exists(counts) && File.ReadLines(counts).Any(count => count.StartsWith("oom_kill ", StringComparison.Ordinal) && count != "oom_kill 0"))
                    return true;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The process has ended, and its group with it.
        }

        return false;
    }
}
