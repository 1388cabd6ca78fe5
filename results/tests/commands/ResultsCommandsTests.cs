using System.CommandLine;
using System.Text.Json;
using Gauntlet.Results.Commands;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;
using Gauntlet.Results.Tests.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Tests.Commands;

public sealed class ResultsCommandsTests(DemoStore demo) : IClassFixture<DemoStore>
{
    private const string Newest = "20261120-231501-4f2a", Older = "20261119-090000-aa01";

    [Fact]
    public void List_shows_runs_newest_first_with_what_came_of_them()
    {
        var (status, text) = Run("list");
        Assert.Equal(0, status);
        var lines = text.Split('\n');
        Assert.StartsWith(Newest, lines[1]);
        Assert.Contains("‼2 ✗3 ◷3 ≠2 ?4 ≈5 –11 ✓225 ~3 flaky", lines[1]);
        Assert.StartsWith(Older, lines[2]);
        Assert.DoesNotContain(Newest, Run("list", "--branch", "main").Text);
        Assert.StartsWith("no runs in", Run("list", "--state", "interrupted").Text);

        using var json = JsonDocument.Parse(Run("list", "--json").Text);
        Assert.Equal(Newest, json.RootElement[0].GetProperty("run").GetProperty("id").GetString());
        Assert.Equal(225, json.RootElement[0].GetProperty("counts").GetProperty("pass").GetInt32());
    }

    [Fact]
    public void Show_prints_a_run_or_a_case_with_the_line_that_repeats_it()
    {
        var run = Run("show").Text;
        Assert.Contains($"run {Newest}, finished: 10 of 240 failed", run);
        Assert.Contains("✗ fail  cpu/paging @ qemu/tcg/x86_64\n  2 of 14 checks failed", run);
        Assert.Contains($"gauntlet results show {Newest} 'devices/ioapic @ gvmm/kvm/x86_64'", run);

        var job = Run("show", "latest", "cpu/paging @ qemu/tcg/x86_64").Text;
        var result = demo.Report.Results.First(r => r.Job.Key == "cpu/paging @ qemu/tcg/x86_64");
        Assert.Contains($"\n{ShellCommand.Of(result.Attempts[0])}\n", job);
        Assert.Contains("subtests: 2 fail, 12 pass", job);
        Assert.Contains("✗ paging: check 4: error code 3, want 2", job);
        Assert.DoesNotContain("check 5", job);
        Assert.Contains("check 5", Run("show", "latest", "cpu/paging @ qemu/tcg/x86_64", "--subtests").Text);
        Assert.Contains("attempt 2 of 2: ✓ pass", Run("show", "latest", "*/tsc @ qemu/tcg/x86_64").Text);
        Assert.Contains("30 results; up to 10 are shown in full.", Run("show", "latest", "kvm-unit-tests/x86/s*").Text);

        using var json = JsonDocument.Parse(Run("show", "latest", "cpu/paging @ qemu/tcg/x86_64", "--json").Text);
        Assert.Equal(ShellCommand.Of(result.Attempts[0]), json.RootElement[0].GetProperty("commands")[0].GetString());
    }

    [Fact]
    public void Show_console_makes_what_the_guest_printed_harmless_and_save_keeps_its_bytes()
    {
        var text = Run("show", "latest", "*/emulator @ gvmm/tcg/x86_64", "--console").Text;
        Assert.Contains(@"\x1b]0;owned\x07\x1b[2J\u202egnp.exe\x00\x9b31m", text);
        Assert.DoesNotContain("\x1b", text);

        using var folder = new TemporaryFolder();
        Run("show", "latest", "*/emulator @ gvmm/tcg/x86_64", "--artifact", "console.log", "--save", folder["console"]);
        Assert.EndsWith(Demo.Hostile, File.ReadAllText(folder["console"]));
        Assert.Equal(40_000, Run("show", "latest", "*/memory @ gvmm/tcg/x86_64", "--console").Text.Split('\n').Count(line => line.StartsWith("page 0000")));
    }

    [Fact]
    public void Diff_ends_with_1_when_something_newly_fails_and_only_then()
    {
        var (status, text) = Run("diff", "--baseline", "main");
        Assert.Equal(1, status);
        Assert.Contains("newly failing: 13\n  cpu/paging @ gvmm/tcg/x86_64: pass → fail\n      2 of 14 checks failed", text);
        Assert.Contains("     › paging: check 4: pass → fail\n", text);
        Assert.Equal(text, Run("diff").Text);
        Assert.Equal(1, Run("diff", Newest, Older).Status);
        Assert.Contains("still failing: 3\n  ", Run("diff", "--all").Text);
        using var json = JsonDocument.Parse(Run("diff", "--json").Text);
        Assert.Equal("gauntlet-diff", json.RootElement.GetProperty("kind").GetString());
        Assert.Contains("Both are the run", Fails("diff", Newest, "latest"));
        Assert.Contains("no run of the branch 'nope'", Fails("diff", "--baseline", "nope"));

        using var store = new TemporaryFolder();
        using (var filling = ResultStore.Open(store.Path))
        {
            foreach (var id in new[] { "a", "b" })
            {
                filling.BeginRun(Samples.Run(id), []);
                filling.AddResult(id, Samples.Result(Samples.Job("x"), Verdict.Fail));
            }
        }

        Assert.Equal((0, "a → b: 1 jobs compared\n\nstill failing: 1 (--all lists them)\n"), RunIn(store.Path, "diff"));
    }

    [Fact]
    public void Diff_between_cells_names_the_run_and_the_two_values()
    {
        var (status, text) = Run("diff", "--between", "vmm=qemu,gvmm");
        Assert.Equal(1, status);
        Assert.Contains(", vmm qemu → gvmm: ", text.Split((char)10)[0]);
        Assert.Contains(" @ gvmm/", text);
        // What the later side does not have is named by the earlier.
        Assert.DoesNotContain(" @ qemu/", text[..text.IndexOf("\ngone", StringComparison.Ordinal)]);
        using var json = JsonDocument.Parse(Run("diff", "--between", "vmm=qemu,gvmm", "--json").Text);
        Assert.Equal("vmm", json.RootElement.GetProperty("between").GetProperty("axis").GetString());
        Assert.Contains("not both", Fails("diff", "--between", "vmm=qemu,gvmm", "--baseline", "main"));
    }

    [Fact]
    public void History_shows_a_job_or_a_subtest_over_time()
    {
        var text = Run("history", "cpu/paging @ qemu/tcg/x86_64").Text;
        Assert.StartsWith("cpu/paging @ qemu/tcg/x86_64\n  ✓✗\n", text);
        var subtest = Run("history", "paging", "--subtest", "paging: check 4").Text;
        Assert.Contains("cpu/paging @ qemu/tcg/x86_64 › paging: check 4\n  ✓✗\n", subtest);
        Assert.Contains("cpu/paging @ qemu/kvm/x86_64 › paging: check 4\n  ✓✓\n", subtest);
        Assert.Contains("has no results of 'nope'", Fails("history", "nope"));
        using var json = JsonDocument.Parse(Run("history", "paging", "--json").Text);
        Assert.Equal(5, json.RootElement.GetArrayLength());
    }

    [Fact]
    public void Flaky_names_what_needed_a_retry()
    {
        var text = Run("flaky").Text;
        Assert.Contains("50%", text);
        Assert.Contains("1 of 2", text);
        Assert.Equal(4, text.TrimEnd().Split('\n').Length);
        Assert.StartsWith("no flaky jobs", Run("flaky", "--branch", "main").Text);
    }

    [Theory]
    [InlineData("html", "<!DOCTYPE html>")]
    [InlineData("junit", "<?xml")]
    [InlineData("tap", "TAP version 14")]
    [InlineData("json", "{")]
    [InlineData("markdown", "## ")]
    public void Export_writes_each_format_to_a_file_or_standard_output(string format, string start)
    {
        Assert.StartsWith(start, Run("export", "latest", "--format", format).Text);
        using var folder = new TemporaryFolder();
        Assert.Equal(0, Run("export", "-f", format, "-o", folder["out"], "--baseline", "main").Status);
        Assert.StartsWith(start, File.ReadAllText(folder["out"]));
    }

    [Fact]
    public void Export_takes_the_format_from_the_files_name()
    {
        using var folder = new TemporaryFolder();
        Run("export", "-o", folder["r.xml"], "--against", Older);
        Assert.StartsWith("<?xml", File.ReadAllText(folder["r.xml"]));
        Assert.Contains("In which format?", Fails("export", "-o", folder["r.dat"]));
        Assert.Contains("no format 'pdf'", Fails("export", "-f", "pdf"));
        Assert.Contains("Cannot write /nowhere/r.xml", Fails("export", "-o", "/nowhere/r.xml"));
    }

    [Fact]
    public void Prune_wants_a_rule_and_tells_what_went()
    {
        Assert.Contains("Say which runs may go", Fails("prune"));
        Assert.Contains("such as 30d", Fails("prune", "--older-than", "soon"));
        Assert.Contains("0 or more", Fails("prune", "--keep", "-1"));
        Assert.StartsWith("would remove 1 runs", Run("prune", "--keep", "1", "--dry-run").Text);
        Assert.Equal(2, demo.Store.ListRuns(new RunFilter()).Count);
    }

    [Theory]
    [InlineData("90m", 1.5)]
    [InlineData("12h", 12)]
    [InlineData("1.5d", 36)]
    [InlineData("2w", 336)]
    public void Ages_are_numbers_with_a_unit(string text, double hours) => Assert.Equal(TimeSpan.FromHours(hours), PruneCommand.ParseAge(text));

    [Fact]
    public void What_is_not_there_is_said_with_what_is()
    {
        Assert.Contains("has no run '2027'", Fails("show", "2027"));
        Assert.Contains("has no run 'latest~7': it holds 2", Fails("show", "latest~7"));
        Assert.Contains("no job that 'nope' names; it has 255 results, 'smoke/boot @ gvmm/tcg/x86_64'", Fails("show", "latest", "nope"));
        Assert.Contains("has no qmp.log; it has console.log, stderr.log", Fails("show", "latest", "cpu/paging @ qemu/tcg/x86_64", "--artifact", "qmp.log"));
        Assert.Contains("was not executed: host KVM offers no nested state", Fails("show", "latest", "*/svm @ gvmm/kvm/x86_64", "--console"));
        Assert.Contains("5 results match", Fails("show", "latest", "paging", "--console"));
        Assert.Contains("Which job's?", Fails("show", "--console"));
        Assert.Contains("neither a folder nor postgres", Assert.Throws<UserException>(() => RunIn("mysql://x", "list")).Message);
    }

    [Fact]
    public void Every_command_has_a_description_and_examples()
    {
        foreach (var command in new ResultsCommands().CreateCommands(Output(TextWriter.Null)).SelectMany(c => c.Subcommands.Prepend(c)))
        {
            Assert.NotEmpty(command.Description!);
            Assert.NotEmpty(Examples.Of(command));
            Assert.All(command.Options.Concat<Symbol>(command.Arguments), symbol => Assert.NotEmpty(symbol.Description!));
        }
    }

    [Fact]
    public void Completion_offers_runs_branches_and_jobs_of_the_store()
    {
        var completions = Root(TextWriter.Null).Parse(["results", "--results", demo.Location, "show", "2026"]).GetCompletions().Select(c => c.Label).ToList();
        Assert.Contains(Newest, completions);
        Assert.Contains(Older, completions);
    }

    private (int Status, string Text) Run(params string[] arguments) => RunIn(demo.Location, arguments);

    private string Fails(params string[] arguments) => Assert.Throws<UserException>(() => Run(arguments)).Message;

    private static (int Status, string Text) RunIn(string location, params string[] arguments)
    {
        var writer = new StringWriter { NewLine = "\n" };
        var parsed = Root(writer).Parse(["results", "--results", location, .. arguments]);
        Assert.Empty(parsed.Errors);
        return (parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false }), writer.ToString());
    }

    private static RootCommand Root(TextWriter writer)
    {
        var root = new RootCommand();
        foreach (var command in new ResultsCommands().CreateCommands(Output(writer)))
            root.Add(command);
        return root;
    }

    private static Output Output(TextWriter writer) => new(writer, TextWriter.Null, live: false, colour: false);
}
