using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Verdicts;

/// <summary>What a VMM's standard error tells of how it ended. The texts are QEMU's, the C library's and the sanitizers'; other VMMs say similar things.</summary>
public sealed partial class VmmMessages
{
    /// <summary>Lines that are looked at, from the end: what a VMM died of stands there.</summary>
    private const int MaxLines = 2000;

    /// <summary>Nothing but white space.</summary>
    public bool IsEmpty => LastLine is null;

    /// <summary>"warning" is somewhere in it: then kvm-unit-tests' runner takes it as harmless.</summary>
    public bool HasWarning { get; private init; }

    /// <summary>No line without "warning"; also true of nothing at all.</summary>
    public bool OnlyWarnings { get; private init; }

    /// <summary>The last line that isn't a warning, shortened; of several warnings the last; null: there is none.</summary>
    public string? LastLine { get; private init; }

    /// <summary>A sanitizer's report, or a runtime's own death message; null: none.</summary>
    public string? Death { get; private init; }

    /// <summary>A failed assertion, or QEMU's "fatal:" and "hardware error:"; says why a VMM aborted; null: none.</summary>
    public string? Assertion { get; private init; }

    /// <summary>The host is at fault: no space, no memory, a KVM that refuses what it must do; null: none.</summary>
    public string? HostFault { get; private init; }

    /// <summary>KVM gave up on the guest, and the VMM stopped it; null: none.</summary>
    public string? StoppedByKvm { get; private init; }

    /// <summary>The VMM can't do here what the command line asks for: an accelerator, a CPU model, a device; null: none.</summary>
    public string? Refusal { get; private init; }

    /// <summary>The image or another file couldn't be loaded; null: none.</summary>
    public string? LoadFailure { get; private init; }

    /// <summary>Number of a signal that the VMM caught and ended by, as QEMU says; null: none.</summary>
    public int? TerminatingSignal { get; private init; }

    public static VmmMessages Read(KeptOutput standardError) => Read(Encoding.UTF8.GetString(standardError.Bytes));

    public static VmmMessages Read(string text)
    {
        var all = text.Split('\n');
        var lines = all.Skip(Math.Max(0, all.Length - MaxLines)).Select(line => ConsoleText.Clean(line).Trim()).Where(line => line.Length > 0).ToList();
        var complaints = lines.FindAll(line => !IsWarning(line));
        string? First(Regex pattern) => complaints.Find(pattern.IsMatch) is { } line ? ConsoleText.Shorten(line, 300) : null;
        var signal = lines.Select(line => Terminating().Match(line)).FirstOrDefault(match => match.Success);
        var last = complaints.LastOrDefault() ?? lines.LastOrDefault();
        return new VmmMessages
        {
            HasWarning = complaints.Count < lines.Count,
            OnlyWarnings = complaints.Count == 0,
            LastLine = last is null ? null : ConsoleText.Shorten(last, 300),
            Death = First(DeathPattern()),
            Assertion = First(AssertionPattern()),
            HostFault = First(HostFaultPattern()),
            StoppedByKvm = lines.Select(KvmFault).FirstOrDefault(fault => fault is not null),
            Refusal = First(RefusalPattern()),
            LoadFailure = First(LoadFailurePattern()),
            TerminatingSignal = signal is null ? null : int.Parse(signal.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture),
        };
    }

    /// <summary>The line says that KVM can't go on with the guest, which QEMU then keeps stopped for ever; null: it doesn't.</summary>
    public static string? KvmFault(string line) => KvmFaultPattern().IsMatch(line) ? $"KVM gave the guest up: {ConsoleText.Shorten(line.Trim(), 200)}" : null;

    private static bool IsWarning(string line) => line.Contains("warning", StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex("terminating on signal ([0-9]{1,3})", RegexOptions.CultureInvariant)]
    private static partial Regex Terminating();

    [GeneratedRegex("^(CPU [0-9]{1,4}: )?(KVM internal error|the processor refuses to enter the guest)|^error: kvm run failed|^KVM: entry failed", RegexOptions.CultureInvariant)]
    private static partial Regex KvmFaultPattern();

    [GeneratedRegex(
        "(Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer[:]|: runtime error: |^Unhandled exception[.:]|^Fatal error[.]|^thread '.*' (\\([0-9]+\\) )?panicked at |^panic: ",
        RegexOptions.CultureInvariant)]
    private static partial Regex DeathPattern();

    [GeneratedRegex(
        "Assertion .+ failed|^Bail out! ERROR:|:[0-9]+:.*: (assertion failed|code should not be reached)|^qemu: (fatal|hardware error): |stack smashing detected|free\\(\\): |malloc\\(\\): |double free or corruption|terminate called after",
        RegexOptions.CultureInvariant)]
    private static partial Regex AssertionPattern();

    [GeneratedRegex(
        "No space left on device|Disk quota exceeded|Cannot allocate memory|cannot set up guest memory|Out of memory|[Ff]ailed to allocate memory|Too many open files|Input/output error|error: failed to set MSR ",
        RegexOptions.CultureInvariant)]
    private static partial Regex HostFaultPattern();

    [GeneratedRegex(
        "requires KVM|needs KVM|KVM is (needed|required)|[Cc]ould not access KVM|failed to initialize kvm|invalid accelerator|unable to find CPU model|[Pp]roperty '.*' not found|is not a valid device model name"
        + "|unsupported machine type|SMP CPUs|not supported (by|on|in|for|with)|does(n't| not) support|Can't enable |isn't supported",
        RegexOptions.CultureInvariant)]
    private static partial Regex RefusalPattern();

    [GeneratedRegex("[Cc]ould not (load|open) (kernel|initrd|the |')|error loading|failed to load|[Cc]ould not open '|invalid kernel header|No such file or directory", RegexOptions.CultureInvariant)]
    private static partial Regex LoadFailurePattern();
}
