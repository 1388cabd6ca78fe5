using System.Diagnostics;
using System.Globalization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Tests.Drivers;
using Gauntlet.Linux;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Running;

/// <summary>What can go wrong around a run: each ends in a clear verdict, and results that were written stay.</summary>
public sealed class FaultTests
{
    [Fact]
    public async Task A_vmm_that_dies_at_start_is_an_infra_error_with_its_last_words()
    {
        using var bench = new Bench("echo 'fake: bad option -foo' >&2; exit 2").With("a", "");
        var (code, text) = await bench.RunAsync();
        Assert.Equal(ExitCode.Environment, code);
        Assert.Contains("bad option -foo", text, StringComparison.Ordinal);
        var result = bench.LatestResults()["a"];
        Assert.Equal(Verdict.InfraError, result.Verdict);
        Assert.Equal(2, result.Attempts.Count);
    }

    [Theory]
    [InlineData("SEGV")]
    [InlineData("ABRT")]
    public async Task A_vmm_that_dies_of_a_signal_is_a_crash(string signal)
    {
        using var bench = new Bench($"echo started; kill -{signal} $$").With("a", "");
        await bench.RunAsync();
        var result = bench.LatestResults()["a"];
        Assert.Equal(Verdict.Crash, result.Verdict);
        Assert.Contains($"SIG{signal}", result.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_vmm_that_hangs_times_out()
    {
        using var bench = new Bench("echo started; sleep 1000").With("a", "timeout: 1s");
        var (code, _) = await bench.RunAsync();
        Assert.Equal(ExitCode.Failure, code);
        var result = bench.LatestResults()["a"];
        Assert.Equal(Verdict.Timeout, result.Verdict);
        Assert.Contains("started", result.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_vmm_killed_from_outside_is_an_infra_error_that_counts_for_nothing()
    {
        using var bench = new Bench("echo started; [ -e \"$0.pid\" ] && exit 1; readlink /proc/self/../self >/dev/null; sh -c 'readlink /proc/self' >/dev/null; "
            + "cut -d' ' -f4 /proc/self/stat > \"$0.new\"; mv \"$0.new\" \"$0.pid\"; while :; do sleep 1; done").With("a", "");
        var run = bench.RunAsync();
        var pid = int.Parse(await bench.AwaitFileAsync("vmm.pid"), CultureInfo.InvariantCulture);
        Assert.Equal(0, Libc.kill(pid, Libc.SIGKILL));
        var (code, _) = await run;
        Assert.Equal(ExitCode.Success, code);
        var result = bench.LatestResults()["a"];
        Assert.Equal([Verdict.InfraError, Verdict.Pass], result.Attempts.Select(attempt => attempt.Verdict));
        Assert.False(result.Flaky);
        Assert.Contains("memory", result.Attempts[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_console_of_garbage_is_kept_and_judged()
    {
        using var bench = new Bench("head -c 3000000 /dev/urandom; printf '\\0\\033[2J\\n'; exit 3").With("a", "");
        await bench.RunAsync();
        var result = bench.LatestResults()["a"];
        Assert.Equal(Verdict.Fail, result.Verdict);
        var console = result.Attempts[0].Artifacts.Single(artifact => artifact.Name == "console.log");
        Assert.True(console.Truncated);
        Assert.Equal(1 << 20, console.Length);
    }

    [Fact]
    public async Task A_guest_that_prints_for_ever_is_cut()
    {
        using var bench = new Bench("yes \"PASS: $(printf '%01000d' 0)\"").With("a", "");
        var (code, _) = await bench.RunAsync();
        Assert.Equal(ExitCode.Failure, code);
        Assert.Equal(Verdict.Fail, bench.LatestResults()["a"].Verdict);
    }

    [Fact]
    public async Task A_program_that_is_no_qemu_skips_its_cells_with_the_reason()
    {
        using var bench = new Bench("echo \"unknown option $1\" >&2; exit 1").With("a", "");
        bench.Matrix = bench.Write("qemu.yaml", $$"""
            schema: 1
            matrix: {vmm: [qemu], accel: [tcg], arch: [x86_64]}
            vmms:
              qemu: {program: "{{bench.Script}}"}
            """);
        var (code, text) = await bench.RunAsync();
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("is not a usable VMM", text, StringComparison.Ordinal);
        Assert.Contains("unknown option -machine", text, StringComparison.Ordinal);
    }

    [QemuFact]
    public async Task A_kernel_that_cannot_be_loaded_is_an_infra_error_that_says_so()
    {
        using var bench = new Bench("").With("a", "");
        bench.Write("suite/a.img", new string('x', 10_000));
        bench.Matrix = bench.Write("qemu.yaml", """
            schema: 1
            matrix: {vmm: [qemu], accel: [tcg], arch: [x86_64]}
            """);
        var (code, text) = await bench.RunAsync();
        Assert.Equal(ExitCode.Environment, code);
        Assert.Contains("couldn't load what it was given", text, StringComparison.Ordinal);
        Assert.Equal(Verdict.InfraError, bench.LatestResults()["a"].Verdict);
    }

    [Fact]
    public async Task A_program_that_says_nothing_is_no_qemu_either()
    {
        using var folder = new TemporaryFolder();
        var program = Tests.Scheduling.Scripts.Script(folder, "qemu", "exec sleep 1000");
        using var launcher = new AttemptLauncher();
        var probe = await new QemuProbe(launcher, TimeSpan.FromMilliseconds(300)).AskAsync(program, default);
        Assert.Contains("is not a usable VMM", probe.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_runs_at_once_share_a_store()
    {
        using var bench = new Bench("echo $name; exit 0");
        for (var i = 0; i < 10; i++)
            bench.With($"case-{i}");
        var arguments = bench.Arguments();
        using var first = Bench.Start(arguments);
        using var second = Bench.Start(arguments);
        await Task.WhenAll(first.WaitForExitAsync(), second.WaitForExitAsync());
        Assert.Equal((0, 0), (first.ExitCode, second.ExitCode));
        using var store = bench.OpenStore();
        var runs = store.ListRuns(new());
        Assert.Equal(2, runs.Count);
        Assert.All(runs, run => Assert.Equal((RunState.Finished, 10), (run.State, store.GetResults(run.Id).Count(result => result.Verdict == Verdict.Pass))));
    }

    [Fact]
    public async Task A_clock_that_jumps_changes_no_verdict_and_no_duration()
    {
        using var bench = new Bench("sleep 0.05; exit 0").With("a").With("b").With("c");
        _ = bench.Arguments();
        using var launcher = new AttemptLauncher();
        using var store = bench.OpenStore();
        var matrix = Gauntlet.Harness.Matrix.MatrixFile.Load(bench.Matrix, null);
        var drivers = DriverRegistry.For(matrix.Vmms, launcher);
        var clock = new JumpingClock();
        var cell = matrix.Expand(Gauntlet.Harness.Matrix.MatrixOverrides.None)[0];
        var jobs = ((string[])["a", "b", "c"]).Select(name => new Job
        {
            Suite = "made",
            Case = name,
            Cell = cell,
            Image = bench[$"suite/{name}.img"],
            TimeoutSeconds = 30,
            Convention = GuestConvention.ExitStatus,
        }).ToList();
        var run = new Run { Id = "jump", StartedUtc = clock.GetUtcNow().UtcDateTime, State = RunState.Running, CommandLine = "", JobCount = jobs.Count };
        var session = new RunSession(
            store, new JobRunner(drivers, launcher, store, new JobRunnerOptions { Clock = clock }),
            new RunSessionOptions { Budget = HostBudget.For(1), Clock = clock }, new Silent());
        var (state, results) = await session.RunAsync(run, jobs, [], default);
        Assert.Equal(RunState.Finished, state);
        Assert.All(results, result => Assert.Equal(Verdict.Pass, result.Verdict));
        Assert.All(results, result => Assert.InRange(result.Attempts[0].WallSeconds, 0.04, 30));
        Assert.Equal(3, store.GetResults("jump").Count());
    }

    [RootFact]
    public async Task A_full_disk_ends_the_run_with_its_reason_and_keeps_what_was_written()
    {
        using var bench = new Bench("[ $name = case-0 ] && { echo small; exit 0; }; head -c 900000 /dev/urandom; exit 0").With("case-0");
        for (var i = 1; i < 12; i++)
            bench.With($"case-{i}");
        Directory.CreateDirectory(bench.Results);
        Shell($"mount -t tmpfs -o size=4m tmpfs {bench.Results}");
        try
        {
            var (code, text) = await bench.RunAsync("-j", "1");
            Assert.Equal(ExitCode.Environment, code);
            Assert.Contains(bench.Results, text, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
            var results = bench.LatestResults();
            Assert.InRange(results.Count, 1, 11);
            Assert.All(results.Values, result => Assert.Equal(Verdict.Pass, result.Verdict));
        }
        finally
        {
            Shell($"umount -l {bench.Results}");
        }
    }

    [Fact]
    public async Task After_kill_9_of_the_harness_no_vmm_is_left_and_the_run_can_be_continued()
    {
        using var bench = new Bench("""
            if [ $name = slow ] && ! [ -e "$0.pids" ]; then
                (setsid sleep 1000 &)
                cut -d' ' -f4 /proc/self/stat > "$0.new"; mv "$0.new" "$0.pids"
                while :; do sleep 1; done
            fi
            echo $name >> "$0.ran"
            """).With("quick").With("slow").With("late");
        using var harness = Bench.Start(bench.Arguments("-j", "1"));
        var vmm = int.Parse(await bench.AwaitFileAsync("vmm.pids"), CultureInfo.InvariantCulture);
        using var running = Process.GetProcessById(vmm);
        harness.Kill();
        await harness.WaitForExitAsync();
        await running.WaitForExitAsync();
        using (var store = bench.OpenStore())
        {
            var run = store.FindRun("latest")!;
            Assert.Equal(RunState.Interrupted, run.State);
            Assert.Equal(["quick"], store.GetResults(run.Id).Select(result => result.Job.Case));
        }
        var (code, _) = await Bench.InvokeAsync("run", "--matrix", bench.Matrix, "--results", bench.Results, "--continue");
        Assert.Equal(ExitCode.Success, code);
        Assert.Equal(["quick", "slow", "late"], bench.LatestResults().Keys);
        Assert.Equal(["late", "quick", "slow"], (await File.ReadAllLinesAsync(bench.Script + ".ran")).Order());
        using var again = bench.OpenStore();
        Assert.Single(again.ListRuns(new()));
    }

    [Theory]
    [InlineData(Libc.SIGINT)]
    [InlineData(Libc.SIGTERM)]
    public async Task A_signal_ends_the_run_in_order_with_all_children_gone(int signal)
    {
        using var bench = new Bench("""
            cut -d' ' -f4 /proc/self/stat > "$0.new"; mv "$0.new" "$0.pid"
            trap '' INT TERM HUP
            while :; do sleep 1; done
            """).With("slow").With("never");
        using var harness = Bench.Start(bench.Arguments("-j", "1"));
        var output = harness.StandardOutput.ReadToEndAsync();
        var error = harness.StandardError.ReadToEndAsync();
        var vmm = int.Parse(await bench.AwaitFileAsync("vmm.pid"), CultureInfo.InvariantCulture);
        Assert.Equal(0, Libc.kill(harness.Id, signal));
        await harness.WaitForExitAsync();
        Assert.False(Directory.Exists($"/proc/{vmm}"));
        Assert.Equal(130, harness.ExitCode);
        Assert.Contains("--continue", await output, StringComparison.Ordinal);
        Assert.Contains("ending the run", await error, StringComparison.Ordinal);
        using var store = bench.OpenStore();
        Assert.Equal(RunState.Cancelled, store.FindRun("latest")!.State);
    }

    private static void Shell(string command)
    {
        using var shell = Process.Start("/bin/sh", ["-c", command]);
        shell.WaitForExit();
        Assert.Equal(0, shell.ExitCode);
    }

    /// <summary>A day back, two days ahead, and so on.</summary>
    private sealed class JumpingClock : TimeProvider
    {
        private int _asked;

        public override DateTimeOffset GetUtcNow()
        {
            var asked = Interlocked.Increment(ref _asked);
            return base.GetUtcNow() + TimeSpan.FromDays(asked % 2 == 0 ? -asked : asked);
        }
    }
}

/// <summary>Mounts a file system.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (Libc.geteuid() != 0)
            Skip = "needs root, to mount a small file system";
    }
}
