using FsCheck.Fluent;
using Gauntlet.Pipelines.Series;

namespace Gauntlet.Pipelines.Tests.Series;

public sealed class SubjectTagTests
{
    [Theory]
    [InlineData("[PATCH] hw: fix", true, 1, null, null, "hw: fix")]
    [InlineData("[PATCH v3 2/5] hw: fix", true, 3, 2, 5, "hw: fix")]
    [InlineData("[RFC PATCH for-8.0 v2 00/12] a [b] c", true, 2, 0, 12, "a [b] c")]
    [InlineData("[PATCHv4 1/2] x", true, 4, 1, 2, "x")]
    [InlineData("[PATCH] [v2] x", true, 2, null, null, "x")]
    [InlineData("[patch,v2,01/02] x", true, 2, 1, 2, "x")]
    [InlineData("plain subject", false, 1, null, null, "plain subject")]
    [InlineData("[ANNOUNCE] 8.0", false, 1, null, null, "8.0")]
    [InlineData("[PATCH 99999/3] x", true, 1, null, null, "x")]
    [InlineData("[PATCH v0] x", true, 1, null, null, "x")]
    public void ReadsWhatTheBracketsSay(string subject, bool isPatch, int version, int? number, int? total, string title)
    {
        var tag = SubjectTag.Parse(subject);

        Assert.Equal((isPatch, version, number, total, title), (tag.IsPatch, tag.Version, tag.Number, tag.Total, tag.Title));
    }

    [Theory]
    [InlineData("Re: [PATCH v2 1/2] x")]
    [InlineData("RE: Re: [PATCH v2 1/2] x")]
    [InlineData("AW: [PATCH v2 1/2] x")]
    public void AnAnswerIsAReplyWhateverItQuotes(string subject)
    {
        var tag = SubjectTag.Parse(subject);

        Assert.True(tag.IsReply);
        Assert.Equal((2, 1, 2), (tag.Version, tag.Number, tag.Total));
    }

    [Fact]
    public void WhatItPrintsItReadsBack()
    {
        var tags =
            from isPatch in Gen.Elements(true, false)
            from isReply in Gen.Elements(true, false)
            from version in Gen.Choose(1, SubjectTag.MaxNumber)
            from total in Gen.Choose(0, SubjectTag.MaxNumber)
            from number in Gen.Choose(0, SubjectTag.MaxNumber)
            from words in Gen.ListOf(Gen.Elements("RFC", "for-8.0", "qemu", "RESEND", "net-next"))
            from title in Gen.Elements("x", "hw/net: fix [it]", "Fix \"a\" of b", "v2 of x")
            select new SubjectTag(isPatch, isReply, version, total == 0 ? null : number, total == 0 ? null : total, words.ToArray(), title);

        Prop.ForAll(tags.ToArbitrary(), tag =>
        {
            var back = SubjectTag.Parse(tag.Print());
            return back with { Words = tag.Words } == tag && back.Words.SequenceEqual(tag.Words);
        }).Holds();
    }

    [Fact]
    public void NoSubjectMakesItThrow() => Prop.ForAll<string>(text => SubjectTag.Parse(text ?? "").Title is not null).Holds();
}
