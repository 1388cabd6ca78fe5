using System.Text;
using FsCheck.Fluent;
using Gauntlet.Pipelines.Series;

namespace Gauntlet.Pipelines.Tests.Series;

public sealed class MailHeadersTests
{
    [Fact]
    public void FoldedFieldsAreJoined() =>
        Assert.Equal("[PATCH v2 1/2] a long subject", Parse("Subject: [PATCH v2 1/2]\n a long\n\tsubject\n\n")["subject"]);

    [Theory]
    [InlineData("=?UTF-8?q?J=C3=BCrgen_Gro=C3=9F?= <j@example.org>", "Jürgen Groß <j@example.org>")]
    [InlineData("=?iso-8859-1?Q?Andr=E9?= <a@example.org>", "André <a@example.org>")]
    [InlineData("=?utf-8?B?5bGx55Sw?= =?utf-8?B?5aSq6YOO?= <y@example.org>", "山田太郎 <y@example.org>")]
    [InlineData("=?x-no-such-charset?Q?abc?=", "=?x-no-such-charset?Q?abc?=")]
    [InlineData("=?utf-8?B?!!!?=", "=?utf-8?B?!!!?=")]
    public void EncodedWordsAreDecodedOrLeftAlone(string field, string expected) => Assert.Equal(expected, Parse($"From: {field}\n\n")["From"]);

    [Fact]
    public void BytesThatAreNotUtf8AreLatin1()
    {
        byte[] mail = [.. "Subject: caf"u8, 0xe9, .. "\n\nbody"u8];

        Assert.Equal("café", MailHeaders.Parse(mail)["Subject"]);
    }

    [Theory]
    [InlineData("Ann <Ann@Example.ORG>", "ann@example.org")]
    [InlineData("ann@example.org (Ann)", "ann@example.org")]
    [InlineData("\"fake@evil.org\" <ann@example.org>", "ann@example.org")]
    public void TheAddressIsTheOneInBrackets(string from, string expected) => Assert.Equal(expected, Parse($"From: {from}\n\n").Address("From"));

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("Thu, 99 Foo 2026 99:99:99 +9999")]
    public void ABadDateIsNoDate(string date) => Assert.Null(Parse($"Date: {date}\n\n").Date);

    [Fact]
    public void TheBodyBeginsBehindTheEmptyLine()
    {
        var mail = "Subject: x\r\n\r\nbody"u8.ToArray();

        Assert.Equal("body", Encoding.ASCII.GetString(mail.AsSpan(MailHeaders.Parse(mail).BodyOffset)));
    }

    [Fact]
    public void NoBytesMakeItThrow() =>
        Prop.ForAll<byte[]>(bytes =>
        {
            var headers = MailHeaders.Parse([.. "From: x\nSubject: "u8, .. bytes ?? []]);
            _ = (headers["Subject"], headers.Date, headers.Address("From"), headers.Ids("References").Count);
            return headers.BodyOffset >= 0;
        }).Holds();

    private static MailHeaders Parse(string text) => MailHeaders.Parse(Encoding.UTF8.GetBytes(text));
}
