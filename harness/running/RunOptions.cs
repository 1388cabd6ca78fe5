using System.CommandLine;
using System.Globalization;
using Gauntlet.Harness.Matrix;

namespace Gauntlet.Harness.Running;

/// <summary>The options of <c>gauntlet run</c>. Short ones are those of kvm-unit-tests' <c>run_tests.sh</c>.</summary>
internal sealed class RunOptions
{
    public Argument<string[]> Tests { get; } = new("TEST")
    {
        Description = "Only these: SUITE/CASE@CELL with wildcards, of which the case alone suffices; a regular expression between slashes.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    public Option<string[]> Suite { get; } = new("--suite", "-s")
    {
        Description = "In-tree suite, unittests.cfg, suite.yaml, folder or image. Without: the matrix's, or every in-tree one.",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<string[]> Vmm { get; } = new("--vmm") { Description = "gvmm, qemu, or one that the matrix declares; qemu@9.1 for a version. Several with commas." };

    public Option<string[]> Accel { get; } = new("--accel") { Description = "kvm, tcg, nested, nested-linux. Several with commas." };

    public Option<string[]> Arch { get; } = new("--arch") { Description = "x86_64, aarch64, riscv64. Without: the suites'. Several with commas." };

    public Option<string[]> HostKernel { get; } = new("--host-kernel")
    {
        Description = "Kernel under the VMM, booted as L1: a bzImage, a built source tree, or a Debian package. Means --accel nested-linux. Several with commas.",
        HelpName = "PATH|PACKAGE",
    };

    public Option<string[]> Guest { get; } = new("--guest")
    {
        Description = "Instead of suites: kut@/path/of/kvm-unit-tests:REV, built at that revision. Several with commas are an axis.",
        HelpName = "NAME@VERSION",
    };

    public Option<string> Matrix { get; } = new("--matrix") { Description = "Matrix by name or file.", DefaultValueFactory = _ => MatrixFile.DefaultName };

    public Option<bool> Pairwise { get; } = new("--pairwise") { Description = "Cells in which all pairs of axis values meet, instead of all cells." };

    public Option<string?> Budget { get; } = new("--budget")
    {
        Description = "Only the most valuable cells that fit, by past times, such as 20m: those that failed lately, changed, or never ran first.",
        HelpName = "TIME",
    };

    public Option<string?> Results { get; } = new("--results") { Description = "Results store: a folder, or postgres://user:password@host/database." };

    public Option<string?> Group { get; } = new("--group", "-g") { Description = "Only cases of this group." };

    public Option<bool> All { get; } = new("--all", "-a") { Description = "Also cases marked nodefault, and those behind errata." };

    public Option<bool> Tap { get; } = new("--tap", "--tap13", "-t") { Description = "Print the results as TAP on standard output." };

    public Option<bool> Json { get; } = new("--json") { Description = "Print the results as JSON on standard output." };

    public Option<bool> List { get; } = new("--list", "-l") { Description = "Only list what would run, and what would be skipped and why." };

    public Option<bool> Verbose { get; } = new("--verbose", "-v") { Description = "Print each result as it comes, passes too." };

    public Option<int> Jobs { get; } = new("--jobs", "-j", "--parallel")
    {
        Description = "CPUs to keep busy; a guest counts as many as it has vCPUs, then as many as it uses.",
        DefaultValueFactory = _ => Environment.ProcessorCount,
    };

    public Option<string[]> Only { get; } = new("--only") { Description = "As TEST; may be given again." };

    public Option<string[]> Skip { get; } = new("--skip") { Description = "Not these; may be given again." };

    public Option<string?> RerunFailed { get; } = new("--rerun-failed")
    {
        Description = "Only what failed in a run: its id, or without one the latest.",
        Arity = ArgumentArity.ZeroOrOne,
        HelpName = "RUN",
    };

    public Option<string?> Continue { get; } = new("--continue")
    {
        Description = "Go on with an interrupted or cancelled run: its id, or without one the latest.",
        Arity = ArgumentArity.ZeroOrOne,
        HelpName = "RUN",
    };

    public Option<int> Repeat { get; } = new("--repeat") { Description = "Run each case so often.", DefaultValueFactory = _ => 1 };

    public Option<string?> Shard { get; } = new("--shard") { Description = "Only a part, such as 2/5; the parts are stable.", HelpName = "I/N" };

    public Option<int?> Seed { get; } = new("--seed") { Description = "Start in a shuffled order, the same for the same seed. Without: the longest first." };

    public Option<int> Retries { get; } = new("--retries") { Description = "Attempt a failed case so often again; when it then passes it is marked flaky." };

    public Option<bool> FailFast { get; } = new("--fail-fast") { Description = "End the run at the first failure." };

    public Option<double?> TimeoutSeconds { get; } = new("--timeout") { Description = "Limit of every case in seconds, 0 for none; else the suite's, or by history.", HelpName = "SECONDS" };

    public Option<bool> NoStallWatch { get; } = new("--no-stall-watch") { Description = "Wait for the time limit of guests that are seen to make no progress." };

    public Option<bool> Network { get; } = new("--network") { Description = "Leave the VMMs the host's network." };

    public Option<string[]> KnownFailures { get; } = new("--known-failures") { Description = "List of known failures. Without: matrices/known-failures.yaml.", HelpName = "FILE" };

    public Option<string?> Baseline { get; } = new("--baseline") { Description = "Compare with a run, or with the latest of a branch." };

    public Option<string?> Report { get; } = new("--report") { Description = "Also write the reports (HTML, JUnit, TAP, JSON, Markdown) to this folder.", HelpName = "DIR" };

    public Option<string?> Branch { get; } = new("--branch") { Description = "Name to compare along in the store." };

    public Option<string?> Revision { get; } = new("--revision") { Description = "Revision of the tree under test, kept with the run." };

    public RunOptions()
    {
        AtLeast(Jobs, 1);
        AtLeast(Repeat, 1);
        AtLeast(Retries, 0);
        Budget.Validators.Add(CellBudget.Check);
        TimeoutSeconds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is { } seconds && !(seconds >= 0 && seconds <= TimeSpan.MaxValue.TotalSeconds / 100))
                result.AddError("--timeout takes seconds, 0 or more.");
        });
    }

    public void AddTo(Command command)
    {
        command.Arguments.Add(Tests);
        foreach (var option in (Option[])
            [Suite, Vmm, Accel, Arch, HostKernel, Guest, Matrix, Pairwise, Budget, Results, Group, All, Only, Skip, Jobs, TimeoutSeconds, Repeat, Retries, FailFast, Shard, Seed, RerunFailed, Continue, KnownFailures,
             Baseline, Report, Branch, Revision, Tap, Json, List, Verbose, NoStallWatch, Network])
            command.Options.Add(option);
    }

    private static void AtLeast(Option<int> option, int least) => option.Validators.Add(result =>
    {
        if (result.Errors.Any() || result.Tokens.Count == 0)
            return;
        if (!int.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) || value < least)
            result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} takes a whole number from {least} up."));
    });
}
