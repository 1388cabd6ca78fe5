using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Suites;

/// <summary>
/// A test case as its suite describes it, before it meets a cell: from <c>unittests.cfg</c>, <c>suite.yaml</c> or an image in a folder.
/// </summary>
public sealed record TestCase
{
    /// <summary>Unique within the suite.</summary>
    public required string Name { get; init; }

    /// <summary>Image, or script with <see cref="GuestConvention.Qtest"/>; absolute. May not exist: that is found out when the job is made, and told.</summary>
    public required string Image { get; init; }

    /// <summary>vCPUs. With <see cref="SmpIsMaximum"/> the value that <c>$MAX_SMP</c> had.</summary>
    public int Smp { get; init; } = 1;

    /// <summary>The suite asked for as many as the host offers (<c>$MAX_SMP</c>).</summary>
    public bool SmpIsMaximum { get; init; }

    public int? MemoryMiB { get; init; }

    /// <summary>As after <c>-append</c>; <see cref="LaunchTime.SecondsPlaceholder"/> in it becomes the time of launch.</summary>
    public string? Append { get; init; }

    /// <summary>Further VMM arguments (<c>qemu_params</c>, <c>extra_params</c>), split into words as a shell would.</summary>
    public IReadOnlyList<string> VmmArguments { get; init; } = [];

    public IReadOnlyList<string> Groups { get; init; } = [];

    /// <summary>Runs only on this architecture, as the kernel names it (<c>aarch64</c> for kvm-unit-tests' <c>arm64</c>); null: on all that the suite is for.</summary>
    public string? Arch { get; init; }

    /// <summary>Runs only on this machine type.</summary>
    public string? Machine { get; init; }

    /// <summary>Runs only where this regular expression matches the whole accelerator name (kvm-unit-tests' <c>accel</c>).</summary>
    public string? Accel { get; init; }

    /// <summary>The suite's limit, zero for none; null: the default, from the suite or from history.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary><c>path=value</c> conditions: skip unless the file holds the value (kvm-unit-tests' <c>check</c>).</summary>
    public IReadOnlyList<string> Checks { get; init; } = [];

    /// <summary>Shell condition under which it is skipped (kvm-unit-tests' <c>disabled_if</c>), evaluated in the cell by <see cref="ShellCondition"/>.</summary>
    public string? DisabledIf { get; init; }

    /// <summary>A reason that is already known while reading the suite, such as a value that only a shell could honour; null: none.</summary>
    public string? SkipReason { get; init; }

    public GuestConvention Convention { get; init; } = GuestConvention.KvmUnitTests;

    public string? Expect { get; init; }

    public string? Reject { get; init; }

    public string? Initrd { get; init; }

    /// <summary>Where it is written, for messages: <c>x86/unittests.cfg:120</c>.</summary>
    public string? Source { get; init; }
}

/// <summary>A list of cases with what they share.</summary>
public sealed record Suite
{
    public required string Name { get; init; }

    /// <summary>The architecture the images are for: <c>x86_64</c>, <c>aarch64</c>, <c>riscv64</c>.</summary>
    public required string Arch { get; init; }

    /// <summary>File or folder it was read from, absolute.</summary>
    public required string Source { get; init; }

    public required IReadOnlyList<TestCase> Cases { get; init; }

    /// <summary>What was found odd while reading and honoured otherwise than its author may think; shown once per run.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Cases without an initrd of their own get kvm-unit-tests' environment file as <c>-initrd</c>.</summary>
    public bool WantsEnvironmentFile { get; init; }

    /// <summary>Shell variables that conditions and the environment file may refer to: the process's own and those of <c>config.mak</c>.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();
}
