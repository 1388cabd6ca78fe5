using System.Collections.Concurrent;
using System.Globalization;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Nesting;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>Any VMM by the command template that a matrix declares.</summary>
/// <param name="revisions">Builds it at revisions; null: nothing does.</param>
public sealed class CommandDriver(VmmDeclaration declaration, RevisionBuilder? revisions = null) : IVmmDriver
{
    /// <summary>As long as nothing is known of a VMM: guest RAM it takes when the job does not say, and its own.</summary>
    private const long DefaultMemoryBytes = 512L << 20, OverheadBytes = 256L << 20;

    private const int DefaultMemoryMiB = 256;

    private static int s_sockets;

    private readonly CommandTemplate _command = declaration.Command ?? throw new ArgumentException($"'{declaration.Name}' has no command", nameof(declaration));
    private readonly ConcurrentDictionary<(string Arch, string Version), Lazy<Task<VmmProbe>>> _built = new();
    private readonly Lazy<KvmHost> _kvm = new(KvmHost.Probe);

    public string Name => declaration.Name;

    public Task<VmmProbe> ProbeAsync(string arch, string? version, CancellationToken cancellation)
    {
        if (revisions?.Takes(version) != true)
            return Task.FromResult(Probe(version));
        // Shared by all who ask, and so not under one asker's cancellation.
        return _built.GetOrAdd((arch, version!), key => new Lazy<Task<VmmProbe>>(() => BuildAsync(key.Arch, key.Version))).Value.WaitAsync(cancellation);
    }

    public async Task<string?> WhyNotAsync(Cell cell, CancellationToken cancellation) => WhyNot(cell, await ProbeAsync(cell.Arch, cell.VmmVersion, cancellation));

    public async Task<LaunchPlan> PlanAsync(Job job, string scratch, CancellationToken cancellation)
    {
        var probe = await ProbeAsync(job.Cell.Arch, job.Cell.VmmVersion, cancellation);
        if (probe.Problem is not null)
            throw new CannotRunException(probe.Problem);
        if (job.Convention == GuestConvention.Qtest)
            throw new CannotRunException($"{Name} is declared by a command that runs guests, and this case is a qtest script: gvmm and qemu play those");
        if (job.Append is not null && !_command.Has("append"))
            throw new CannotRunException($"the command of {Name} has no place for {{append}}, and this case has a guest command line");
        if (job.VmmArguments.Count > 0 && !_command.TakesArguments)
            throw new CannotRunException($"the command of {Name} has no place for {{args}}, and this case wants: {string.Join(' ', job.VmmArguments)}");
        var socket = _command.Has("qmp")
            ? Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"gauntlet-{System.Environment.ProcessId}-{Interlocked.Increment(ref s_sockets)}.cmd.qmp"))
            : null;
        var words = _command.Fill(
            new Dictionary<string, string?>
            {
                ["kernel"] = job.Image,
                ["smp"] = job.Smp.ToString(CultureInfo.InvariantCulture),
                ["memory"] = (job.MemoryMiB ?? DefaultMemoryMiB).ToString(CultureInfo.InvariantCulture),
                ["append"] = job.Append,
                ["initrd"] = job.Initrd,
                ["qmp"] = socket,
                ["accel"] = job.Cell.Accel,
                ["arch"] = job.Cell.Arch,
                ["machine"] = job.Cell.Machine,
                ["cpu"] = job.Cell.Cpu,
                ["host-kernel"] = job.Cell.HostKernel,
                ["scratch"] = scratch,
            },
            job.VmmArguments);
        return new LaunchPlan
        {
            CommandLine = [probe.Program!, .. words.Skip(1)],
            Environment = new Dictionary<string, string>(job.Environment) { ["TMPDIR"] = scratch },
            WorkingDirectory = scratch,
            QmpSocket = socket,
            DebugExit = declaration.DebugExit,
            TimeLimitByCpu = job.Cell.Accel is "tcg" or "kvm",
            BusyThreads = job.Smp,
            MemoryBytes = job.MemoryMiB is { } memory ? ((long)memory << 20) + OverheadBytes : DefaultMemoryBytes,
            SymbolFile = job.Image,
        };
    }

    private VmmProbe Probe(string? version)
    {
        var program = version is not null && declaration.Versions.GetValueOrDefault(version) is { } byVersion ? byVersion : declaration.Program ?? _command.Program;
        var found = ProgramFinder.InPath(program);
        return new VmmProbe(found, version, declaration.Accels, [], [], found is null ? $"{program}, the command of {Name}, is not there or no executable file" : null);
    }

    private async Task<VmmProbe> BuildAsync(string arch, string version)
    {
        var (program, revision, problem) = await revisions!.BuildAsync(arch, version, CancellationToken.None);
        return new VmmProbe(program, revision, declaration.Accels, [], [], problem) { Revision = revision };
    }

    private string? WhyNot(Cell cell, VmmProbe probe)
    {
        if (declaration.Archs.Count > 0 && !declaration.Archs.Contains(cell.Arch))
            return $"{Name} is declared for {string.Join(", ", declaration.Archs)} only";
        if (declaration.Accels.Count > 0 && !declaration.Accels.Contains(cell.Accel))
            return $"{Name} is declared with {string.Join(", ", declaration.Accels)} only";
        if (probe.Problem is { } problem)
            return problem;
        if (cell.Accel == "kvm" && _kvm.Value.Problem is { } noKvm)
            return noKvm;
        if (!_command.Has("host-kernel") && (cell.HostKernel is not null || cell.Accel == L1Supply.Accel))
            return $"{Name} runs on this host's own kernel: its command has no place for {{host-kernel}}";
        if (cell.Machine is not null && !_command.Has("machine"))
            return $"the command of {Name} has no place for {{machine}}";
        return cell.Cpu is not null && !_command.Has("cpu") ? $"the command of {Name} has no place for {{cpu}}" : null;
    }
}
