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
