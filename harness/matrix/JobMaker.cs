using System.Text.RegularExpressions;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Suites;
using Gauntlet.Linux;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Matrix;

/// <summary>A cell and what its driver says of it.</summary>
/// <param name="SkipReason">Why this host can't run it; null: it can.</param>
/// <param name="VmmVersion">As the VMM says itself; null: not known.</param>
public sealed record CellStatus(Cell Cell, string? SkipReason, string? VmmVersion)
{
    /// <summary>The source revision it was built from for this run; null: it is an installed one.</summary>
    public string? Revision { get; init; }

    /// <summary>Version and revision, as people and runs name it; null: not known.</summary>
    public string? FullVersion => Revision is null || Revision == VmmVersion ? VmmVersion : $"{VmmVersion} {Revision}";
}

/// <summary>What a user asked for that decides which cases become jobs and how.</summary>
public sealed record JobOptions
{
    /// <summary>Only cases of this group (<c>-g</c>); cases of <c>nodefault</c> are then run too.</summary>
    public string? Group { get; init; }

    /// <summary>Also cases of <c>nodefault</c>, and those behind errata (<c>-a</c>).</summary>
    public bool All { get; init; }

    /// <summary>Limit for every case, zero for none; null: each its own.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Limit of cases that have none of their own; kvm-unit-tests' 90 s.</summary>
    public TimeSpan DefaultTimeout { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>The host kernel's release, for the guests' environment file.</summary>
    public string KernelRelease { get; init; } = "";

    /// <summary>This host's kernel release.</summary>
    public static string HostKernelRelease()
    {
        try
        {
            return File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}

/// <summary>
/// Makes the jobs of a suite in a cell. A case that can't run there becomes a job with its reason to skip; the reasons come in the order in which kvm-unit-tests' runner looks
/// (<c>run</c> in scripts/runtime.bash there), so that both name the same one.
/// </summary>
public static class JobMaker
{
    /// <summary>Bytes of a file that <c>check</c> looks at: they hold one word.</summary>
    private const int MaxCheckBytes = 4096;

    /// <summary>
    /// Jobs in the suite's order. None when the suite is for another architecture than the cell; cases outside <see cref="JobOptions.Group"/> make none, as with the field's runner.
    /// </summary>
    /// <exception cref="UserException">A file that the environment names (<c>ERRATATXT</c>, …) can't be understood.</exception>
    public static IReadOnlyList<Job> Make(Suite suite, CellStatus status, JobOptions options)
    {
        if (suite.Arch != status.Cell.Arch)
            return [];
        var environment = suite.WantsEnvironmentFile ? BuildEnvironment(suite, status, options) : null;
        // Without a file of its own the runner still hands over one that the user names.
        var named = suite.Variables.GetValueOrDefault("KVM_UNIT_TESTS_ENV");
        var initrd = environment is null && suite.Variables.ContainsKey("ENVIRON_DEFAULT") && named is not null && FileKind.IsRegular(named) ? Path.GetFullPath(named) : null;
        var jobs = new List<Job>(suite.Cases.Count);
        foreach (var testCase in suite.Cases)
        {
            if (options.Group is { } group && !testCase.Groups.Contains(group))
                continue;
            var hasGuest = testCase.Convention != GuestConvention.Qtest;
            jobs.Add(new Job
            {
                Suite = suite.Name,
                Case = testCase.Name,
                Cell = status.Cell,
                Image = testCase.Image,
                Initrd = testCase.Initrd ?? (hasGuest ? initrd : null),
                EnvironmentFile = testCase.Initrd is null && hasGuest ? environment : null,
                Append = testCase.Append,
                VmmArguments = Arguments(suite, testCase, status.Cell),
                Smp = testCase.Smp,
                MemoryMiB = testCase.MemoryMiB,
                TimeoutSeconds = (options.Timeout ?? (testCase.Timeout ?? options.DefaultTimeout) * (status.Cell.Accel == L1Supply.Accel ? L1Supply.TimeFactor : 1)).TotalSeconds,
                Convention = testCase.Convention,
                Expect = testCase.Expect,
                Reject = testCase.Reject,
                Groups = testCase.Groups,
                SkipReason = WhyNot(suite, testCase, status, options),
            });
        }

        return jobs;
    }

    private static string? WhyNot(Suite suite, TestCase testCase, CellStatus status, JobOptions options)
    {
        var cell = status.Cell;
        if (testCase.Groups.Contains("pv-host") && suite.Variables.GetValueOrDefault("GEN_SE_HEADER", "").Length == 0)
            return "no gen-se-header available for pv-host test";
        if (options.Group is null && !options.All && testCase.Groups.Contains("nodefault"))
            return "marked as manual run only (nodefault); run it with -a or by its group";
        if (testCase.Arch is { } arch && arch != suite.Arch)
            return $"{arch} only";
        var machine = cell.Machine ?? Chosen(suite, "MACHINE");
        if (testCase.Machine is { } wanted && machine is not null && wanted != machine)
            return $"machine {wanted} only, this cell has {machine}";
        if (testCase.Accel is { } accel && !MatchesAccel(accel, AccelText(suite, cell)))
            return $"accel {accel} only, this cell has {cell.Accel}";
        if (testCase.Convention == GuestConvention.Qtest && cell.Accel != "tcg")
            return $"a qtest script has no guest code for {cell.Accel} to run; cells of tcg play it";
        if (cell.Accel == NestedGuest.Accel && testCase.Smp > 1)
            return NestedGuest.OneCpuOnly;
        return Disabled(suite, testCase, cell)
            ?? (cell.Accel == L1Supply.Accel && testCase.Checks.Count > 0 ? $"{testCase.Checks[0]} is asked of this host's kernel, and the case would run on an L1's" : null)
            ?? testCase.Checks.Select(FailedCheck).FirstOrDefault(reason => reason is not null)
            ?? testCase.SkipReason
            ?? MissingFile(testCase)
            ?? status.SkipReason;
    }

    private static bool MatchesAccel(string pattern, string accel)
    {
        try
        {
            return Regex.IsMatch(accel, $"^(?:{pattern})(?:,|$)", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    // ACCEL=tcg,thread=single: the properties are the user's, the accelerator is the cell's.
    private static string AccelText(Suite suite, Cell cell)
    {
        var accel = L1Supply.AccelInside(cell.Accel);
        return suite.Variables.GetValueOrDefault("ACCEL") is { } text && text.StartsWith(accel + ",", StringComparison.Ordinal) ? text : accel;
    }

    private static string? Disabled(Suite suite, TestCase testCase, Cell cell)
    {
        if (testCase.DisabledIf is not { } condition)
            return null;
        var variables = new Dictionary<string, string>(suite.Variables)
        {
            ["ACCEL"] = AccelText(suite, cell),
            ["testname"] = testCase.Name,
            ["groups"] = string.Join(' ', testCase.Groups),
        };
        if (cell.Machine is not null)
            variables["MACHINE"] = cell.Machine;
        try
        {
            return ShellCondition.Evaluate(condition, variables) ? $"disabled because: {condition}" : null;
        }
        catch (ShellUnsupportedException e)
        {
            return $"its disabled_if needs a shell ({e.Message}): {condition}";
        }
    }

    private static string? FailedCheck(string check)
    {
        var equals = check.IndexOf('=');
        var (path, value) = equals < 0 ? (check, check) : (check[..equals], check[(equals + 1)..]);
        try
        {
            if (!FileKind.IsRegular(path))
                return $"{path} not equal to {value} (there is no such file)";
            using var file = File.OpenHandle(path);
            Span<byte> bytes = stackalloc byte[MaxCheckBytes];
            // As the shell's $(cat …): without the line ends behind it.
            var found = System.Text.Encoding.UTF8.GetString(bytes[..RandomAccess.Read(file, bytes, 0)]).TrimEnd('\n');
            return found == value ? null : $"{path} not equal to {value} (it holds {(found.Length > 60 ? found[..57] + "..." : found)})";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return $"{path} not equal to {value} ({e.Message})";
        }
    }

    private static string? MissingFile(TestCase testCase)
    {
        if (!FileKind.IsRegular(testCase.Image))
            return testCase.Convention == GuestConvention.Qtest ? $"the qtest script {testCase.Image} is not there" : $"the image {testCase.Image} is not there; build the suite";
        return testCase.Initrd is { } initrd && !FileKind.IsRegular(initrd) ? $"the initrd {initrd} is not there; build the suite" : null;
    }

    private static IReadOnlyList<string> Arguments(Suite suite, TestCase testCase, Cell cell)
    {
        var machine = testCase.Machine is { } wanted && cell.Machine is null ? wanted : null;
        var accel = AccelText(suite, cell);
        // Its runner puts them behind -machine accel= on x86, and further -machine options add up; elsewhere they belong to -accel, which the driver writes.
        var comma = accel.IndexOf(',', StringComparison.Ordinal);
        var properties = comma >= 0 && suite.Arch is "x86_64" or "i386" ? accel[(comma + 1)..] : null;
        if (machine is null && string.IsNullOrEmpty(properties))
            return testCase.VmmArguments;
        var arguments = new List<string>();
        if (machine is not null)
            arguments.AddRange(["-machine", machine]);
        if (!string.IsNullOrEmpty(properties))
            arguments.AddRange(["-machine", properties]);
        arguments.AddRange(testCase.VmmArguments);
        return arguments;
    }

    private static string BuildEnvironment(Suite suite, CellStatus status, JobOptions options)
    {
        var variables = suite.Variables;
        if (options.All)
            variables = new Dictionary<string, string>(variables) { ["ERRATA_FORCE"] = "y" };
        return EnvironmentFile.Build(
            new EnvironmentFacts(variables.GetValueOrDefault("TARGET", ""), L1Supply.AccelInside(status.Cell.Accel), status.VmmVersion, status.Cell.Accel == L1Supply.Accel ? "" : options.KernelRelease), variables);
    }

    private static string? Chosen(Suite suite, string variable) => suite.Variables.GetValueOrDefault(variable) is { Length: > 0 } value ? value : null;
}
