using FsCheck.Fluent;
using Gauntlet.Pipelines.Series;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Series;

public sealed class SeriesAssemblerTests
{
    [Fact]
    public async Task ASeriesWithoutACoverHangsTogetherByItsFirstPatch()
    {
        var assembled = await AssembleAsync(Patch("[PATCH 2/2] two", "2", "1"), Patch("[PATCH 1/2] one", "1"));

        Assert.Equal("complete", Assert.Single(assembled.Versions).State);
    }

    [Fact]
    public async Task AMissingPatchMakesTheSeriesIncompleteAndIsNamed()
    {
        var series = Assert.Single((await AssembleAsync(Make("[PATCH 0/3] topic", "c"), Patch("[PATCH 1/3] one", "1", "c"), Patch("[PATCH 3/3] three", "3", "c"))).Versions);

        Assert.Equal("incomplete", series.State);
        Assert.Equal([2], series.Missing);
    }

    [Fact]
    public async Task PatchesWhoseCoverNeverArrivedStillHangTogether()
    {
        var series = Assert.Single((await AssembleAsync(Patch("[PATCH 1/2] one", "1", "lost"), Patch("[PATCH 2/2] two", "2", "lost"))).Versions);

        Assert.Equal("complete", series.State);
    }

    [Fact]
    public async Task VersionsOfOneSeriesAreKnownByTheirThreadThoughTheSubjectChanged()
    {
        var assembled = await AssembleAsync(
            Make("[PATCH 0/1] old name", "c1"), Patch("[PATCH 1/1] one", "p1", "c1"),
            Make("[PATCH v2 0/1] new name", "c2", "c1"), Patch("[PATCH v2 1/1] uno", "p2", "c2"));

        Assert.Equal([1, 2], assembled.Versions.Select(version => version.Version));
        Assert.Single(assembled.Versions.Select(version => version.SeriesId).Distinct());
    }

    [Fact]
    public async Task VersionsWithoutAThreadAreKnownByAuthorAndTitle()
    {
        var assembled = await AssembleAsync(Patch("[PATCH] fix it", "p1"), Patch("[PATCH v2] fix it", "p2"), Patch("[PATCH v2] fix it", "other", from: "Bob <bob@example.org>"));

        Assert.Equal(2, assembled.Versions.Select(version => version.SeriesId).Distinct().Count());
        Assert.Equal(2, assembled.Versions.Count(version => version.Author == "ann@example.org"));
    }

    [Fact]
    public async Task SupersedesJoinsVersionsWithNothingElseInCommon()
    {
        var assembled = await AssembleAsync(
            Patch("[PATCH] old", "old@x"),
            Make("[PATCH v2 0/1] quite new", "c@x", body: "Supersedes: <old@x>\n"), Patch("[PATCH v2 1/1] different", "p@x", "c@x", change: Change("b.c", "int b;", "long b;")));

        Assert.Single(assembled.Versions.Select(version => version.SeriesId).Distinct());
    }

    [Fact]
    public async Task ASinglePatchSentAgainStandsInForItsPlaceAndTheOthersStay()
    {
        var assembled = await AssembleAsync(
            Make("[PATCH v2 0/3] topic", "c"), Patch("[PATCH v2 1/3] one", "1", "c"), Patch("[PATCH v2 2/3] two", "2", "c"), Patch("[PATCH v2 3/3] three", "3", "c"),
            Patch("[PATCH v3 2/3] two, better", "2b", "2"));

        var rerolled = assembled.Versions.Single(version => version.Version == 3);
        Assert.Equal("complete", rerolled.State);
        Assert.Equal(["<1>", "<2b>", "<3>"], rerolled.Patches.Select(patch => patch.MessageId));
        Assert.Equal([2, null, 2], rerolled.Patches.Select(patch => patch.TakenFromVersion));
    }

    [Fact]
    public async Task TwoPatchesSentAgainMakeOneVersion()
    {
        var assembled = await AssembleAsync(
            Make("[PATCH 0/3] topic", "c"), Patch("[PATCH 1/3] one", "1", "c"), Patch("[PATCH 2/3] two", "2", "c"), Patch("[PATCH 3/3] three", "3", "c"),
            Patch("[PATCH v2 1/3] one", "1b", "1"), Patch("[PATCH v2 3/3] three", "3b", "3"));

        Assert.Equal(["<1b>", "<2>", "<3b>"], assembled.Versions.Single(version => version.Version == 2).Patches.Select(patch => patch.MessageId));
    }

    [Fact]
    public async Task APatchBeyondItsTotalBlocksTheSeries()
    {
        var series = Assert.Single((await AssembleAsync(Make("[PATCH 0/3] topic", "c"), Patch("[PATCH 4/3] four", "4", "c"))).Versions);

        Assert.Equal("blocked", series.State);
        Assert.Contains("patch 4 of 3", Assert.Single(series.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TwoMailsThatClaimOnePlaceBlockTheSeries()
    {
        var series = Assert.Single((await AssembleAsync(
            Make("[PATCH 0/1] topic", "c"), Patch("[PATCH 1/1] one", "1", "c"), Patch("[PATCH 1/1] one", "1x", "c", change: Change(after: "short a;")))).Versions);

        Assert.Equal("blocked", series.State);
    }

    [Fact]
    public async Task OneMessageIdWithTwoBodiesIsPutAsideBothTimes()
    {
        var assembled = await AssembleAsync(Patch("[PATCH] x", "same"), Patch("[PATCH] x", "same", change: Change(after: "evil a;")));

        Assert.Empty(assembled.Versions);
        Assert.Equal(2, assembled.Quarantined.Count);
    }

    [Fact]
    public async Task TheSameMailTwiceIsOneMail()
    {
        var assembled = await AssembleAsync(Patch("[PATCH] x", "same"), Patch("[PATCH] x", "same"));

        Assert.Equal("complete", Assert.Single(assembled.Versions).State);
        Assert.Empty(assembled.Quarantined);
    }

    [Fact]
    public async Task AChangeInAReplyIsNoPatchOfTheSeries()
    {
        var series = Assert.Single((await AssembleAsync(Patch("[PATCH] x", "1"), Make("Re: [PATCH] x", "r", "1", "Bob <bob@example.org>", Change()))).Versions);

        Assert.Single(series.Patches);
    }

    [Fact]
    public async Task APatchWithoutAChangeIsPutAsideAndSaysWhy()
    {
        var assembled = await AssembleAsync(Make("[PATCH] x", "1", body: "I forgot the patch.\n"));

        Assert.Empty(assembled.Versions);
        Assert.Contains("no change", Assert.Single(assembled.Quarantined).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TrailersCountOnlyFromThoseTheyName()
    {
        var assembled = await AssembleAsync(
            Make("[PATCH 0/2] topic", "c"), Patch("[PATCH 1/2] one", "1", "c"), Patch("[PATCH 2/2] two", "2", "c"),
            Make("Re: [PATCH 1/2] one", "r1", "1", "Bob <bob@example.org>", "> Signed-off-by: Ann <ann@example.org>\n\nReviewed-by: Bob <bob@example.org>\n"),
            Make("Re: [PATCH 0/2] topic", "r2", "c", "Eve <eve@example.org>", "Acked-by: Linus <boss@example.org>\n"),
            Make("Re: [PATCH 1/2] one", "r3", "r1", "Cid <cid@example.org>", "> Reviewed-by: Bob <bob@example.org>\nTested-by: Cid <cid@example.org>\n"));

        var trailers = Assert.Single(assembled.Versions).Trailers;
        var counted = trailers.Where(trailer => trailer.Rejected is null).ToArray();
        Assert.Equal(["Reviewed-by: Bob <bob@example.org>", "Tested-by: Cid <cid@example.org>"], counted.Select(trailer => trailer.ToString()).Order());
        Assert.All(counted, trailer => Assert.Equal(1, trailer.Number));
        Assert.Contains(trailers, trailer => trailer.Value.Contains("boss", StringComparison.Ordinal) && trailer.Rejected!.Contains("eve@example.org", StringComparison.Ordinal));
    }

    [Fact]
    public async Task DependenciesAreReadFromTheCover()
    {
        var body = $"Based-on: <other@x>\nbase-commit: {new string('a', 40)}\nprerequisite-patch-id: {new string('b', 40)}\n";

        var series = Assert.Single((await AssembleAsync(Make("[PATCH 0/1] t", "c@x", body: body), Patch("[PATCH 1/1] one", "1@x", "c@x"))).Versions);

        Assert.Equal(new string('a', 40), series.Dependencies.BaseCommit);
        Assert.Equal(["<other@x>"], series.Dependencies.BasedOn);
        Assert.Equal([new string('b', 40)], series.Dependencies.PrerequisitePatchIds);
    }

    [Fact]
    public async Task UnknownAndCyclicDependenciesBlock()
    {
        var assembled = await AssembleAsync(
            Make("[PATCH 0/1] a", "ca@x", body: "Based-on: <cb@x>\n"), Patch("[PATCH 1/1] a1", "a1@x", "ca@x"),
            Make("[PATCH 0/1] b", "cb@x", from: "Bob <bob@x.org>", body: "Based-on: <ca@x>\n"), Patch("[PATCH 1/1] b1", "b1@x", "cb@x", from: "Bob <bob@x.org>"),
            Make("[PATCH 0/1] c", "cc@x", from: "Cid <cid@x.org>", body: "Based-on: <nowhere@x>\n"), Patch("[PATCH 1/1] c1", "c1@x", "cc@x", from: "Cid <cid@x.org>"));

        var byTitle = assembled.Versions.ToDictionary(version => version.Title);
        Assert.Contains("circle", SeriesDependency.Resolve(byTitle["a"], assembled.Versions).Blocked, StringComparison.Ordinal);
        Assert.Contains("circle", SeriesDependency.Resolve(byTitle["b"], assembled.Versions).Blocked, StringComparison.Ordinal);
        Assert.Contains("<nowhere@x>", SeriesDependency.Resolve(byTitle["c"], assembled.Versions).Blocked, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheOrderInWhichMailsArriveDoesNotMatter()
    {
        Mail[] mails =
        [
            Make("[PATCH 0/2] topic", "c"), Patch("[PATCH 1/2] one", "1", "c"), Patch("[PATCH 2/2] two", "2", "c"),
            Make("[PATCH v2 0/2] topic", "c2", "c"), Patch("[PATCH v2 1/2] one", "12", "c2"), Patch("[PATCH v2 2/2] two", "22", "c2"),
            Patch("[PATCH v3 2/2] two", "23", "22"), Patch("[PATCH] single", "s", from: "Bob <bob@example.org>"), Make("Re: [PATCH] single", "r", "s"),
        ];
        var expected = Describe(await AssembleAsync(mails));

        Assert.Equal("c v1 complete 1,2\nc v2 complete 12,22\nc v3 complete 12,23\ns v1 complete s", expected);
        Prop.ForAll(Gen.Shuffle(mails).ToArbitrary(), shuffled => Describe(AssembleAsync(shuffled).GetAwaiter().GetResult()) == expected)
            .Holds(30);

        static string Describe(AssembledMails assembled) => string.Join('\n', assembled.Versions
            .Select(version => $"{version.SeriesId} v{version.Version} {version.State} {string.Join(',', version.Patches.Select(patch => patch.MessageId.Trim('<', '>')))}").Order(StringComparer.Ordinal));
    }
}
