using System.Globalization;

namespace Gauntlet.Harness.Scheduling;

/// <summary>What of this host attempts may take together.</summary>
/// <param name="Cpus">CPUs to keep busy, 1 up.</param>
/// <param name="MemoryBytes">Resident memory.</param>
public readonly record struct HostBudget(double Cpus, long MemoryBytes)
{
    /// <summary>Of the memory that is available, the rest is left to the host.</summary>
    private const double MemoryShare = 0.8;

    private const long AssumedMemoryBytes = 2L << 30;

    /// <summary>So many CPUs, and most of the memory that is free now.</summary>
    public static HostBudget For(int cpus) => new(cpus, (long)(AvailableMemory() * MemoryShare));

    /// <summary>MemAvailable of /proc/meminfo, and no more than a control group allows.</summary>
    private static long AvailableMemory()
    {
        var limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        try
        {
            foreach (var line in File.ReadLines("/proc/meminfo"))
            {
                if (line.StartsWith("MemAvailable:", StringComparison.Ordinal)
                    && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture, out var kibibytes))
                    return Math.Min(limit, kibibytes << 10);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As when the kernel does not tell.
        }
        return Math.Min(limit, AssumedMemoryBytes);
    }
}

/// <summary>What one running job takes of the budget, as far as is known.</summary>
public sealed class JobLoad(int vcpus, long memoryBytes)
{
    /// <summary>A VMM that idles still counts so much: it may wake up.</summary>
    private const double IdleCpus = 0.2;

    /// <summary>What it declares is taken at its word for so long; then what it does counts.</summary>
    private static readonly TimeSpan SettlingTime = TimeSpan.FromSeconds(1.5);

    private long _startedAt;

    /// <summary>vCPUs: threads that may be busy at once.</summary>
    public int Vcpus { get; } = Math.Max(1, vcpus);

    public long MemoryBytes { get; } = memoryBytes;

    /// <summary>Set once it runs; measures it.</summary>
    public IAttemptProcess? Process
    {
        get;
        set
        {
            _startedAt = Environment.TickCount64;
            field = value;
        }
    }

    /// <summary>CPUs it counts for, at most <paramref name="budget"/>, so that a guest with more vCPUs than the host has CPUs runs alone rather than never.</summary>
    public double Cpus(double budget)
    {
        var declared = Math.Min(Vcpus, budget);
        if (Process is not { } process || Environment.TickCount64 - _startedAt < SettlingTime.TotalMilliseconds)
            return declared;
        return Math.Clamp(process.BusyCpus, IdleCpus, declared);
    }
}
