using System.Globalization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Scheduling;

/// <summary>What of a host explains differences between runs.</summary>
public static class HostFacts
{
    /// <param name="cells">For the versions of their VMMs: <c>qemu x86_64</c>.</param>
    public static IReadOnlyDictionary<string, string> Collect(KvmHost kvm, IReadOnlyList<CellStatus> cells)
    {
        var facts = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["host"] = Environment.MachineName,
            ["kernel"] = Line("/proc/sys/kernel/osrelease") ?? Environment.OSVersion.VersionString,
            ["cpu"] = Field("/proc/cpuinfo", "model name") ?? Field("/proc/cpuinfo", "CPU part") ?? "unknown",
            ["cpus"] = Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture),
            ["memory"] = Field("/proc/meminfo", "MemTotal") ?? "unknown",
            ["kvm"] = kvm.Kind.ToString().ToLowerInvariant(),
        };
        foreach (var status in cells)
        {
            if (status.FullVersion is { } version)
                facts[VmmFact(status.Cell)] = version;
        }
        return facts;
    }

    /// <summary>The fact that holds the version of a cell's VMM: <c>qemu x86_64</c>, <c>gvmm@HEAD~3 x86_64</c>.</summary>
    public static string VmmFact(Cell cell) => $"{cell.Vmm}{(cell.VmmVersion is null ? "" : "@" + cell.VmmVersion)} {cell.Arch}";

    private static string? Line(string path) => Lines(path).FirstOrDefault();

    private static string? Field(string path, string name) =>
        Lines(path).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2).ElementAtOrDefault(1)?.Trim();

    private static IReadOnlyList<string> Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
