using System.Collections;
using System.Globalization;

namespace Gauntlet.Harness.Suites;

/// <summary>What reading a suite depends on besides its file.</summary>
public sealed record SuiteContext
{
    /// <summary>vCPUs that <c>smp: max</c> and <c>$MAX_SMP</c> stand for.</summary>
    public int MaxSmp { get; init; } = 1;

    /// <summary>
    /// Environment variables. Of kvm-unit-tests' own, these are honoured while reading and making jobs: TIMEOUT, CHECK, MAX_SMP, TARGET, ACCEL (its properties), MACHINE,
    /// ENVIRON_DEFAULT, KVM_UNIT_TESTS_ENV, ERRATATXT and ERRATA_*.
    /// </summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>Architecture to take where a file doesn't tell (<c>--arch</c>); null: none.</summary>
    public string? Arch { get; init; }

    /// <summary>The checkout with the in-tree suites; null: there is none.</summary>
    public string? TreeRoot { get; init; }

    /// <summary>For this process: its environment, this host's CPUs, the checkout it belongs to.</summary>
    public static SuiteContext ForProcess(string? arch = null)
    {
        var variables = new Dictionary<string, string>();
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        var maxSmp = variables.TryGetValue("MAX_SMP", out var text)
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var named) && named is > 0 and <= 4096
                ? named
                : Environment.ProcessorCount;
        return new SuiteContext { MaxSmp = maxSmp, Variables = variables, Arch = arch, TreeRoot = SourceTree.Find() };
    }
}
