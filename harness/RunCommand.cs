using System.CommandLine;
using System.Runtime.InteropServices;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Running;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness;

/// <summary><c>gauntlet run</c>: suites on the cells of a matrix.</summary>
public sealed class RunCommand : ICommandModule
{
    /// <summary>What a shell reports of a command that Ctrl-C ended.</summary>
    private const int Interrupted = 128 + 2;

    public IEnumerable<Command> CreateCommands(Output output)
    {
        var options = new RunOptions();
        var command = new Command("run", "Run suites on VMMs across a matrix, and keep every result.");
        options.AddTo(command);
        command.SetAction((line, cancellation) => RunAsync(line, options, output, cancellation));
        yield return command
            .WithExample("gauntlet run", "every in-tree suite on gvmm, by the default matrix")
            .WithExample("gauntlet run --vmm qemu --accel tcg --suite cpu smoke", "two suites on the installed QEMU")
            .WithExample("gauntlet run --vmm qemu --accel tcg --suite ~/kvm-unit-tests/x86/unittests.cfg -g vmexit", "one group of kvm-unit-tests")
            .WithExample("gauntlet run --matrix full --retries 2 --report out", "everything that this host can run, with reports for CI")
            .WithExample("gauntlet run --matrix full --pairwise --budget 20m", "the cells worth most, in which all pairs of axis values meet")
            .WithExample("gauntlet run --host-kernel arch/x86/boot/bzImage --vmm qemu --suite ~/kvm-unit-tests", "a kernel's own KVM, in a Linux booted for it")
            .WithExample("gauntlet run --vmm qemu --guest kut@/src/kvm-unit-tests:HEAD~5,kut@/src/kvm-unit-tests:HEAD", "two revisions of a suite side by side")
            .WithExample("gauntlet run --rerun-failed", "what failed in the latest run")
            .WithExample("gauntlet run 'apic*' --repeat 20 --skip '*@*/kvm/*'", "some cases, often, not on KVM");
    }

    private static async Task<int> RunAsync(ParseResult line, RunOptions options, Output output, CancellationToken cancellation)
    {
        Refuse(line, options);
        using var store = ResultStore.Open(line.GetValue(options.Results));
        using var launcher = new AttemptLauncher();
        ScratchFolder.SweepStale();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var interrupt = OnSignal(PosixSignal.SIGINT, stop, output);
        using var terminate = OnSignal(PosixSignal.SIGTERM, stop, output);
        using var hangUp = OnSignal(PosixSignal.SIGHUP, stop, output);
        try
        {
            var continued = line.GetResult(options.Continue) is null ? null : RunPlan.FindRun(store, line.GetValue(options.Continue));
            var plan = continued is null
                ? await RunPlan.MakeAsync(line, options, store, launcher, stop.Token)
                : await RunPlan.OfRunAsync(line, options, store.GetJobs(continued.Id), launcher, stop.Token);
            foreach (var note in plan.Notes)
                output.Error.WriteLine($"note: {note}");
            if (line.GetValue(options.List))
                return List(plan, output);
            return await CarryOutAsync(line, options, output, store, launcher, plan, continued, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return Interrupted;
        }
    }

    private static async Task<int> CarryOutAsync(
        ParseResult line, RunOptions options, Output output, ResultStore store, AttemptLauncher launcher, RunPlan plan, Run? continued, CancellationToken cancellation)
    {
        var kvm = KvmHost.Probe();
        var run = Describe(line, options, plan, kvm, continued);
        var done = continued is null ? [] : store.GetResults(continued.Id).ToList();
        var known = LoadKnownFailures(line, options);
        var jobs = line.GetValue(options.Jobs);
        var progress = new RunProgress(output, plan.Jobs, store.GetTimings(), jobs, line.GetValue(options.Verbose));
        var runner = new JobRunner(plan.Drivers, launcher, store, new JobRunnerOptions
        {
            Retries = line.GetValue(options.Retries),
            WatchForStalls = !line.GetValue(options.NoStallWatch),
            Network = line.GetValue(options.Network),
            HostKvm = run.Host["kvm"],
        });
        var session = new RunSession(
            store, runner,
            new RunSessionOptions
            {
                Budget = HostBudget.For(jobs),
                FailFast = line.GetValue(options.FailFast),
                Seed = line.GetValue(options.Seed),
                Time = plan.Time,
                KnownFailures = known,
            },
            progress);
        var (state, results) = await progress.WatchAsync(() => session.RunAsync(run, plan.Jobs, done, cancellation));
        run = store.FindRun(run.Id) ?? run;
        return new RunEnding(output, store, run, results, known).Tell(line, options, interrupted: state == RunState.Cancelled && cancellation.IsCancellationRequested)
            is var code && cancellation.IsCancellationRequested ? Interrupted : code;
    }

    private static Run Describe(ParseResult line, RunOptions options, RunPlan plan, KvmHost kvm, Run? continued)
    {
        var now = DateTime.UtcNow;
        var host = HostFacts.Collect(kvm, plan.Cells);
        return continued is not null
            ? continued with { State = RunState.Running, FinishedUtc = null, Host = host }
            : new Run
            {
                Id = RunPlan.NewRunId(now),
                StartedUtc = now,
                State = RunState.Running,
                CommandLine = "gauntlet " + string.Join(' ', line.Tokens.Select(token => token.Value)),
                Branch = line.GetValue(options.Branch),
                Revision = line.GetValue(options.Revision),
                Host = host,
                JobCount = plan.Jobs.Count,
            };
    }

    /// <summary>What excludes each other.</summary>
    private static void Refuse(ParseResult line, RunOptions options)
    {
        if (line.GetValue(options.Tap) && line.GetValue(options.Json))
            throw new UserException("--tap and --json both want standard output; give one, and --report DIR for the other.");
        if (line.GetResult(options.Continue) is null)
            return;
        foreach (var option in (Option[])[options.Suite, options.Vmm, options.Accel, options.Arch, options.HostKernel, options.Guest, options.Group, options.Only, options.Skip, options.Pairwise, options.Budget, options.Shard, options.RerunFailed])
        {
            if (line.GetResult(option) is { Implicit: false })
                throw new UserException($"--continue goes on with the jobs that the run has; {option.Name} cannot change them.");
        }
    }

    private static KnownFailures LoadKnownFailures(ParseResult line, RunOptions options)
    {
        if (line.GetValue(options.KnownFailures) is { Length: > 0 } files)
            return new KnownFailures([.. files.SelectMany(file => KnownFailures.Load(file).Entries)]);
        var inTree = SourceTree.Find() is { } root ? Path.Combine(root, "matrices", "known-failures.yaml") : null;
        return File.Exists(inTree) ? KnownFailures.Load(inTree) : KnownFailures.None;
    }

    private static int List(RunPlan plan, Output output)
    {
        foreach (var job in plan.Jobs)
            output.Out.WriteLine(job.SkipReason is null ? $"{job.Suite}/{job.Case} @ {job.Cell}" : $"{job.Suite}/{job.Case} @ {job.Cell}  # skip: {job.SkipReason}");
        return ExitCode.Success;
    }

    /// <summary>The first signal ends the run in order; the second ends this process, and with it every VMM: their supervisors see to that.</summary>
    private static PosixSignalRegistration OnSignal(PosixSignal signal, CancellationTokenSource stop, Output output) => PosixSignalRegistration.Create(signal, context =>
    {
        if (stop.IsCancellationRequested)
            return;
        context.Cancel = true;
        output.Error.WriteLine("ending the run; once more to end at once");
        stop.Cancel();
    });
}
