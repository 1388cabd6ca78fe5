using System.CommandLine;
using System.Globalization;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Running;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Bisecting;

/// <summary><c>gauntlet bisect</c>: the commit of a VMM or a suite, or the kernel, at which a case began to fail.</summary>
public sealed class BisectCommand : ICommandModule
{
    private static readonly Option<string?> s_good = new("--good") { Description = "Revision at which the case passes; of --host-kernel one, without it the first", HelpName = "REV" };
    private static readonly Option<string?> s_bad = new("--bad") { Description = "Revision at which it fails: without it HEAD, or the last of --host-kernel", HelpName = "REV" };
    private static readonly Option<string> s_vmm = new("--vmm") { Description = "gvmm, qemu, or one that the matrix declares with 'source'", DefaultValueFactory = _ => "gvmm" };
    private static readonly Option<string?> s_source = new("--source") { Description = "Checkout of the VMM; without: this one for gvmm, else the matrix's 'source'", HelpName = "DIR" };
    private static readonly Option<string?> s_guest = new("--guest") { Description = "Bisect a suite instead of the VMM: 'kut', kvm-unit-tests of the checkout --source", HelpName = "NAME" };
    private static readonly Option<string[]> s_hostKernel = new("--host-kernel")
    {
        Description = "Search kernels under the VMM, each booted as L1: bzImages, built source trees, Debian packages, oldest first, with commas",
        HelpName = "PATH|PACKAGE,…",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string> s_matrix = new("--matrix") { Description = "Matrix that declares the VMM, by name or file", DefaultValueFactory = _ => MatrixFile.DefaultName };
    private static readonly Option<string[]> s_suite = new("--suite", "-s") { Description = "Suite of the case; without: every in-tree suite", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
    private static readonly Option<string> s_accel = new("--accel") { Description = "Accelerator", DefaultValueFactory = _ => "tcg" };
    private static readonly Option<string> s_arch = new("--arch") { Description = "Architecture", DefaultValueFactory = _ => "x86_64" };
    private static readonly Option<string?> s_machine = new("--machine") { Description = "Machine type" };
    private static readonly Option<int> s_repeat = new("--repeat") { Description = "Run the case so often at each commit: good is what passes every time", DefaultValueFactory = _ => 1 };
    private static readonly Option<double?> s_timeout = new("--timeout") { Description = "Limit of the case", HelpName = "SECONDS" };
    private static readonly Option<string?> s_results = new("--results") { Description = "Results store that keeps every attempt", HelpName = "DIR|URL" };
    private static readonly Option<bool> s_json = new("--json") { Description = "JSON for scripts" };
    private static readonly Argument<string> s_case = new("case") { Description = "SUITE/CASE, or the case alone; must match one" };

    public IEnumerable<Command> CreateCommands(Output output)
    {
        var command = new Command("bisect", "Find the commit of a VMM or a suite, or the kernel, at which a case began to fail: builds or boots each step, runs it, and says what is certain.")
        {
            s_case, s_good, s_bad, s_vmm, s_source, s_guest, s_hostKernel, s_matrix, s_suite, s_accel, s_arch, s_machine, s_repeat, s_timeout, s_results, s_json,
        };
        s_repeat.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<int>() is < 1 or > 1000)
                result.AddError("--repeat takes 1 to 1000.");
        });
        command.SetAction((line, cancellation) => RunAsync(line, output, cancellation));
        yield return command
            .WithExample("gauntlet bisect --good v0.1 --bad HEAD -- cpu/flags", "gvmm of this checkout, with its TCG")
            .WithExample("gauntlet bisect --vmm qemu --source ~/qemu --good v9.0.0 --bad v9.1.0 --suite ~/kvm-unit-tests --repeat 3 -- apic", "QEMU, each step three times")
            .WithExample("gauntlet bisect --vmm qemu --guest kut --source ~/kvm-unit-tests --good v1.1 --bad v1.2 -- msr", "the suite's commits, on the installed QEMU")
            .WithExample("gauntlet bisect --vmm qemu --source ~/qemu --good v7.1.0 --bad v7.2.0 --suite fuzz-out/qemu/buckets/suite.yaml -- '000*'", "what the fuzzer found on QEMU")
            .WithExample("gauntlet bisect --host-kernel linux-image-6.1.0-37-amd64,~/next/arch/x86/boot/bzImage,~/linux --vmm qemu -- cpu/paging", "kernels whose KVM is under test, oldest first")
            .WithExample("gauntlet bisect --good HEAD~20 --accel kvm --json -- devices/serial", "for a script");
    }

    private static async Task<int> RunAsync(ParseResult line, Output output, CancellationToken cancellation)
    {
        var context = SuiteContext.ForProcess(line.GetValue(s_arch));
        var matrix = MatrixFile.Load(line.GetValue(s_matrix)!, context.TreeRoot);
        var vmm = line.GetValue(s_vmm)!;
        var declared = matrix.Vmms.FirstOrDefault(declaration => declaration.Name == vmm);
        var guest = line.GetValue(s_guest);
        if (guest is not (null or KvmUnitTests.Guest))
            throw new UserException($"'{guest}' is no suite whose revisions are built; there is {KvmUnitTests.Guest}.");
        if (guest is not null && line.GetResult(s_suite) is { Implicit: false })
            throw new UserException("--guest is the suite: --suite would name another.");
        var kernels = L1Supply.Kernels(line.GetList(s_hostKernel));
        var (checkout, history, good, bad) = kernels.Count > 0 ? Kernels(line, kernels) : Commits(line, vmm, guest, declared, context);
        using var store = ResultStore.Open(line.GetValue(s_results));
        using var launcher = new AttemptLauncher();
        var drivers = DriverRegistry.For(matrix.Vmms, launcher);
        var one = new Trial(line, drivers, store, launcher, context, checkout);
        one.Begin();
        BisectResult result;
        try
        {
            result = await new BisectSearch(history, one.TryAsync, step => BisectReport.Tell(output, step)).RunAsync(good, bad, cancellation);
            one.End(RunState.Finished);
        }
        catch
        {
            one.End(RunState.Cancelled);
            throw;
        }
        return await BisectReport.TellAsync(output, result, history, line.GetValue(s_json), cancellation);
    }

    private static (string Checkout, BisectHistory History, string Good, string Bad) Commits(ParseResult line, string vmm, string? guest, VmmDeclaration? declared, SuiteContext context)
    {
        var checkout = line.GetValue(s_source) is { } named ? Path.GetFullPath(named) : guest is not null ? null : declared?.Source ?? (vmm == "gvmm" ? context.TreeRoot : null);
        if (checkout is null)
            throw new UserException($"Where the sources of {guest ?? vmm} are is not known; name their checkout with --source.");
        var good = line.GetValue(s_good) ?? throw new UserException("A search begins at a revision where the case passes: name it with --good.");
        return (checkout, new CommitHistory(new GitSource(checkout)), good, line.GetValue(s_bad) ?? "HEAD");
    }

    private static (string? Checkout, BisectHistory History, string Good, string Bad) Kernels(ParseResult line, IReadOnlyList<string> kernels)
    {
        foreach (var option in (Option[])[s_source, s_guest, s_accel])
        {
            if (line.GetResult(option) is { Implicit: false } && !(option == s_accel && line.GetValue(s_accel) == L1Supply.Accel))
                throw new UserException($"--host-kernel searches kernels, which boot for {L1Supply.Accel}; {option.Name} does not go with it.");
        }

        if (kernels.Count < 2)
            throw new UserException("--host-kernel takes two kernels or more, oldest first, with commas between them.");
        if (kernels.CountBy(kernel => kernel).FirstOrDefault(entry => entry.Value > 1).Key is { } twice)
            throw new UserException($"--host-kernel names {twice} twice; a search goes through an order.");
        return (null, new ListedHistory("kernel", kernels), End(s_good) ?? kernels[0], End(s_bad) ?? kernels[^1]);

        string? End(Option<string?> option) => line.GetValue(option) is { } named ? L1Supply.Kernels([named])[0] : null;
    }

    /// <summary>Runs the case at a step.</summary>
    /// <param name="checkout">Of the commits; null: the steps are kernels.</param>
    private sealed class Trial(ParseResult line, DriverRegistry drivers, ResultStore store, AttemptLauncher launcher, SuiteContext context, string? checkout)
    {
        private readonly string? _guest = line.GetValue(s_guest);
        private readonly List<Suite> _suites = line.GetValue(s_guest) is not null ? []
            : line.GetValue(s_suite)! is { Length: > 0 } named
            ? [.. named.Select(name => SuiteLoader.Load(name, context))]
            : [.. SuiteLoader.LoadInTree(line.GetValue(s_arch), context)];
        private readonly JobPattern _case = new(line.GetValue(s_case)!);
        private readonly JobRunner _runner = new(drivers, launcher, store, new JobRunnerOptions());
        private Run? _run;

        public void Begin()
        {
            var now = DateTime.UtcNow;
            _run = new Run
            {
                Id = RunPlan.NewRunId(now),
                StartedUtc = now,
                State = RunState.Running,
                CommandLine = "gauntlet " + string.Join(' ', line.Tokens.Select(token => token.Value)),
                Host = HostFacts.Collect(KvmHost.Probe(), []),
            };
            // So that a mistake in the case's name is told before anything is built.
            if (_guest is null)
                _ = JobAt(new CellStatus(Cell("HEAD"), null, null), _suites);
            store.BeginRun(_run, []);
        }

        public void End(RunState state) => store.EndRun(_run!.Id, state, DateTime.UtcNow);

        public async Task<(StepVerdict Verdict, string? Reason)> TryAsync(string step, CancellationToken cancellation)
        {
            var status = (await drivers.AskAsync([Cell(step)], cancellation))[0];
            if (status.SkipReason is { } why)
                return (StepVerdict.Skipped, why);
            IReadOnlyList<Suite> suites = _suites;
            if (_guest is not null)
            {
                try
                {
                    suites = [await GuestSuites.BuildAsync(status.Cell.GuestVersion!, status.Cell.Arch, context, cancellation)];
                }
                catch (UserException e)
                {
                    return (StepVerdict.Skipped, e.Message);
                }
            }
            var job = JobAt(status, suites);
            var results = new List<JobResult>();
            for (var repetition = 1; repetition <= line.GetValue(s_repeat); repetition++)
            {
                var result = await _runner.RunAsync(job with { Repetition = repetition }, null, cancellation);
                store.AddResult(_run!.Id, result);
                results.Add(result);
            }
            var judged = results.Where(result => result.Verdict.WasExecuted()).ToList();
            if (judged.Count == 0)
                return (StepVerdict.Skipped, results[0].Reason);
            var failed = judged.Where(result => result.Verdict.IsFailure()).ToList();
            return failed.Count == 0 ? (StepVerdict.Good, null)
                : failed.Count == judged.Count ? (StepVerdict.Bad, failed[0].Reason)
                : (StepVerdict.Flaky, string.Create(CultureInfo.InvariantCulture, $"failed {failed.Count} of {judged.Count} times: {failed[0].Reason}"));
        }

        private Cell Cell(string step)
        {
            var cell = new Cell(line.GetValue(s_vmm)!, line.GetValue(s_accel)!, line.GetValue(s_arch)!, Machine: line.GetValue(s_machine));
            return checkout is null ? cell with { Accel = L1Supply.Accel, HostKernel = step }
                : _guest is null ? cell with { VmmVersion = $"{checkout}:{step}" }
                : cell with { Guest = _guest, GuestVersion = $"{checkout}:{step}" };
        }

        private Job JobAt(CellStatus status, IReadOnlyList<Suite> suites)
        {
            var options = new JobOptions { All = true, Timeout = line.GetValue(s_timeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : null, KernelRelease = JobOptions.HostKernelRelease() };
            var jobs = suites.SelectMany(suite => JobMaker.Make(suite, status, options)).Where(_case.Matches).ToList();
            return jobs switch
            {
                [{ SkipReason: null } only] => only,
                [{ SkipReason: { } why }] => throw new UserException($"The case cannot run here: {why}"),
                [] => throw new UserException($"No case matches '{line.GetValue(s_case)}' on {line.GetValue(s_arch)}; gauntlet run --list shows what there is."),
                _ => throw new UserException($"'{line.GetValue(s_case)}' matches {jobs.Count} cases: {string.Join(", ", jobs.Take(5).Select(job => $"{job.Suite}/{job.Case}"))}; a search is for one."),
            };
        }
    }
}
