using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Running;

/// <summary><c>gauntlet run</c> from the command line to the store, with shell scripts for VMMs.</summary>
public sealed class RunTests
{
    [Fact]
    public async Task All_passed_is_success_and_the_run_is_in_the_store()
    {
        using var bench = new Bench("echo $name; exit 0").With("a").With("b");
        var (code, text) = await bench.RunAsync("--branch", "main", "--revision", "abc");
        Assert.Equal(ExitCode.Success, code);
        Assert.Contains("2 pass", text, StringComparison.Ordinal);
        using var store = bench.OpenStore();
        var run = store.FindRun("latest")!;
        Assert.Equal((RunState.Finished, "main", "abc", 2), (run.State, run.Branch, run.Revision, run.JobCount));
        Assert.Contains("kvm", run.Host.Keys);
        var result = store.GetResults(run.Id).First();
        Assert.Equal([bench.Script, bench["suite/a.img"], ""], result.Attempts[0].CommandLine);
        using var console = store.OpenArtifact(result.Attempts[0].Artifacts.Single(artifact => artifact.Name == "console.log").Sha256);
        Assert.Equal("a\n", await new StreamReader(console!).ReadToEndAsync());
    }

    [Fact]
    public async Task A_failure_is_told_with_its_reason_and_a_command_that_repeats_it()
    {
        using var bench = new Bench("[ $name = good ] || { echo 'wrong answer' >&2; exit 3; }").With("good").With("bad", "convention: exit-status\nappend: \"it's\"");
        var (code, text) = await bench.RunAsync();
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("wrong answer", text, StringComparison.Ordinal);
        Assert.Contains($"repeat: {bench.Script} {bench["suite/bad.img"]} 'it'\\''s'", text, StringComparison.Ordinal);
        Assert.DoesNotContain("fail made/good", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_executed_is_no_success()
    {
        using var bench = new Bench("exit 0").WithMissing("gone");
        var (code, text) = await bench.RunAsync();
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("gone.img is not there", text, StringComparison.Ordinal);
        Assert.Contains("Nothing was executed", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Patterns_choose_cases()
    {
        using var bench = new Bench("exit 0").With("apic-x").With("apic-y").With("timer");
        await bench.RunAsync("apic*", "--skip", "made/*-y@fake/*");
        Assert.Equal(["apic-x"], bench.LatestResults().Keys);
        await bench.RunAsync("--only", "/^t.m/");
        Assert.Equal(["timer"], bench.LatestResults().Keys);
        var (code, text) = await bench.RunAsync("nonesuch");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("nonesuch", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_group_is_chosen_as_kvm_unit_tests_runner_does()
    {
        using var bench = new Bench("exit 0").With("a", "convention: exit-status\ngroups: [fast]").With("b").With("c", "convention: exit-status\ngroups: [fast, nodefault]");
        await bench.RunAsync("-g", "fast");
        Assert.Equal(["a", "c"], bench.LatestResults().Keys.Order());
        await bench.RunAsync();
        Assert.Equal(Verdict.Skip, bench.LatestResults()["c"].Verdict);
        await bench.RunAsync("-a");
        Assert.Equal(Verdict.Pass, bench.LatestResults()["c"].Verdict);
    }

    [Fact]
    public async Task A_case_that_passes_on_a_retry_is_flaky_and_counts_as_passed()
    {
        using var bench = new Bench("[ -e \"$0.once\" ] && exit 0; touch \"$0.once\"; exit 1").With("a");
        var (code, text) = await bench.RunAsync("--retries", "2");
        Assert.Equal(ExitCode.Success, code);
        var result = bench.LatestResults()["a"];
        Assert.Equal((Verdict.Pass, true, 2), (result.Verdict, result.Flaky, result.Attempts.Count));
        Assert.Equal([Verdict.Fail, Verdict.Pass], result.Attempts.Select(attempt => attempt.Verdict));
        Assert.Contains("flaky", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Repetitions_that_differ_are_flaky_in_all()
    {
        using var bench = new Bench("[ -e \"$0.once\" ] && exit 0; touch \"$0.once\"; exit 1").With("a");
        var (code, _) = await bench.RunAsync("--repeat", "3", "-j", "1");
        Assert.Equal(ExitCode.Failure, code);
        using var store = bench.OpenStore();
        var results = store.GetResults(store.FindRun("latest")!.Id).ToList();
        Assert.Equal(3, results.Count);
        Assert.All(results, result => Assert.True(result.Flaky));
    }

    [Fact]
    public async Task Fail_fast_ends_what_runs_and_starts_no_more()
    {
        using var bench = new Bench("case $name in bad) exit 1;; *) sleep 1000;; esac").With("bad").With("slow").With("other");
        var (code, _) = await bench.RunAsync("--fail-fast");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Equal(["bad"], bench.LatestResults().Keys);
    }

    [Fact]
    public async Task Rerun_failed_takes_what_failed_in_a_run()
    {
        using var bench = new Bench("[ $name = good ] || exit 1").With("good").With("bad").With("worse");
        await bench.RunAsync();
        await bench.RunAsync("--rerun-failed");
        Assert.Equal(["bad", "worse"], bench.LatestResults().Keys.Order());
    }

    [Fact]
    public async Task The_shards_together_are_the_run()
    {
        using var bench = new Bench("exit 0");
        for (var i = 0; i < 12; i++)
            bench.With($"case-{i}");
        var seen = new List<string>();
        for (var part = 1; part <= 3; part++)
        {
            var (code, text) = await bench.RunAsync("--list", "--shard", $"{part}/3");
            Assert.Equal(ExitCode.Success, code);
            seen.AddRange(text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        Assert.Equal(12, seen.Distinct().Count());
        Assert.Equal(12, seen.Count);
    }

    [Theory]
    [InlineData("--shard", "0/3")]
    [InlineData("--shard", "4/3")]
    [InlineData("--shard", "x")]
    [InlineData("-j", "0")]
    [InlineData("--repeat", "0")]
    [InlineData("--timeout", "-1")]
    [InlineData("--only", "/(/")]
    [InlineData("--results", "")]
    [InlineData("--rerun-failed", "nonesuch")]
    public async Task A_wrong_option_is_a_usage_error_that_names_it(string option, string value)
    {
        using var bench = new Bench("exit 0").With("a");
        var (code, text) = await bench.RunAsync(option, value);
        Assert.Equal(ExitCode.Usage, code);
        Assert.NotEmpty(text.Trim());
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_known_failure_is_no_failure()
    {
        using var bench = new Bench("exit 1").With("a");
        var list = bench.Write("known.yaml", "schema: 1\nfailures:\n  - suite: made\n    case: a\n    reason: it is so\n    owner: us\n");
        var (code, _) = await bench.RunAsync("--known-failures", list);
        Assert.Equal(ExitCode.Success, code);
        Assert.Equal(Verdict.KnownFail, bench.LatestResults()["a"].Verdict);
    }

    [Fact]
    public async Task A_marker_ends_the_vmm_with_a_pass()
    {
        using var bench = new Bench("echo booting; echo login:; sleep 1000").With("boot", "convention: marker\nexpect: \"^login:\"");
        var (code, _) = await bench.RunAsync();
        Assert.Equal(ExitCode.Success, code);
    }

    [Fact]
    public async Task A_panic_ends_the_vmm_at_once()
    {
        using var bench = new Bench("echo 'Kernel panic - not syncing: no init'; sleep 1000").With("boot", "convention: marker\nexpect: \"^login:\"");
        var (code, text) = await bench.RunAsync();
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("Kernel panic", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_order_by_seed_is_the_same_each_time()
    {
        using var bench = new Bench("echo $name >> \"$0.order\"");
        for (var i = 0; i < 8; i++)
            bench.With($"case-{i}");
        await bench.RunAsync("--seed", "7", "-j", "1");
        var first = await File.ReadAllTextAsync(bench.Script + ".order");
        File.Delete(bench.Script + ".order");
        await bench.RunAsync("--seed", "7", "-j", "1");
        Assert.Equal(first, await File.ReadAllTextAsync(bench.Script + ".order"));
        Assert.NotEqual(string.Concat(Enumerable.Range(0, 8).Select(i => $"case-{i}\n")), first);
    }

    [Fact]
    public async Task Nothing_of_a_run_is_left_in_the_temporary_folder()
    {
        using var bench = new Bench("touch \"$TMPDIR/left\"; mkdir -p deep/er; exit 0").With("a");
        await bench.RunAsync();
        Assert.DoesNotContain(
            Directory.EnumerateFileSystemEntries(Path.GetTempPath(), $"gauntlet-{Environment.ProcessId}-*"), entry => Directory.Exists(Path.Combine(entry, "deep")));
    }
}
