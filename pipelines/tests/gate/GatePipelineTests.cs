using FsCheck.Fluent;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Tests.Gate;

public sealed class GatePipelineTests
{
    [Fact]
    public void StepsAreReadWithTheirDefaults()
    {
        var pipeline = GatePipeline.Parse("schema: 1\nsteps:\n  - check: --strict\n  - name: make\n    build: make -j2\n    each-patch: true\n    timeout: 5m\n  - run: --matrix full\n    allow-failure: true\n", "gate.yaml");

        Assert.Equal((MergeMethod.MergeCommit, 3), (pipeline.Merge, pipeline.Window));
        Assert.Equal(["check", "make", "run"], pipeline.Steps.Select(step => step.Name));
        Assert.Equal([GateStepKind.Check, GateStepKind.Command, GateStepKind.Gauntlet], pipeline.Steps.Select(step => step.Kind));
        Assert.Equal(TimeSpan.FromMinutes(5), pipeline.Steps[1].Timeout);
        Assert.Equal("( make -j2\n) || exit 1\n\"$GAUNTLET\" run --matrix full", pipeline.Steps[2].Text);
    }

    [Fact]
    public void WhatRunsWithoutABuildBeforeItRunsAtOnce() =>
        Assert.Equal("\"$GAUNTLET\" fuzz smoke", Assert.Single(GatePipeline.Parse("schema: 1\nsteps:\n  - fuzz: smoke\n", "gate.yaml").Steps).Text);

    [Theory]
    [InlineData("schema: 1\nsteps: []\n", "at least one step")]
    [InlineData("schema: 2\nsteps:\n  - build: x\n", "'schema' must be 1")]
    [InlineData("schema: 1\nsteps:\n  - build: x\n    run: y\n", "exactly one of")]
    [InlineData("schema: 1\nsteps:\n  - build: x\n    timeout: soon\n", ":4: 'timeout' must be a time")]
    [InlineData("schema: 1\nmerge: squash\nsteps:\n  - build: x\n", "merge-commit or fast-forward")]
    [InlineData("schema: 1\nsteps:\n  - build: x\n  - build: y\n", "two steps are named 'build'")]
    [InlineData("schema: 1\nsteps:\n  - biuld: x\n", "unknown key 'biuld'")]
    [InlineData("schema: 1\nsteps:\n  - fuzz: --time 1s\n    targets: []\n", "at least one")]
    [InlineData("schema: 1\nsteps:\n  - fuzz: --time 1s\n    targets:\n      - paths: a/*\n", "needs 'paths'")]
    [InlineData("schema: 1\nsteps:\n  - fuzz: --time 1s\n    targets:\n      - { paths: a/*, names: \"x; rm -rf /\" }\n", "no name of a fuzz target")]
    [InlineData("schema: 1\nsteps:\n  - build: x\n    targets:\n      - { paths: a/*, names: x }\n", "'targets' is for fuzz")]
    [InlineData("schema: 1\nsteps:\n  - build: x\n    program: y\n", "'program' is for run and fuzz")]
    [InlineData("a: [", "not valid YAML")]
    public void WhatIsWrongIsSaidWithItsPlace(string text, string expected)
    {
        var error = Assert.Throws<UserException>(() => GatePipeline.Parse(text, "gate.yaml"));

        Assert.StartsWith("gate.yaml:", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoTextEndsInAnythingButAUsersError() => Prop.ForAll<string>(text =>
    {
        try
        {
            GatePipeline.Parse("schema: 1\nsteps:\n" + (text ?? ""), "gate.yaml");
        }
        catch (UserException)
        {
        }
    }).Holds();
}
