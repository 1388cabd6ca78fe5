using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Running;

/// <summary><c>--pairwise</c> and <c>--budget</c> from the command line.</summary>
public sealed class BudgetTests
{
    private static Bench TwoVmms(string script)
    {
        var bench = new Bench(script).With("a").With("b");
        bench.Matrix = bench.Write("two.yaml", $$"""
            schema: 1
            matrix:
              vmm: [good, bad, third]
              accel: [tcg, kvm]
              arch: [x86_64]
              machine: [one, two]
              exclude:
                - {accel: kvm}
              include:
                - {vmm: good, accel: tcg, arch: x86_64, machine: three}
            vmms:
              good: {command: ["{{bench.Script}}", "{kernel}", "{machine}", good], exit: debug-exit}
              bad: {command: ["{{bench.Script}}", "{kernel}", "{machine}", bad], exit: debug-exit}
              third: {command: ["{{bench.Script}}", "{kernel}", "{machine}", third], exit: debug-exit}
            """);
        return bench;
    }

    private static List<string> Cells(Bench bench)
    {
        using var store = bench.OpenStore();
        return [.. store.GetResults(store.FindRun("latest")!.Id).Select(result => result.Job.Cell.ToString()).Distinct().Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task What_failed_lately_comes_first_and_what_is_left_out_is_said()
    {
        using var bench = TwoVmms("[ $3 = bad ] && exit 1; exit 0");
        await bench.RunAsync();
        var (code, text) = await bench.RunAsync("--budget", "0.001s");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Equal(["bad/tcg/x86_64,machine=one"], Cells(bench));
        Assert.Contains("leaves out 6 of 7 cells, 12 jobs", text, StringComparison.Ordinal);
        Assert.Contains("left out: bad/tcg/x86_64,machine=two: 2 jobs", text, StringComparison.Ordinal);
        Assert.Contains("left out: good/tcg/x86_64,machine=three", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_never_ran_comes_before_what_passed_and_a_changed_vmm_before_both()
    {
        using var bench = TwoVmms("exit 0");
        await bench.RunAsync("--vmm", "good,third");
        await bench.RunAsync("--budget", "0.001s");
        Assert.Equal(["bad/tcg/x86_64,machine=one"], Cells(bench));
        File.SetLastWriteTimeUtc(bench.Script, DateTime.UtcNow.AddMinutes(1));
        var (_, text) = await bench.RunAsync("--budget", "0.001s");
        Assert.Contains("left out: bad/tcg/x86_64,machine=two: 2 jobs, about", text, StringComparison.Ordinal);
        Assert.EndsWith("never run", text.Split('\n').First(line => line.Contains("left out: bad/tcg/x86_64,machine=two", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain(Cells(bench), cell => cell.EndsWith("machine=two", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_budget_that_is_enough_leaves_nothing_out()
    {
        using var bench = TwoVmms("exit 0");
        var (code, text) = await bench.RunAsync("--budget", "2h");
        Assert.Equal(ExitCode.Success, code);
        Assert.Equal(7, Cells(bench).Count);
        Assert.DoesNotContain("left out", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_its_time_is_spent_only_the_most_valuable_cell_goes_on()
    {
        // The time is spent with the first case of the second cell.
        using var bench = TwoVmms("[ $3 = bad ] && touch \"$0.spent\"; exit 0");
        using var launcher = new AttemptLauncher();
        using var store = bench.OpenStore();
        var matrix = MatrixFile.Load(bench.Matrix, null);
        var cells = ((string[])["good", "bad", "third"]).Select(vmm => new Cell(vmm, "tcg", "x86_64", Machine: "one")).ToList();
        bench.SuiteFile();
        var jobs = cells.AsEnumerable().Reverse().SelectMany(cell => ((string[])["a", "b"]).Select(name => new Job
        {
            Suite = "made",
            Case = name,
            Cell = cell,
            Image = bench[$"suite/{name}.img"],
            Convention = GuestConvention.ExitStatus,
        })).ToList();
        var run = new Run { Id = "spent", StartedUtc = DateTime.UtcNow, State = RunState.Running, CommandLine = "", JobCount = jobs.Count };
        async Task<List<string>> ExecutedAsync(Func<bool> spent)
        {
            var session = new RunSession(
                store, new JobRunner(DriverRegistry.For(matrix.Vmms, launcher), launcher, store, new JobRunnerOptions()),
                new RunSessionOptions { Budget = HostBudget.For(1), Time = new TimeBudget(spent, cells, "its time is over") }, new Silent());
            var (state, results) = await session.RunAsync(run with { Id = run.Id + Guid.NewGuid() }, jobs, [], default);
            Assert.Equal(RunState.Finished, state);
            Assert.All(results, result => Assert.True(result.Verdict == Verdict.Pass || result is { Verdict: Verdict.Skip, Reason: "its time is over" }));
            return [.. results.Where(result => result.Verdict == Verdict.Pass).Select(result => $"{result.Job.Cell.Vmm}/{result.Job.Case}").Order(StringComparer.Ordinal)];
        }

        Assert.Equal(["bad/a", "good/a", "good/b"], await ExecutedAsync(() => File.Exists(bench.Script + ".spent")));
        Assert.Equal(["good/a", "good/b"], await ExecutedAsync(() => true));
        Assert.Equal(6, (await ExecutedAsync(() => false)).Count);
    }

    [Fact]
    public async Task An_estimate_goes_by_what_cases_took_whatever_came_of_them_and_says_when_it_is_a_guess()
    {
        // A failure takes its time as a pass does: a VMM that burns a second of CPU, and then fails.
        using var bench = TwoVmms("[ $3 = bad ] && timeout 1 sh -c 'while :; do :; done'; exit 1");
        await bench.RunAsync("--vmm", "bad");
        var (_, text) = await bench.RunAsync("--budget", "0.001s");
        var known = text.Split('\n').First(line => line.Contains("left out: bad/tcg", StringComparison.Ordinal));
        Assert.DoesNotContain("guess", known, StringComparison.Ordinal);
        var seconds = double.Parse(known.Split("about ")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(seconds, 0.1, 60);
        Assert.Contains("a guess", text.Split('\n').First(line => line.Contains("left out: good/tcg", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_budget_that_is_no_time_is_refused()
    {
        using var bench = TwoVmms("exit 0");
        var (code, text) = await bench.RunAsync("--budget", "soon");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("such as 90s, 20m or 2h", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pairwise_says_how_many_cells_it_takes()
    {
        using var bench = TwoVmms("exit 0");
        bench.Matrix = bench.Write("wide.yaml", File.ReadAllText(bench.Matrix).Replace("arch: [x86_64]", "arch: [x86_64]\n  cpu: [a, b]\n  guest: [g, h]", StringComparison.Ordinal)
            .Replace("{machine}", "{machine}{cpu}", StringComparison.Ordinal));
        var (code, text) = await bench.RunAsync("--pairwise");
        Assert.Equal(ExitCode.Success, code);
        var cells = Cells(bench);
        Assert.InRange(cells.Count, 7, 12);
        Assert.Contains($"--pairwise: {cells.Count} of 25 cells", text, StringComparison.Ordinal);
    }
}
