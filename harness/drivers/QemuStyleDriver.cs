using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>A VMM that takes QEMU's command line and speaks QMP: QEMU itself, and gvmm.</summary>
/// <param name="name">The value of the <c>vmm</c> axis.</param>
/// <param name="programs">Where its program is.</param>
/// <param name="launcher">Starts it for probing.</param>
/// <param name="cache">Keeps what it answered.</param>
/// <param name="revisions">Builds it at revisions; null: nothing does.</param>
/// <param name="l1s">Has what runs below it in cells of nested-linux; null: nothing.</param>
public sealed class QemuStyleDriver(
    string name, IProgramFinder programs, IAttemptLauncher launcher, ProbeCache cache, RevisionBuilder? revisions = null, L1Supply? l1s = null) : IVmmDriver
{
    private static int s_sockets;

    private readonly ConcurrentDictionary<(string Arch, string? Version), Lazy<Task<VmmProbe>>> _probes = new();
    private readonly Lazy<KvmHost> _kvm = new(KvmHost.Probe);

    public string Name => name;

    public Task<VmmProbe> ProbeAsync(string arch, CancellationToken cancellation) => ProbeAsync(arch, null, cancellation);

    public async Task<string?> WhyNotAsync(Cell cell, CancellationToken cancellation)
    {
        var probe = await ProbeAsync(cell.Arch, cell.VmmVersion, cancellation);
        if (probe.Problem is not null)
            return probe.Problem;
        if (cell.VmmVersion is { } version && !programs.Knows(version) && probe.Revision is null && probe.Version != version)
            return $"{probe.Program} is version {probe.Version}, not {version}; name its program under 'versions' in the matrix";
        if (WhyNotArch(cell, probe) is { } wrongArch)
            return wrongArch;
        if (cell.Machine is { } machine && !probe.Machines.Contains(machine))
            return $"{probe.Program} has no machine type {machine}";
        if (cell.Accel != L1Supply.Accel && cell.HostKernel is { } kernel)
            return $"this host runs its own kernel, not {kernel}; {L1Supply.Accel} boots others";
        if (cell.Accel == NestedGuest.Accel)
            return NestedGuest.WhyNot(cell, probe, NestedOn(cell));
        if (cell.Accel == L1Supply.Accel && (l1s is null ? "there is no L1 here" : await l1s.WhyNotAsync(cell, cancellation)) is { } noL1)
            return noL1;
        var accel = L1Supply.AccelInside(cell.Accel);
        if (!probe.Accelerators.Contains(accel))
            return $"{probe.Program} was built without {accel}; it has {string.Join(", ", probe.Accelerators)}";
        if (cell.Accel == "kvm")
        {
            if (cell.Arch != HostArch && !(cell.Arch == "i386" && HostArch == "x86_64"))
                return $"KVM runs guests of the host's architecture, {HostArch}, only";
            if (_kvm.Value.Problem is { } problem)
                return problem;
        }
        return null;
    }

    public async Task<LaunchPlan> PlanAsync(Job job, string scratch, CancellationToken cancellation)
    {
        var probe = await ProbeAsync(job.Cell.Arch, job.Cell.VmmVersion, cancellation);
        if (probe.Problem is not null)
            throw new CannotRunException(probe.Problem);
        if (job.Convention == GuestConvention.Qtest)
            return PlanQtest(job, probe, scratch);
        if (job.Cell.Accel == L1Supply.Accel)
            return await PlanInL1Async(job, probe, cancellation);
        // Not below the scratch folder: a command line that is run again by hand must find a place for it.
        var socket = Path.Combine(
            Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"gauntlet-{Environment.ProcessId}-{Interlocked.Increment(ref s_sockets)}.qmp"));
        var kvm = job.Cell.Accel == "kvm" ? _kvm.Value.Kind : KvmKind.None;
        var line = QemuCommandLine.Build(job, probe, kvm, socket, System.Environment.GetEnvironmentVariable, NestedOn(job.Cell));
        return new LaunchPlan
        {
            CommandLine = line,
            Environment = new Dictionary<string, string>(job.Environment) { ["TMPDIR"] = scratch },
            WorkingDirectory = scratch,
            QmpSocket = socket,
            DebugExit = QemuCommandLine.HasDebugExit(job.Cell.Arch),
            TimeLimitByCpu = true,
            BusyThreads = job.Smp,
            MemoryBytes = QemuCommandLine.MemoryBytes(line),
            SymbolFile = SymbolFile(job.Image),
        };
    }

    private static LaunchPlan PlanQtest(Job job, VmmProbe probe, string scratch)
    {
        var (line, commands) = QtestMachine.Build(job, probe, scratch);
        return new LaunchPlan
        {
            CommandLine = line,
            Environment = new Dictionary<string, string>(job.Environment) { ["TMPDIR"] = scratch },
            WorkingDirectory = scratch,
            TimeLimitByCpu = true,
            BusyThreads = 1,
            MemoryBytes = QemuCommandLine.MemoryBytes(line),
            QtestCommands = commands,
        };
    }

    /// <summary>The command that would run it here on KVM, in an L1. Nobody outside can talk QMP to it, and so there is none.</summary>
    private async Task<LaunchPlan> PlanInL1Async(Job job, VmmProbe probe, CancellationToken cancellation)
    {
        var line = QemuCommandLine.Build(job, probe, KvmKind.Hardware, null, System.Environment.GetEnvironmentVariable);
        var l1 = await l1s!.FindAsync(job.Cell, job.Smp, QemuCommandLine.MemoryBytes(line), cancellation);
        return new LaunchPlan
        {
            CommandLine = line,
            Environment = new Dictionary<string, string>(job.Environment) { ["TMPDIR"] = L1Agent.Scratch },
            WorkingDirectory = "/",
            DebugExit = QemuCommandLine.HasDebugExit(job.Cell.Arch),
            TimeLimitByCpu = true,
            BusyThreads = l1.Cpus,
            MemoryBytes = l1.MemoryBytes,
            L1 = l1,
        };
    }

    private string NestedOn(Cell cell) => cell.Accel == NestedGuest.Accel ? NestedGuest.OuterAccel(cell, _kvm.Value, NestedGuest.KvmNestingParameter()) : cell.Accel;

    /// <summary>One program can be asked for any architecture (gvmm, or one that is named): its CPU models tell which it has.</summary>
    private static string? WhyNotArch(Cell cell, VmmProbe probe)
    {
        var family = cell.Arch switch
        {
            "x86_64" => "x86_64",
            "i386" => "86",
            "aarch64" or "arm" => "arm",
            "riscv64" or "riscv32" => "riscv",
            _ => null,
        };
        if (family is null || probe.Cpus.Count == 0 || probe.Cpus.Any(cpu => cpu.Contains(family, StringComparison.Ordinal)))
            return null;
        return $"{probe.Program} has no {cell.Arch} CPU; its models are {string.Join(", ", probe.Cpus.Take(3))}{(probe.Cpus.Count > 3 ? ", …" : "")}";
    }

    /// <summary>As the kernel names it.</summary>
    public static string HostArch => RuntimeInformation.OSArchitecture switch
    {
        Architecture.X64 => "x86_64",
        Architecture.Arm64 => "aarch64",
        Architecture.RiscV64 => "riscv64",
        var other => other.ToString().ToLowerInvariant(),
    };

    public async Task<VmmProbe> ProbeAsync(string arch, string? version, CancellationToken cancellation)
    {
        // Shared by all who ask, and so not under one asker's cancellation.
        var probe = _probes.GetOrAdd((arch, version), key => new Lazy<Task<VmmProbe>>(() => FindOutAsync(key.Arch, key.Version)));
        return await probe.Value.WaitAsync(cancellation);
    }

    private async Task<VmmProbe> FindOutAsync(string arch, string? version)
    {
        if (revisions?.Takes(version) == true)
        {
            var built = await revisions.BuildAsync(arch, version!, CancellationToken.None);
            return built.Program is null ? new VmmProbe(null, null, [], [], [], built.Problem) : await AskAsync(built.Program, arch) with { Revision = built.Revision };
        }
        var (program, problem) = programs.Find(arch, version);
        return program is null ? new VmmProbe(null, null, [], [], [], problem) : await AskAsync(program, arch);
    }

    private async Task<VmmProbe> AskAsync(string program, string arch)
    {
        if (cache.Find(program, arch) is { } known)
            return known;
        var probe = await new QemuProbe(launcher).AskAsync(program, CancellationToken.None);
        // A failure may be the host's, and passing.
        if (probe.Problem is null)
            cache.Keep(program, arch, probe);
        return probe;
    }

    /// <summary>kvm-unit-tests makes X.flat from X.elf by dropping the symbols.</summary>
    private static string SymbolFile(string image)
    {
        var unstripped = Path.ChangeExtension(image, ".elf");
        return Path.GetExtension(image) is ".flat" or ".efi" && File.Exists(unstripped) ? unstripped : image;
    }
}
