using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Series;
using Gauntlet.Pipelines.Tests.Isolation;
using Gauntlet.Terminal;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Gate;

public sealed class GateRunnerTests
{
    [IsolationFact]
    public async Task AQueueOfGoodBadConflictingAndDependentSeriesEndsWithTheRightOnesMerged()
    {
        using var gate = await GateFixture.CreateAsync();
        var good = await gate.EnqueueFileAsync("good.c", "int good;");
        var bad = await gate.EnqueueAsync("bad topic", [
            Make("[PATCH 0/3] bad topic", "bad0@x"), Patch("[PATCH 1/3] fine", "bad1@x", "bad0@x", change: GateFixture.NewFile("x1.c", "1")),
            Patch("[PATCH 2/3] breaks it", "bad2@x", "bad0@x", change: GateFixture.NewFile("x2.c", "BROKEN")), Patch("[PATCH 3/3] more", "bad3@x", "bad0@x", change: GateFixture.NewFile("x3.c", "3"))]);
        var first = await gate.EnqueueAsync("widen", [Patch("[PATCH] widen", "widen@x")]);
        var conflicting = await gate.EnqueueAsync("narrow", [Patch("[PATCH] narrow", "narrow@x", change: Change(after: "short a;"))]);
        var dependent = await gate.EnqueueAsync("on top", [
            Make("[PATCH 0/1] on top", "top0@x", body: "Based-on: <widen@x>\n"), Patch("[PATCH 1/1] rename", "top1@x", "top0@x", change: Change(before: "long a;", after: "long aa;"))]);
        var waiting = await gate.EnqueueAsync("needs", [Make("[PATCH 0/1] needs", "n0@x", body: "Based-on: <unknown@x>\n"), Patch("[PATCH 1/1] needs it", "n1@x", "n0@x", change: GateFixture.NewFile("n.c", "n"))]);
        var last = await gate.EnqueueFileAsync("last.c", "int last;");

        await gate.RunAsync();

        Assert.Equal((GateState.Merged, GateState.Failed, GateState.Merged, GateState.Failed), (gate.StateOf(good), gate.StateOf(bad), gate.StateOf(first), gate.StateOf(conflicting)));
        Assert.Equal((GateState.Merged, GateState.Queued, GateState.Merged), (gate.StateOf(dependent), gate.StateOf(waiting), gate.StateOf(last)));
        Assert.Equal(["start", "pipeline", "Merge add good.c v1", "Merge widen v1", "Merge on top v1", "Merge add last.c v1"], await gate.HistoryAsync());
        Assert.Contains("at patch 2, breaks it", gate.ReasonOf(bad), StringComparison.Ordinal);
        Assert.Contains("does not apply", gate.ReasonOf(conflicting), StringComparison.Ordinal);
        Assert.Contains("<unknown@x>", gate.ReasonOf(waiting), StringComparison.Ordinal);
        Assert.Equal("long aa;\n", await gate.FileAsync("a.c"));
    }

    [IsolationFact]
    public async Task WhatIsMergedIsExactlyWhatWasTested()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueFileAsync("good.c", "int good;");

        await gate.RunAsync();

        var record = gate.Queue.GetRecord(entry.Id)!;
        Assert.Equal(await gate.Repository.RevisionAsync(GateFixture.Target), record.Tip);
        Assert.Equal(await gate.Repository.RevisionAsync(GateFixture.Target + "^{tree}"), record.Tree);
        var patch = Assert.Single(record.Patches);
        Assert.Equal("<good.c@x>", patch.MessageId);
        Assert.Equal(await gate.Repository.RevisionAsync(GateFixture.Target + "^2"), patch.Commit);
        Assert.NotNull(patch.PatchId);
    }

    [IsolationFact]
    public async Task TheAuthorStaysAndTheGateCommits()
    {
        using var gate = await GateFixture.CreateAsync();
        await gate.EnqueueFileAsync("good.c", "int good;");

        await gate.RunAsync();

        var who = (await gate.Repository.Git.RunAsync(["log", "-1", "--format=%an <%ae> / %cn", GateFixture.Target + "^2"])).Text;
        Assert.Equal($"{Author} / Gauntlet", who);
    }

    [IsolationFact]
    public async Task ATargetThatMovesUnderneathIsNotForcedAndTheSeriesIsTestedAgain()
    {
        // The step itself waits until the target has moved, as a push by somebody else would.
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueFileAsync("good.c", "int good;");
        var runner = gate.NewRunner();
        var moved = false;
        gate.Log.Clear();
        var old = await gate.Repository.RevisionAsync(GateFixture.Target);
        var other = (await gate.Repository.Git.RunAsync(["-c", "user.name=O", "-c", "user.email=o@x", "commit-tree", old + "^{tree}", "-p", old, "-m", "pushed by another"])).Text;
        runner.Settled += (_, _) => { };
        var running = runner.RunAsync(untilEmpty: true, CancellationToken.None);
        while (!running.IsCompleted && !moved)
        {
            lock (gate.Log)
                moved = gate.Log.Exists(line => line.StartsWith("testing", StringComparison.Ordinal));
            await Task.Yield();
        }

        await gate.Repository.Git.RunAsync(["update-ref", GateFixture.Target, other, old]);
        await running;

        Assert.Equal(GateState.Merged, gate.StateOf(entry));
        Assert.Equal(["start", "pipeline", "pushed by another", "Merge add good.c v1"], await gate.HistoryAsync());
    }

    [IsolationFact]
    public async Task APriorityGoesFirst()
    {
        using var gate = await GateFixture.CreateAsync();
        await gate.EnqueueFileAsync("usual.c", "1");
        await gate.EnqueueFileAsync("urgent.c", "2", priority: 5);

        await gate.RunAsync();

        Assert.Equal(["start", "pipeline", "Merge add urgent.c v1", "Merge add usual.c v1"], await gate.HistoryAsync());
    }

    [IsolationFact]
    public async Task ATryRunsAllStepsAndMergesNothing()
    {
        using var gate = await GateFixture.CreateAsync();
        var good = await gate.EnqueueFileAsync("good.c", "1", tryOnly: true);
        var bad = await gate.EnqueueFileAsync("bad.c", "BROKEN", tryOnly: true);

        await gate.RunAsync();

        Assert.Equal((GateState.Tried, GateState.Failed), (gate.StateOf(good), gate.StateOf(bad)));
        Assert.Equal(2, (await gate.HistoryAsync()).Length);
    }

    [IsolationFact]
    public async Task TheSameTreeUnderTheSamePipelineIsNotTestedTwice()
    {
        using var gate = await GateFixture.CreateAsync();
        var tried = await gate.EnqueueFileAsync("good.c", "1", tryOnly: true);
        await gate.RunAsync();

        var merged = gate.Queue.Enqueue(gate.Series.Find("add good.c"), gate.GitFolder, GateFixture.Target, 0, tryOnly: false);
        await gate.RunAsync();

        Assert.NotEqual(tried.Id, merged.Id);
        Assert.All(gate.Queue.GetRecord(merged.Id)!.Steps, step => Assert.True(step.Reused));
    }

    [IsolationFact]
    public async Task AFastForwardHasNoMergeCommitAndTheReviewersTrailers()
    {
        using var gate = await GateFixture.CreateAsync(GateFixture.Pipeline.Replace("merge-commit", "fast-forward", StringComparison.Ordinal));
        var entry = await gate.EnqueueAsync("topic", [
            Make("[PATCH 0/2] topic", "t0@x"), Patch("[PATCH 1/2] one", "t1@x", "t0@x", change: GateFixture.NewFile("t1.c", "1")), Patch("[PATCH 2/2] two", "t2@x", "t0@x", change: GateFixture.NewFile("t2.c", "2")),
            Make("Re: [PATCH 1/2] one", "r1@x", "t1@x", "Bob <bob@example.org>", "Reviewed-by: Bob <bob@example.org>\n"), Make("Re: [PATCH 0/2] topic", "r2@x", "t0@x", "Cid <cid@example.org>", "Acked-by: Cid <cid@example.org>\n")]);

        await gate.RunAsync();

        Assert.Equal(GateState.Merged, gate.StateOf(entry));
        Assert.Equal(["start", "pipeline", "one", "two"], await gate.HistoryAsync());
        var messages = (await gate.Repository.Git.RunAsync(["log", "-2", "--reverse", "--format=%an: %(trailers:only,unfold,separator=%x2C)", GateFixture.Target])).Text;
        Assert.Equal(
            "Ann Author: Signed-off-by: Ann Author <ann@example.org>,Reviewed-by: Bob <bob@example.org>,Acked-by: Cid <cid@example.org>\nAnn Author: Signed-off-by: Ann Author <ann@example.org>,Acked-by: Cid <cid@example.org>",
            messages);
    }

    [IsolationFact]
    public async Task ARerunForgetsWhatAStepSaid()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueFileAsync("bad.c", "BROKEN");
        await gate.RunAsync();
        var hash = GatePipeline.Parse(GateFixture.Pipeline, "gate.yaml").Steps[0].Hash;

        gate.Queue.Rerun(gate.Queue.Get(entry.Id), "another step");
        await gate.RunAsync();
        Assert.True(Assert.Single(gate.Queue.GetRecord(entry.Id)!.Steps).Reused);

        gate.Queue.Rerun(gate.Queue.Get(entry.Id), hash);
        await gate.RunAsync();
        Assert.False(Assert.Single(gate.Queue.GetRecord(entry.Id)!.Steps).Reused);
        Assert.Contains(gate.Queue.ReadLog(20), line => line.Who == "maintainer" && line.What.StartsWith("to be run again", StringComparison.Ordinal));
    }

    [IsolationFact]
    public async Task APausedGateMergesNothingUntilItIsResumed()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueFileAsync("good.c", "1");
        gate.Queue.Pause(gate.GitFolder, GateFixture.Target);
        await gate.RunAsync();
        Assert.Equal(GateState.Queued, gate.StateOf(entry));

        gate.Queue.Resume(gate.GitFolder, GateFixture.Target);
        await gate.RunAsync();

        Assert.Equal(GateState.Merged, gate.StateOf(entry));
    }

    [IsolationFact]
    public async Task ANewVersionTakesTheOldOnesPlace()
    {
        using var gate = await GateFixture.CreateAsync();
        var old = await gate.EnqueueAsync("topic", [Patch("[PATCH] topic", "v1@x", change: GateFixture.NewFile("t.c", "BROKEN"))]);
        var better = await gate.EnqueueAsync("topic@2", [Patch("[PATCH v2] topic", "v2@x", change: GateFixture.NewFile("t.c", "fixed"))]);

        await gate.RunAsync();

        Assert.Equal((GateState.Removed, GateState.Merged), (gate.StateOf(old), gate.StateOf(better)));
    }

    [IsolationFact]
    public async Task ASeriesThatFailsAsAWholeIsBlamedOnTheFirstPatchThatBreaksIt()
    {
        using var gate = await GateFixture.CreateAsync(GateFixture.Pipeline.Replace("each-patch: true", "each-patch: false", StringComparison.Ordinal));
        var entry = await gate.EnqueueAsync("long topic", [
            Make("[PATCH 0/7] long topic", "t0@x"),
            .. Enumerable.Range(1, 7).Select(i => Patch($"[PATCH {i}/7] part {i}", $"t{i}@x", "t0@x", change: GateFixture.NewFile($"t{i}.c", i == 3 ? "BROKEN" : "1")))]);

        await gate.RunAsync();

        Assert.Contains("at patch 3, part 3", gate.ReasonOf(entry), StringComparison.Ordinal);
        Assert.Equal(3, gate.Queue.GetRecord(entry.Id)!.Steps.Single(step => step.Verdict == StepVerdict.Fail).Patch);
    }

    [IsolationFact]
    public async Task AStepThatFailsOnTheTargetTooIsNotTheSeriesFaultAndOneThatMendsItIsMerged()
    {
        using var gate = await GateFixture.CreateAsync();
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "master"]);
        await gate.Repository.CommitAsync("break it", ("broken.c", "BROKEN\n"));
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "--detach"]);
        var innocent = await gate.EnqueueFileAsync("good.c", "1");
        var mend = "---\n\ndiff --git a/broken.c b/broken.c\n--- a/broken.c\n+++ b/broken.c\n@@ -1 +1 @@\n-BROKEN\n+mended\n";
        var mending = await gate.EnqueueAsync("mend it", [Patch("[PATCH] mend it", "mend@x", change: mend)]);

        await gate.RunAsync();

        Assert.Equal((GateState.Stuck, GateState.Merged), (gate.StateOf(innocent), gate.StateOf(mending)));
        Assert.Contains("without the series too", gate.ReasonOf(innocent), StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task ASeriesThatChangesThePipelineIsJudgedByTheOldOne()
    {
        using var gate = await GateFixture.CreateAsync();
        var change = $"---\n\ndiff --git a/{GatePipeline.Path} b/{GatePipeline.Path}\n--- a/{GatePipeline.Path}\n+++ b/{GatePipeline.Path}\n@@ -5,3 +5,3 @@\n   - name: build\n-    build: \"! grep -rl --include='*.c' BROKEN .\"\n+    build: \"true\"\n     each-patch: true\n"
            + GateFixture.NewFile("evil.c", "BROKEN")[4..];
        var entry = await gate.EnqueueAsync("loosen", [Patch("[PATCH] loosen", "loosen@x", change: change)]);

        await gate.RunAsync();

        Assert.Equal(GateState.Failed, gate.StateOf(entry));
        Assert.Contains("step build", gate.ReasonOf(entry), StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task ACheckedOutTargetIsRefused()
    {
        using var gate = await GateFixture.CreateAsync();
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "master"]);

        var error = await Assert.ThrowsAsync<UserException>(() => gate.RunAsync());

        Assert.Contains("checked out", error.Message, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task TheReplyNamesTheFirstFailingPatchAndGoesBelowIt()
    {
        using var gate = await GateFixture.CreateAsync();
        var entry = await gate.EnqueueAsync("bad topic", [
            Make("[PATCH 0/2] bad topic", "bad0@x"), Patch("[PATCH 1/2] fine", "bad1@x", "bad0@x", change: GateFixture.NewFile("x1.c", "1")),
            Patch("[PATCH 2/2] breaks it", "bad2@x", "bad0@x", change: GateFixture.NewFile("x2.c", "BROKEN"))]);
        await gate.RunAsync();

        var mail = GateReport.Mail(gate.Queue.Get(entry.Id), gate.Queue.GetRecord(entry.Id), gate.Series.Find("bad topic"), "CI <ci@example.org>", DateTimeOffset.UnixEpoch);

        var headers = MailHeaders.Parse(System.Text.Encoding.UTF8.GetBytes(mail));
        Assert.Equal("<bad2@x>", headers["In-Reply-To"]);
        Assert.Equal("<bad0@x> <bad2@x>", headers["References"]);
        Assert.Equal("Re: [PATCH 2/2] breaks it", headers["Subject"]);
        Assert.Contains("x2.c", mail, StringComparison.Ordinal);
        Assert.Contains("--branch repeat && git checkout repeat && sh -c '! grep -rl", mail, StringComparison.Ordinal);
    }
}
