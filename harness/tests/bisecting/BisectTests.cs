using System.Diagnostics;
using FsCheck.Fluent;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Bisecting;
using Gauntlet.Harness.Tests.Running;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Bisecting;

/// <summary>A small repository whose program, a shell script, is a VMM: revisions of it are built and searched.</summary>
internal sealed class SmallRepository : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public SmallRepository() => Git("init", "-q", "-b", "main");

    public string Path => _folder.Path;

    public string Git(params string[] arguments)
    {
        var start = new ProcessStartInfo("git", ["-C", _folder.Path, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
        return text.Trim();
    }

    public string Commit(string script, string title)
    {
        var path = _folder.Write("vmm.in", "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Git("add", "-A");
        Git("commit", "-q", "--allow-empty", "-m", title);
        return Git("rev-parse", "HEAD");
    }

    public void Dispose() => _folder.Dispose();
}

public sealed class BisectTests
{
    private static Task<BisectResult> SearchAsync(SmallRepository repository, string good, string bad, Func<string, StepVerdict> verdict) =>
        new BisectSearch(new CommitHistory(new GitSource(repository.Path)), (commit, _) => Task.FromResult((verdict(commit), (string?)null))).RunAsync(good, bad, default);

    [Fact]
    public void The_first_bad_commit_is_found_wherever_it_is_and_what_is_skipped_is_said()
    {
        using var repository = new SmallRepository();
        var commits = Enumerable.Range(0, 12).Select(number => repository.Commit($"# {number}", $"commit {number}")).ToList();
        Prop.ForAll(Gen.Choose(1, 11).ToArbitrary(), Gen.Choose(0, (1 << 10) - 1).ToArbitrary(), (first, skips) =>
        {
            bool Skips(int number) => number is > 0 and < 11 && ((skips >> (number - 1)) & 1) != 0;
            var result = SearchAsync(repository, commits[0], commits[11], commit =>
                commits.IndexOf(commit) is var number && Skips(number) ? StepVerdict.Skipped : number >= first ? StepVerdict.Bad : StepVerdict.Good).GetAwaiter().GetResult();
            var candidates = result.Candidates.Select(commit => commits.IndexOf(commit)).ToList();
            // Never a wrong one; the bad commit that was seen, and the skipped ones right before it.
            var seen = Enumerable.Range(first, 12 - first).First(number => !Skips(number));
            var least = Enumerable.Range(0, seen).Last(number => number < first && !Skips(number)) + 1;
            return candidates.Contains(first) && candidates.Order().SequenceEqual(Enumerable.Range(least, seen - least + 1)) && result.Steps.Count <= 13;
        }).Holds(10);
    }

    [Fact]
    public async Task A_merged_branch_is_searched_too()
    {
        using var repository = new SmallRepository();
        var good = repository.Commit("# 0", "base");
        repository.Git("checkout", "-q", "-b", "side");
        var culprit = repository.Commit("# side", "culprit");
        repository.Commit("# side 2", "on top");
        repository.Git("checkout", "-q", "main");
        repository.Git("commit", "-q", "--allow-empty", "-m", "beside it");
        repository.Git("merge", "-q", "--no-edit", "side");
        var result = await SearchAsync(repository, good, "HEAD", commit =>
            repository.Git("rev-list", commit).Split('\n').Contains(culprit) ? StepVerdict.Bad : StepVerdict.Good);
        Assert.Equal([culprit], result.Candidates);
        Assert.True(result.Certain);
    }

    [Fact]
    public async Task Ends_that_are_not_what_they_are_said_to_be_are_refused()
    {
        using var repository = new SmallRepository();
        var (first, second) = (repository.Commit("# 0", "zero"), repository.Commit("# 1", "one"));
        Assert.Contains("--bad", (await Assert.ThrowsAsync<UserException>(() => SearchAsync(repository, first, second, _ => StepVerdict.Good))).Message, StringComparison.Ordinal);
        Assert.Contains("--good", (await Assert.ThrowsAsync<UserException>(() => SearchAsync(repository, first, second, _ => StepVerdict.Bad))).Message, StringComparison.Ordinal);
        Assert.Contains("no ancestor", (await Assert.ThrowsAsync<UserException>(() => SearchAsync(repository, second, first, _ => StepVerdict.Bad))).Message, StringComparison.Ordinal);
        Assert.Contains("no revision", (await Assert.ThrowsAsync<UserException>(() => SearchAsync(repository, "nonesuch", second, _ => StepVerdict.Bad))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_a_list_the_first_bad_one_is_found_in_few_steps_wherever_it_is()
    {
        foreach (var count in (int[])[2, 3, 8, 33])
        {
            string[] kernels = [.. Enumerable.Range(0, count).Select(number => $"kernel-{number}")];
            for (var first = 1; first < count; first++)
            {
                var from = first;
                var result = await new BisectSearch(
                    new ListedHistory("kernel", kernels), (kernel, _) => Task.FromResult((Array.IndexOf(kernels, kernel) >= from ? StepVerdict.Bad : StepVerdict.Good, (string?)null)))
                    .RunAsync(kernels[0], kernels[^1], default);
                Assert.Equal([kernels[first]], result.Candidates);
                Assert.True(result.Steps.Count <= 2 + Math.Ceiling(Math.Log2(count)), $"{result.Steps.Count} steps for {count}");
            }
        }
    }

    /// <summary>Kernels that are files, and a VMM that boots them itself and tells by their content: good, bad, or none that boots.</summary>
    private static (Bench Bench, string[] Kernels) Kernels(params string[] contents)
    {
        var bench = new Bench("exit 0").With("a");
        var script = bench.Write("on-kernel", "#!/bin/sh\nexec sh -c \"$(cat \"$2\")\"\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        bench.Matrix = bench.Write("kernels.yaml", $$"""
            schema: 1
            matrix: {vmm: [fake], accel: [nested-linux], arch: [x86_64]}
            vmms:
              fake:
                command: ["{{script}}", "{kernel}", "{host-kernel}"]
                exit: console
            """);
        return (bench, [.. contents.Select((content, number) => bench.Write($"bzImage-{number}", content))]);
    }

    private static Task<(int Code, string Text)> SearchKernelsAsync(Bench bench, string list, params string[] further) =>
        Bench.InvokeAsync(["bisect", "--matrix", bench.Matrix, "--vmm", "fake", "--suite", bench.SuiteFile(), "--results", bench.Results, "--host-kernel", list, .. further]);

    [Fact]
    public async Task The_kernel_on_which_a_case_began_to_fail_is_found_from_the_command_line()
    {
        const string good = "exit 0", bad = "echo broken; exit 1", dead = "kill -KILL $$";
        var (bench, kernels) = Kernels(good, good, bad, bad, dead, bad);
        using var own = bench;
        var (code, text) = await SearchKernelsAsync(bench, string.Join(',', kernels), "--", "made/a");
        Assert.True(code == ExitCode.Success, text);
        Assert.Contains($"The first bad kernel is\n  {kernels[2]}\n", text, StringComparison.Ordinal);
        using (var store = ResultStore.Open(bench.Results))
            Assert.Contains(store.GetResults(store.FindRun("latest")!.Id), result => result.Job.Cell.ToString() == $"fake/nested-linux/x86_64,host-kernel={kernels[2]}");

        // The ends may be others than the list's; the one that hides the culprit is named with it.
        (code, text) = await SearchKernelsAsync(bench, string.Join(',', kernels[0], kernels[4], kernels[5]), "--json", "--", "a");
        Assert.Equal(ExitCode.Failure, code);
        using var json = System.Text.Json.JsonDocument.Parse(text[text.IndexOf('{', StringComparison.Ordinal)..]);
        Assert.Equal([kernels[4], kernels[5]], json.RootElement.GetProperty("candidates").EnumerateArray().Select(candidate => candidate.GetString()));
        (code, text) = await SearchKernelsAsync(bench, string.Join(',', kernels), "--good", kernels[1], "--bad", kernels[3], "--", "a");
        Assert.Contains("3 kernels tried", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kernels_that_are_no_order_are_refused()
    {
        var (bench, kernels) = Kernels("exit 0", "exit 1");
        using var own = bench;
        Assert.Contains("two kernels or more", (await SearchKernelsAsync(bench, kernels[0], "--", "a")).Text, StringComparison.Ordinal);
        Assert.Contains("twice", (await SearchKernelsAsync(bench, $"{kernels[0]},{kernels[0]}", "--", "a")).Text, StringComparison.Ordinal);
        Assert.Contains("none of the kernels", (await SearchKernelsAsync(bench, string.Join(',', kernels), "--good", "nonesuch", "--", "a")).Text, StringComparison.Ordinal);
        Assert.Contains("does not come before", (await SearchKernelsAsync(bench, string.Join(',', kernels), "--good", kernels[1], "--bad", kernels[0], "--", "a")).Text, StringComparison.Ordinal);
        Assert.Contains("--source does not go with it", (await SearchKernelsAsync(bench, string.Join(',', kernels), "--source", "/src", "--", "a")).Text, StringComparison.Ordinal);
        Assert.Contains("--bad, is good", (await SearchKernelsAsync(bench, string.Join(',', [.. kernels, bench.Write("third", "exit 0")]), "--", "a")).Text, StringComparison.Ordinal);
    }

    /// <summary>A repository with a planted regression, a matrix that builds it, and a suite of one case.</summary>
    private static (Bench Bench, string Culprit) Planted(SmallRepository repository, string regression)
    {
        repository.Commit("exit 0", "start");
        repository.Git("tag", "good");
        repository.Commit("# faster\nexit 0", "work");
        repository.Commit("not a shell script (", "break the build");
        repository.Commit("# mended\nexit 0", "mend the build");
        var culprit = repository.Commit(regression, "plant a regression");
        repository.Commit(regression + "\n# more", "more work");
        repository.Commit(regression + "\n# and more", "and more");
        var bench = new Bench("exit 0").With("a").With("b");
        bench.Matrix = bench.Write("planted.yaml", $$"""
            schema: 1
            matrix: {vmm: [small], accel: [tcg], arch: [x86_64]}
            vmms:
              small:
                source: {{repository.Path}}
                build: [sh, -c, "sh -n vmm.in && cp vmm.in vmm"]
                program: vmm
                command: [vmm, "{kernel}"]
                exit: console
            """);
        return (bench, culprit);
    }

    private static async Task<(int Code, string Text)> BisectAsync(Bench bench, params string[] further) =>
        await Bench.InvokeAsync(["bisect", "--matrix", bench.Matrix, "--vmm", "small", "--suite", bench.SuiteFile(), "--results", bench.Results, "--good", "good", .. further]);

    [Fact]
    public async Task A_planted_regression_is_found_from_the_command_line_and_every_attempt_kept()
    {
        using var repository = new SmallRepository();
        var (bench, culprit) = Planted(repository, "echo broken; exit 1");
        using var _ = bench;
        var (code, text) = await BisectAsync(bench, "--", "made/a");
        Assert.True(code == ExitCode.Success, text);
        Assert.Contains("The first bad commit is\n  " + culprit[..7], text, StringComparison.Ordinal);
        Assert.Contains("plant a regression", text, StringComparison.Ordinal);
        using var store = ResultStore.Open(bench.Results);
        Assert.Contains(store.GetResults(store.FindRun("latest")!.Id), result => result.Job.Cell.VmmVersion == $"{repository.Path}:{culprit}");
    }

    [Fact]
    public async Task A_case_that_fails_at_times_is_found_but_not_called_certain()
    {
        using var repository = new SmallRepository();
        using var flags = new TemporaryFolder();
        // Fails every other time.
        var flag = Path.Combine(flags.Path, "flag");
        var (bench, culprit) = Planted(repository, $"if [ -e {flag} ]; then rm {flag}; exit 1; fi; touch {flag}; exit 0");
        using var _ = bench;
        var (code, text) = await BisectAsync(bench, "--repeat", "2", "--", "a");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains(culprit[..7], text, StringComparison.Ordinal);
        Assert.Contains("Not certain", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_revisions_run_side_by_side_in_one_matrix()
    {
        using var repository = new SmallRepository();
        var (bench, _) = Planted(repository, "exit 1");
        using var own = bench;
        var (code, text) = await bench.RunAsync("--vmm", "small@good,small@HEAD");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("fail made/a @ small@HEAD/tcg/x86_64", text, StringComparison.Ordinal);
        Assert.DoesNotContain("fail made/a @ small@good", text, StringComparison.Ordinal);
        (code, text) = await bench.RunAsync("--vmm", "small@nonesuch");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("'nonesuch' is no revision of the git checkout", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_case_that_is_not_there_or_not_one_is_told_before_anything_is_built()
    {
        using var repository = new SmallRepository();
        var (bench, _) = Planted(repository, "exit 1");
        using var own = bench;
        Assert.Contains("No case matches 'nonesuch'", (await BisectAsync(bench, "--", "nonesuch")).Text, StringComparison.Ordinal);
        Assert.Contains("matches 2 cases", (await BisectAsync(bench, "--", "*")).Text, StringComparison.Ordinal);
    }
}
