using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Results.Records;
using static Gauntlet.Harness.Tests.Verdicts.Consoles;

namespace Gauntlet.Harness.Tests.Verdicts;

public sealed class TapReaderTests
{
    private static ConsoleReport Read(string text) => Report(text, GuestConvention.Tap);

    private static Judgement Verdict(string text) => Read(text).Tap!.Value;

    [Fact]
    public void PointsDirectivesAndEscapes()
    {
        var report = Read("""
            TAP version 14
            1..7
            ok 1 - plain
            not ok 2 - broken
            ok 3 - skipped # SKIP no kvm
            not ok 4 todo # todo later
            ok 5 - done # TODO soon
            ok
            ok 7 - with \# hash and \\ slash
            """);
        Assert.Equal(
            [
                new("plain", Results.Records.Verdict.Pass), new("broken", Results.Records.Verdict.Fail), new("skipped", Results.Records.Verdict.Skip, "no kvm"),
                new("todo", Results.Records.Verdict.KnownFail, "TODO: later"), new("done", Results.Records.Verdict.Pass, "TODO, but it passed: soon"), new("6", Results.Records.Verdict.Pass),
                new("with # hash and \\ slash", Results.Records.Verdict.Pass),
            ],
            report.Subtests);
        Assert.Equal((Results.Records.Verdict.Fail, "1 of 7 test points failed, first: broken"), (report.Tap!.Value.Verdict, report.Tap.Value.Reason));
    }

    [Theory]
    [InlineData("1..1\nok 1\n", Results.Records.Verdict.Pass, null)]
    [InlineData("ok 1\nok 2\n1..2\n", Results.Records.Verdict.Pass, null)]
    [InlineData("TAP version 13\n1..0 # SKIP no kvm\n", Results.Records.Verdict.Skip, "no kvm")]
    [InlineData("1..0\n", Results.Records.Verdict.Skip, "all skipped")]
    [InlineData("1..2\nok 1 # SKIP a\nok 2 # SKIP b\n", Results.Records.Verdict.Skip, "all 2 test points were skipped: a")]
    [InlineData("1..2\nok 1\n", Results.Records.Verdict.Fail, "2 test points were planned, 1 were seen")]
    [InlineData("1..1\nok 1\nok 2\n", Results.Records.Verdict.Fail, "1 test points were planned, 2 were seen")]
    [InlineData("1..2\nok 1\nok 5\n", Results.Records.Verdict.Fail, "beyond the plan")]
    [InlineData("1..1\n1..1\nok 1\n", Results.Records.Verdict.Fail, "second plan")]
    [InlineData("ok 1\n", Results.Records.Verdict.Fail, "no plan")]
    [InlineData("hello\n", Results.Records.Verdict.Fail, "no TAP")]
    [InlineData("1..0 # SKIP x\nok 1\n", Results.Records.Verdict.Fail, "")]
    [InlineData("1..3\nok 1\nBail out! disk on fire\n", Results.Records.Verdict.Fail, "bailed out: disk on fire")]
    [InlineData("1..1\npragma +strict\nnoise\nok 1\n", Results.Records.Verdict.Fail, "strict")]
    [InlineData("1..1\nboot noise\nokay\nok 1\n", Results.Records.Verdict.Pass, null)]
    public void ThePlanAndThePointsMustAgree(string text, Results.Records.Verdict verdict, string? reason)
    {
        var judgement = Verdict(text);
        Assert.Equal(verdict, judgement.Verdict);
        Assert.Equal(reason is null, judgement.Reason is null);
        Assert.Contains(reason ?? "", judgement.Reason ?? "");
    }

    [Fact]
    public void SubtestsAreNamedAfterTheirParents()
    {
        var report = Read("""
            TAP version 14
            1..2
            # Subtest: first
                ok 1 - one
                    ok 1 - deep
                    1..1
                ok 2 - two
                1..2
            ok 1 - first
                not ok 1 - three # TODO x
                1..1
            ok 2 - second
            """);
        Assert.Equal(["first / one", "first / two / deep", "first / two", "first", "second / three", "second"], report.Subtests.Select(subtest => subtest.Name));
        Assert.Equal(Results.Records.Verdict.Pass, report.Tap!.Value.Verdict);
    }

    [Fact]
    public void WhatFailsBelowATodoWasExpectedTo()
    {
        Assert.Equal(Results.Records.Verdict.Pass, Verdict("1..1\n    not ok 1 - child\n    1..1\nnot ok 1 - parent # TODO\n").Verdict);
        Assert.Equal(Results.Records.Verdict.Fail, Verdict("1..1\n    not ok 1 - child\n    1..1\nok 1 - parent\n").Verdict);
        Assert.Contains("in a subtest", Verdict("1..1\n    ok 1 - child\n    1..2\nok 1 - parent\n").Reason);
    }

    [Fact]
    public void SubtestsThatTheirGuestDiedInAreKept()
    {
        var report = Read("TAP version 14\n1..1\n# Subtest: boot\n    ok 1 - alive\n    not ok 2 - well\n");
        Assert.Equal(["boot / alive", "boot / well"], report.Subtests.Select(subtest => subtest.Name));
        Assert.Equal(Results.Records.Verdict.Fail, report.Tap!.Value.Verdict);
    }

    [Fact]
    public void DiagnosticsBelongToTheirPoint()
    {
        var report = Read("1..2\nnot ok 1 - a\n  ---\n  message: wrong\n  data:\n    - 1\n  ...\nok 2 - b\n");
        Assert.Equal("message: wrong\ndata:\n  - 1", report.Subtests[0].Detail);
        Assert.Null(report.Subtests[1].Detail);
        Assert.Equal("all 1 test points were skipped: why", Verdict("1..1\nok 1 # SKIP why\n  ---\n  more: x\n  ...\n").Reason);
        // A block that is never closed ends where it can't go on.
        Assert.Equal(2, Read("1..2\nok 1\n  ---\n  message: x\nok 2\n").SubtestCount);
    }

    [Fact]
    public void TheKernelsKtapIsReadBehindItsTimeStamps()
    {
        var report = Read("""
            [    0.500000] KTAP version 1
            [    0.500001] 1..1
            [    0.500002]   KTAP version 1
            [    0.500003]   # Subtest: list
            [    0.500004]   1..2
            [    0.500005]   ok 1 list_init
            [    0.500006]   ok 2 list_del # SKIP slow
            [    0.500007] ok 1 list
            """);
        Assert.Equal(["list / list_init", "list / list_del", "list"], report.Subtests.Select(subtest => subtest.Name));
        Assert.Equal(Results.Records.Verdict.Pass, report.Tap!.Value.Verdict);
    }

    [Fact]
    public void MillionsOfPointsAreKeptWithinBounds()
    {
        var monitor = new ConsoleMonitor(Job(GuestConvention.Tap));
        for (var number = 0; number < 60_000; number++)
            monitor.Line($"    ok {number} - x");
        var report = monitor.Finish();
        Assert.Equal(60_000, report.SubtestCount);
        Assert.Equal(SubtestCollector.MaxKept, report.Subtests.Count);
        Assert.NotEmpty(report.Notes);
    }

    // What a producer writes is what is read: a tree of tests, printed as the specification says.
    [Fact]
    public void APrintedTreeIsReadBack()
    {
        Prop.ForAll(Tree(3).NonEmptyListOf().Select(nodes => nodes.ToList()).ToArbitrary(), nodes =>
        {
            var text = new StringBuilder("TAP version 14\n");
            var expected = new List<(string, Results.Records.Verdict)>();
            Print(nodes, "", "", text, expected);
            var report = Read(text.ToString());
            return report.Subtests.Select(subtest => (subtest.Name, subtest.Verdict)).SequenceEqual(expected)
                && report.Tap!.Value.Verdict == (expected.Any(point => point.Item2 == Results.Records.Verdict.Fail) ? Results.Records.Verdict.Fail
                    : expected.TrueForAll(point => point.Item2 == Results.Records.Verdict.Skip) ? Results.Records.Verdict.Skip : Results.Records.Verdict.Pass);
        }).Holds();
    }

    [Fact]
    public void NoTextThrows()
    {
        var lines = Gen.Elements(
            "1..2", "ok 1", "not ok", "    ok 1 - a", "        ok", "  ---", "  ...", "      ---", "# Subtest: x", "    # Subtest: y", "Bail out!", "    Bail out! z", "pragma +strict", "ok 99999999999999999999",
            "1..99999999999999999999", "KTAP version 1", "  ok 1", "[    1.000000] ok 1", "ok \\", "ok - # SKIP", "not ok 1 # TODO", "   ", "\t", "1..0 # SKIP", "                                                                                ok");
        Prop.ForAll(lines.ListOf().Select(parts => string.Join('\n', parts)).ToArbitrary(), text => Read(text).Tap is { } judgement && judgement.Verdict == Results.Records.Verdict.Pass == (judgement.Reason is null))
            .Holds(1500);
    }

    private sealed record Node(string Name, Results.Records.Verdict Verdict, List<Node> Children);

    private static Gen<Node> Tree(int depth)
    {
        var names = Gen.Elements("a", "b # c", "back\\slash", "x y", "1");
        var verdicts = Gen.Elements(Results.Records.Verdict.Pass, Results.Records.Verdict.Fail, Results.Records.Verdict.Skip);
        var children = depth == 0 ? Gen.Constant(new List<Node>()) : Gen.Frequency((2, Gen.Constant(new List<Node>())), (1, Tree(depth - 1).NonEmptyListOf().Select(nodes => nodes.Take(4).ToList())));
        return from name in names from verdict in verdicts from inner in children select new Node(name, verdict, inner);
    }

    private static void Print(List<Node> nodes, string indent, string prefix, StringBuilder text, List<(string, Results.Records.Verdict)> expected)
    {
        text.Append(CultureInfo.InvariantCulture, $"{indent}1..{nodes.Count}\n");
        for (var index = 0; index < nodes.Count; index++)
        {
            var node = nodes[index];
            if (node.Children.Count > 0)
                Print(node.Children, indent + "    ", $"{prefix}{node.Name} / ", text, expected);
            var name = node.Name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("#", "\\#", StringComparison.Ordinal);
            var (ok, directive) = node.Verdict switch { Results.Records.Verdict.Pass => ("ok", ""), Results.Records.Verdict.Skip => ("ok", " # SKIP"), _ => ("not ok", "") };
            text.Append(CultureInfo.InvariantCulture, $"{indent}{ok} {index + 1} - {name}{directive}\n");
            expected.Add((prefix + node.Name, node.Verdict));
        }
    }
}
