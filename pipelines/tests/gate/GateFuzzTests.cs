using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Tests.Isolation;

namespace Gauntlet.Pipelines.Tests.Gate;

/// <summary>A fuzz step runs what a series touches, with the program that the series' own tree builds.</summary>
public sealed class GateFuzzTests
{
    // The tree brings its fuzzer: it finds a crash where a target's file says so, as a real one would after some time.
    private const string Fuzzer = "#!/bin/sh\necho \"$@\"\n! grep -qs CRASH \"$3.c\"\n";

    private const string Pipeline =
        "schema: 1\nsteps:\n  - name: fuzz\n    fuzz: --time 1s\n    program: sh ./fuzzer\n    timeout: 60s\n    targets:\n      - { paths: [uart*], names: [uart] }\n      - { paths: [pit*, timer/*], names: [pit] }\n";

    [IsolationFact]
    public async Task OnlyWhatIsTouchedIsFuzzedAndACrashIsTheSeriesFault()
    {
        using var gate = await CreateAsync(Pipeline);
        var good = await gate.EnqueueFileAsync("uart2.c", "1");
        var bad = await gate.EnqueueFileAsync("pit.c", "CRASH");
        var other = await gate.EnqueueFileAsync("readme", "CRASH");

        await gate.RunAsync();

        Assert.Equal((GateState.Merged, GateState.Failed, GateState.Merged), (gate.StateOf(good), gate.StateOf(bad), gate.StateOf(other)));
        var run = Assert.Single(gate.Queue.GetRecord(good.Id)!.Steps);
        Assert.Equal("fuzz run uart --output /tmp/fuzz-uart --time 1s", run.Log!.Trim());
        var skipped = Assert.Single(gate.Queue.GetRecord(other.Id)!.Steps);
        Assert.Equal(StepVerdict.Skip, skipped.Verdict);
        Assert.Contains("no file that a fuzz target covers", skipped.Reason, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task TargetsWithoutAnyFileInTheTreeAreThePipelinesFault()
    {
        using var gate = await CreateAsync("schema: 1\nsteps:\n  - fuzz: --time 1s\n    targets:\n      - { paths: [gone/*], names: [uart] }\n");
        var entry = await gate.EnqueueFileAsync("good.c", "1");

        await gate.RunAsync();

        Assert.Equal(GateState.Stuck, gate.StateOf(entry));
        Assert.Contains("gone/*", gate.ReasonOf(entry), StringComparison.Ordinal);
        Assert.Contains(GatePipeline.Path, gate.ReasonOf(entry), StringComparison.Ordinal);
    }

    private static async Task<GateFixture> CreateAsync(string pipeline)
    {
        var gate = await GateFixture.CreateAsync(pipeline);
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "master"]);
        await gate.Repository.CommitAsync("fuzzer", ("fuzzer", Fuzzer), ("uart.c", "1\n"));
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "--detach"]);
        return gate;
    }
}
