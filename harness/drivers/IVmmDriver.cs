using Gauntlet.Harness.Nesting;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>
/// Knows one kind of VMM: what the installed one can do, and how to start a job on it. Drivers only describe; processes are started, limited
/// and judged elsewhere, the same way for all.
/// </summary>
public interface IVmmDriver
{
    /// <summary>The value of the matrix's <c>vmm</c> axis: <c>gvmm</c>, <c>qemu</c>, or a command's name.</summary>
    string Name { get; }

    /// <summary>
    /// What is installed for an architecture, asked of the VMM itself and cached by the binary's identity. Never throws for a VMM that is missing or broken: the answer says so.
    /// </summary>
    /// <param name="version">Which one, as in a cell; null: the one installed.</param>
    Task<VmmProbe> ProbeAsync(string arch, string? version, CancellationToken cancellation);

    /// <summary>Of the one installed.</summary>
    Task<VmmProbe> ProbeAsync(string arch, CancellationToken cancellation) => ProbeAsync(arch, null, cancellation);

    /// <summary>Null when this host can run the cell; else the reason that a person needs: what is missing, what would add it.</summary>
    Task<string?> WhyNotAsync(Cell cell, CancellationToken cancellation);

    /// <summary>The process to start for a job, which <c>JobAtLaunch</c> has settled. Files it needs are made below <paramref name="scratch"/>, which is private and removed afterwards.</summary>
    /// <exception cref="CannotRunException">The VMM has no way to run such a job: a skip.</exception>
    Task<LaunchPlan> PlanAsync(Job job, string scratch, CancellationToken cancellation);
}

/// <summary>What a driver found out about an installed VMM.</summary>
/// <param name="Program">Absolute path; null when there is none.</param>
/// <param name="Version">As it says itself: <c>7.2.22</c>.</param>
/// <param name="Accelerators">It was built with, by QEMU's names.</param>
/// <param name="Machines">Machine types it offers.</param>
/// <param name="Devices">Device names it offers; empty when it cannot tell.</param>
/// <param name="Problem">Why it cannot be used; null when it can.</param>
public sealed record VmmProbe(
    string? Program, string? Version, IReadOnlyList<string> Accelerators, IReadOnlyList<string> Machines, IReadOnlyList<string> Devices, string? Problem)
{
    /// <summary>CPU types it offers, by their QOM names (<c>max-x86_64-cpu</c>); empty when it cannot tell.</summary>
    public IReadOnlyList<string> Cpus { get; init; } = [];

    /// <summary>The source revision it was built from here; null: it is an installed one.</summary>
    public string? Revision { get; init; }
}

/// <summary>A process to be started, and how to talk to it.</summary>
public sealed record LaunchPlan
{
    /// <summary>Program (absolute) and arguments.</summary>
    public required IReadOnlyList<string> CommandLine { get; init; }

    /// <summary>Variables set besides the inherited ones.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public required string WorkingDirectory { get; init; }

    /// <summary>Unix socket on which the VMM will answer QMP; null: it has none.</summary>
    public string? QmpSocket { get; init; }

    /// <summary>The guest's exit code reaches the process status as <c>(code &lt;&lt; 1) | 1</c>; else the verdict is on the console.</summary>
    public bool DebugExit { get; init; }

    /// <summary>Guest CPU time is this process's CPU time, so that a limit can be judged by it (not with an idle-spinning or remote guest).</summary>
    public bool TimeLimitByCpu { get; init; }

    /// <summary>Host threads it keeps busy: what the scheduler's CPU budget counts.</summary>
    public int BusyThreads { get; init; } = 1;

    /// <summary>Resident memory it may need in bytes: what the scheduler's memory budget counts and the limit is derived from.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Commands of qtest that it reads, and answers each with a line; null: it runs a guest.</summary>
    public int? QtestCommands { get; init; }

    /// <summary>It may reach the host's network. Else it gets none, where the host permits that.</summary>
    public bool Network { get; init; }

    /// <summary>The Linux to run the command in, with this host's files; null: it runs on this host.</summary>
    public L1Spec? L1 { get; init; }

    /// <summary>ELF file with the guest's symbols, for naming where a hung vCPU is; may not exist; null: none.</summary>
    public string? SymbolFile { get; init; }
}
