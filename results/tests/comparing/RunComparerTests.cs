using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Tests.Comparing;

public sealed class RunComparerTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly ResultStore store;

    public RunComparerTests() => store = ResultStore.Open(folder.Path);

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(Verdict.Pass, Verdict.Pass, null)]
    [InlineData(Verdict.Pass, Verdict.Fail, ChangeKind.NewlyFailing)]
    [InlineData(Verdict.Pass, Verdict.Crash, ChangeKind.NewlyFailing)]
    [InlineData(Verdict.Skip, Verdict.Timeout, ChangeKind.NewlyFailing)]
    [InlineData(Verdict.KnownFail, Verdict.UnexpectedPass, ChangeKind.NewlyFailing)]
    [InlineData(Verdict.InfraError, Verdict.Fail, ChangeKind.NewlyFailing)]
    [InlineData(Verdict.Fail, Verdict.Crash, ChangeKind.StillFailing)]
    [InlineData(Verdict.Fail, Verdict.Pass, ChangeKind.Fixed)]
    [InlineData(Verdict.KnownFail, Verdict.Pass, ChangeKind.Fixed)]
    [InlineData(Verdict.Fail, Verdict.KnownFail, null)]
    [InlineData(Verdict.Pass, Verdict.KnownFail, null)]
    [InlineData(Verdict.Pass, Verdict.Skip, ChangeKind.NewlySkipped)]
    [InlineData(Verdict.Fail, Verdict.Skip, ChangeKind.NewlySkipped)]
    [InlineData(Verdict.Skip, Verdict.Pass, ChangeKind.NoLongerSkipped)]
    [InlineData(Verdict.Skip, Verdict.Skip, null)]
    [InlineData(Verdict.Pass, Verdict.InfraError, ChangeKind.NotJudged)]
    [InlineData(Verdict.InfraError, Verdict.Pass, null)]
    public void A_job_changes_by_its_verdicts(Verdict before, Verdict after, ChangeKind? kind)
    {
        var diff = Compare(Add("before", Result("a", before)), Add("after", Result("a", after)));
        Assert.Equal(kind is null ? [] : [kind.Value], diff.Changes.Select(c => c.Kind));
        Assert.Equal(1, diff.Compared);
        Assert.Equal(kind == ChangeKind.NewlyFailing, diff.NewlyFails);
    }

    [Fact]
    public void Jobs_come_and_go_and_a_new_one_that_fails_is_newly_failing()
    {
        var diff = Compare(Add("before", Result("gone", Verdict.Fail)), Add("after", Result("new", Verdict.Pass), Result("bad", Verdict.Fail)));
        Assert.Equal(
            [
                (ChangeKind.NewlyFailing, "bad", null, Verdict.Fail),
                (ChangeKind.New, "new", null, Verdict.Pass),
                (ChangeKind.Gone, "gone", Verdict.Fail, (Verdict?)null),
            ],
            diff.Changes.Select(c => (c.Kind, c.JobKey.Split(' ')[0]["smoke/".Length..], c.Before, c.After)));
    }

    [Fact]
    public void Subtests_are_compared_by_name_and_by_their_turn_also_where_the_case_fails_anyway()
    {
        var diff = Compare(
            Add("before", Result("a", Verdict.Fail, ("x", Verdict.Pass), ("x", Verdict.Pass), ("y", Verdict.Fail), ("z", Verdict.Pass), ("s", Verdict.Pass))),
            Add("after", Result("a", Verdict.Fail, ("x", Verdict.Pass), ("x", Verdict.Fail), ("y", Verdict.Pass), ("n", Verdict.Pass), ("s", Verdict.Skip))));
        Assert.Equal(
            [
                (ChangeKind.NewlyFailing, "x (2)"), (ChangeKind.Fixed, "y"), (ChangeKind.NewlySkipped, "s"), (ChangeKind.New, "n"), (ChangeKind.Gone, "z"),
                (ChangeKind.StillFailing, null),
            ],
            diff.Changes.Select(c => (c.Kind, c.Subtest)));
    }

    [Fact]
    public void Subtests_that_a_crash_cut_off_are_counted_and_not_called_gone()
    {
        var diff = Compare(Add("before", Result("a", Verdict.Pass, ("x", Verdict.Pass), ("y", Verdict.Pass))), Add("after", Result("a", Verdict.Crash, ("x", Verdict.Pass))));
        Assert.Equal([ChangeKind.NewlyFailing], diff.Changes.Select(c => c.Kind));
        Assert.Equal(1, diff.NotReached);
    }

    [Fact]
    public void Of_repetitions_the_worst_counts_and_disagreement_is_flaky()
    {
        var diff = Compare(
            Add("before", Result("a", Verdict.Pass)),
            Add("after", Result("a", Verdict.Pass), Repeat(Result("a", Verdict.Fail), 2), Repeat(Result("a", Verdict.InfraError), 3)));
        Assert.Equal([ChangeKind.NewlyFailing, ChangeKind.NewlyFlaky], diff.Changes.Select(c => c.Kind));
    }

    [Fact]
    public void Slower_means_slower_than_the_history_of_the_branch_by_cpu_time()
    {
        var earlier = Enumerable.Range(0, 5).Select(i => Add($"main-{i}", "main", Timed("a", 1 + i * 0.01), Timed("b", 1 + i))).ToList();
        var topic = Add("topic", "topic", Timed("a", 1.6), Timed("b", 5));
        var diff = Compare(earlier[^1], topic);
        var slower = Assert.Single(diff.Changes);
        Assert.Equal((ChangeKind.Slower, Samples.Job("a").Key), (slower.Kind, slower.JobKey));
        Assert.Equal((1.02, 1.6, 5, 1), (slower.Timing!.Before, slower.Timing.After, slower.Timing.SamplesBefore, slower.Timing.SamplesAfter));
        Assert.False(diff.NewlyFails);
    }

    [Fact]
    public void A_branch_is_compared_by_the_newest_result_of_each_job_on_it()
    {
        Add("full", "main", Result("a", Verdict.Pass), Result("b", Verdict.Pass), Result("dropped long ago", Verdict.Pass));
        Add("part", "main", Result("a", Verdict.Fail), Result("dropped now", Verdict.Pass));
        Add("other", "topic", Result("b", Verdict.Fail));
        var topic = Add("topic", "topic", Result("a", Verdict.Fail), Result("b", Verdict.Fail));

        var diff = new RunComparer(store).CompareWithBranch("main", topic)!;
        Assert.Equal("part", diff.Before.Id);
        Assert.Equal(
            [(ChangeKind.NewlyFailing, "b"), (ChangeKind.Gone, "dropped now"), (ChangeKind.StillFailing, "a")],
            diff.Changes.Select(c => (c.Kind, c.JobKey.Split(" @")[0]["smoke/".Length..])));
        Assert.Null(new RunComparer(store).CompareWithBranch("nope", topic));
    }

    [Fact]
    public void A_job_is_flaky_when_it_came_out_both_ways_on_one_revision_or_needed_a_retry()
    {
        for (var i = 0; i < 4; i++)
        {
            var run = Samples.Run($"r{i}", "main") with { Revision = $"rev{i / 2}" };
            store.BeginRun(run, []);
            store.AddResult(run.Id, Result("steady", Verdict.Fail));
            store.AddResult(run.Id, Result("broken by rev1", i / 2 == 0 ? Verdict.Pass : Verdict.Fail));
            store.AddResult(run.Id, Result("both ways", i % 2 == 0 ? Verdict.Pass : Verdict.Timeout));
            store.AddResult(run.Id, Result("retried", Verdict.Pass) with { Flaky = i == 2 });
            store.AddResult(run.Id, Result("skipped", i % 2 == 0 ? Verdict.Pass : Verdict.Skip));
        }

        Assert.Equal(
            [new FlakyJob(Samples.Job("both ways").Key, 4, 2, "r3"), new FlakyJob(Samples.Job("retried").Key, 4, 1, "r2")],
            FlakyJobs.Find(store.GetPastVerdicts(10, "main")));
        Assert.Empty(FlakyJobs.Find(store.GetPastVerdicts(1, "main")));
    }

    [Fact]
    public void Cells_of_one_run_are_compared_where_only_the_axis_differs()
    {
        Cell At(string version, string accel) => new("gvmm", accel, "x86_64", version);
        JobResult In(Cell cell, string name, Verdict verdict) => Samples.Result(Samples.Job(name, cell), verdict);
        var run = Add(
            "one",
            In(At("good", "tcg"), "a", Verdict.Pass), In(At("good", "kvm"), "a", Verdict.Pass), In(At("good", "tcg"), "b", Verdict.Fail), In(At("good", "tcg"), "c", Verdict.Pass),
            In(At("bad", "tcg"), "a", Verdict.Fail), In(At("bad", "kvm"), "a", Verdict.Pass), In(At("bad", "tcg"), "b", Verdict.Pass), In(At("bad", "tcg"), "d", Verdict.Pass));
        var diff = Between(run, run, "vmm=gvmm@good,gvmm@bad");
        Assert.Equal(
            [
                (ChangeKind.NewlyFailing, "smoke/a @ gvmm@bad/tcg/x86_64"), (ChangeKind.Fixed, "smoke/b @ gvmm@bad/tcg/x86_64"),
                (ChangeKind.New, "smoke/d @ gvmm@bad/tcg/x86_64"), (ChangeKind.Gone, "smoke/c @ gvmm@good/tcg/x86_64"),
            ],
            diff.Changes.Select(change => (change.Kind, change.JobKey)));
        Assert.Equal(3, diff.Compared);
        Assert.Equal(
            ["smoke/a @ gvmm@bad/tcg/x86_64", "smoke/b @ gvmm@good/tcg/x86_64"],
            Between(run, run, "accel=kvm,tcg").Of(ChangeKind.NewlyFailing).Select(change => change.JobKey).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_value_may_hold_commas_and_be_left_open_and_its_sides_may_be_of_two_runs()
    {
        Cell Machine(string? machine) => new("qemu", "tcg", "x86_64", Machine: machine);
        var first = Add("first", Samples.Result(Samples.Job("a", Machine(null)), Verdict.Pass), Samples.Result(Samples.Job("a", Machine("q35,smm=off")), Verdict.Pass));
        var second = Add("second", Samples.Result(Samples.Job("a", Machine("pc,acpi=off")), Verdict.Fail));
        Assert.Equal(1, Between(first, first, "machine=,q35,smm=off").Compared);
        Assert.True(Between(first, second, "machine=q35,smm=off,pc,acpi=off").NewlyFails);
    }

    [Theory]
    [InlineData("vmm", "AXIS=BEFORE,AFTER")]
    [InlineData("vmm=gvmm", "AXIS=BEFORE,AFTER")]
    [InlineData("colour=red,blue", "there are vmm, accel")]
    [InlineData("vmm=qemu,lkvm", "there are 'gvmm', 'qemu'")]
    [InlineData("vmm=qemu,qemu", "nothing to compare")]
    public void What_is_no_pair_of_values_is_refused_with_those_that_there_are(string text, string told)
    {
        var run = Add("one", Samples.Result(Samples.Job("a"), Verdict.Pass), Samples.Result(Samples.Job("a", new Cell("gvmm", "tcg", "x86_64")), Verdict.Pass));
        Assert.Contains(told, Assert.Throws<UserException>(() => Between(run, run, text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cells_are_timed_by_their_own_runs_alone()
    {
        JobResult Taking(string vmm, double cpu, int repetition) => Repeat(Samples.Result(Samples.Job("a", new Cell(vmm, "tcg", "x86_64")), Verdict.Pass, cpu), repetition);
        Add("earlier", [.. Enumerable.Range(1, 5).Select(i => Taking("gvmm", 9, i))]);
        var run = Add("one", [.. Enumerable.Range(1, 5).SelectMany(i => new[] { Taking("gvmm", 1, i), Taking("qemu", 2, i) })]);
        var change = Assert.Single(Between(run, run, "vmm=gvmm,qemu").Changes);
        Assert.Equal((ChangeKind.Slower, 1.0, 2.0, 5), (change.Kind, change.Timing!.Before, change.Timing.After, change.Timing.SamplesBefore));
    }

    private RunDiff Between(Run before, Run after, string text) =>
        new RunComparer(store).CompareCells(before, after, (earlier, later) => CellPairing.Parse(text, earlier, later));

    private RunDiff Compare(Run before, Run after) => new RunComparer(store).Compare(before, after);

    private Run Add(string id, params JobResult[] results) => Add(id, null, results);

    private Run Add(string id, string? branch, params JobResult[] results)
    {
        var run = Samples.Run(id, branch);
        store.BeginRun(run, results.Select(r => r.Job).ToList());
        foreach (var result in results)
            store.AddResult(id, result);
        store.EndRun(id, RunState.Finished, Samples.Noon);
        return store.FindRun(id)!;
    }

    private static JobResult Timed(string name, double cpu) => Samples.Result(Samples.Job(name), Verdict.Pass, cpu);

    private static JobResult Repeat(JobResult result, int repetition) => result with { Job = result.Job with { Repetition = repetition } };

    private static JobResult Result(string name, Verdict verdict, params (string Name, Verdict Verdict)[] subtests)
    {
        var result = Samples.Result(Samples.Job(name), verdict);
        return result with { Attempts = [result.Attempts[0] with { Subtests = subtests.Select(s => new Subtest(s.Name, s.Verdict)).ToArray() }] };
    }
}
