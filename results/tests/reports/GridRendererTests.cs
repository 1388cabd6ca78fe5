using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Tests.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Tests.Reports;

public sealed class GridRendererTests
{
    [Fact]
    public void Plain_output_has_a_row_for_each_suite_and_a_column_for_each_cell()
    {
        Assert.Equal(
            """
            suite   qemu/tcg/x86_64   qemu/kvm/x86_64
            smoke   ✗1 ✓2             –1
            cpu     ✓1
            ✗ 1 fail   – 1 skip   ✓ 3 pass; 1 flaky

            """,
            Render(live: false, colour: false,
                Result("a", Verdict.Pass), Result("b", Verdict.Fail), Result("c", Verdict.Pass) with { Flaky = true }, Result("a", Verdict.Skip, Samples.Kvm),
                Samples.Result(Samples.Job("x", suite: "cpu"), Verdict.Pass)));
    }

    [Fact]
    public void A_terminal_gets_the_same_in_colour()
    {
        var text = Render(live: true, colour: true, Result("a", Verdict.Pass), Result("b", Verdict.Crash));
        Assert.Contains("\x1b[", text);
        Assert.Contains("✓1", text);
        Assert.Contains("‼1", text);
    }

    [Fact]
    public void Many_cells_turn_the_grid_and_nothing_is_cut()
    {
        var results = Enumerable.Range(0, 12).Select(i => Result("a", Verdict.Pass, Samples.Tcg with { Machine = $"machine-{i}" })).ToArray();
        var lines = Render(live: false, colour: false, results).Split('\n');
        Assert.StartsWith("cell ", lines[0]);
        Assert.Equal("qemu/tcg/x86_64,machine=machine-11   ✓1", lines[12]);
        Assert.All(lines, line => Assert.True(line.Length <= Output.PlainWidth));
    }

    [Fact]
    public void Many_of_both_make_a_list()
    {
        var results = (from suite in Enumerable.Range(0, 20)
                       from cell in Enumerable.Range(0, 12)
                       select Samples.Result(Samples.Job("a", Samples.Tcg with { Machine = $"machine-{cell}" }, $"a-long-suite-{suite}"), Verdict.Pass)).ToArray();
        Assert.Contains("qemu/tcg/x86_64,machine=machine-3\n  a-long-suite-0  ✓1\n", Render(live: false, colour: false, results));
    }

    [Fact]
    public void No_results_are_said()
    {
        Assert.Equal("no results\n", Render(live: false, colour: false));
    }

    [Fact]
    public void A_suite_named_by_an_enemy_cannot_write_to_the_terminal()
    {
        var result = Samples.Result(Samples.Job("a", suite: "[red]\x1b]0;title\a"), Verdict.Pass);
        foreach (var live in new[] { true, false })
        {
            var text = Render(live, colour: false, result);
            Assert.Contains(@"[red]\x1b]0;title\x07", text);
            Assert.DoesNotContain("\x1b]", text);
        }
    }

    private static JobResult Result(string name, Verdict verdict, Cell? cell = null) => Samples.Result(Samples.Job(name, cell), verdict);

    private static string Render(bool live, bool colour, params JobResult[] results)
    {
        var writer = new StringWriter { NewLine = "\n" };
        var output = new Output(writer, TextWriter.Null, live, colour);
        if (live)
            output.Console.Profile.Width = 100;
        GridRenderer.Render(output, results);
        return writer.ToString();
    }
}
