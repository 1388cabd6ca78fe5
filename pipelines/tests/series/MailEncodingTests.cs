using System.Text;
using Gauntlet.Pipelines.Series;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>Mails as mailers mangle and people forge them: each is applied as it was meant, or refused with its reason.</summary>
public sealed class MailEncodingTests
{
    private const string Mime = "MIME-Version: 1.0\nContent-Type: ";

    private static readonly string Body = "Because.\n\nSigned-off-by: " + Author + "\n" + Change();

    [Fact]
    public async Task AnHtmlPartBesideThePlainOneIsLeftOut()
    {
        var parts = "--b\nContent-Type: text/plain; charset=utf-8\n\n" + Body + "\n--b\nContent-Type: text/html; charset=utf-8\n\n<html><pre>Because.\n+long a;</pre></html>\n--b--\n";

        var applied = await ApplyAsync(Text("[PATCH] mixed", "h@x", headers: Mime + "multipart/alternative; boundary=\"b\"\n", body: parts));

        Assert.Equal((null, "long a;\n"), (applied.Reason, applied.File));
        Assert.DoesNotContain("html", applied.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HtmlAloneIsPutAside()
    {
        using var series = await SeriesFixture.CreateAsync();

        var assembled = await series.ImportAsync(Text("[PATCH] html", "h@x", headers: Mime + "text/html\n", body: "<html><body><p>diff --git a/a.c b/a.c</p></body></html>\n"));

        Assert.Empty(assembled.Versions);
        Assert.Contains("no change", Assert.Single(assembled.Quarantined).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APatchSignedByPgpMimeIsAppliedAndTheSignatureIsNoPartOfIt()
    {
        var parts = "--b\nContent-Type: text/plain; charset=utf-8\n\n" + Body + "\n--b\nContent-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n\niQEzBAEB\n-----END PGP SIGNATURE-----\n\n--b--\n";

        var applied = await ApplyAsync(Text("[PATCH] signed", "s@x", headers: Mime + "multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"b\"\n", body: parts));

        Assert.Equal((null, "long a;\n"), (applied.Reason, applied.File));
        Assert.DoesNotContain("PGP", applied.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APatchSignedInlineIsPutAsideBecauseTheSignatureChangedItsLines()
    {
        // RFC 4880, 7.1: lines that begin with a dash get "- " before them.
        var escaped = string.Join('\n', Body.Split('\n').Select(line => line.StartsWith('-') ? "- " + line : line));
        using var series = await SeriesFixture.CreateAsync();

        var assembled = await series.ImportAsync(Text("[PATCH] clear", "s@x", body: "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + escaped + "-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n"));

        Assert.Empty(assembled.Versions);
        Assert.Contains("PGP", Assert.Single(assembled.Quarantined).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text/x-patch")]
    [InlineData("text/plain")]
    public async Task AnAttachedPatchIsFound(string type)
    {
        var attached = Convert.ToBase64String(Encoding.UTF8.GetBytes(Change()), Base64FormattingOptions.InsertLineBreaks);
        var parts = "--b\nContent-Type: text/plain\n\nBecause.\n\n--b\nContent-Type: " + type + "; name=\"0001.patch\"\nContent-Disposition: attachment; filename=\"0001.patch\"\nContent-Transfer-Encoding: base64\n\n" + attached + "\n--b--\n";

        var applied = await ApplyAsync(Text("[PATCH] attached", "a@x", headers: Mime + "multipart/mixed; boundary=\"b\"\n", body: parts));

        Assert.Equal((null, "long a;\n"), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task FormatFlowedNeverAppliesAsSomethingElse()
    {
        // Two context lines that end in a space are one paragraph to RFC 3676: what git makes of them is no longer what was sent.
        var flowed = "Because.\n---\n\ndiff --git a/f.c b/f.c\n--- a/f.c\n+++ b/f.c\n@@ -1,3 +1,3 @@\n  one \n  two\n-three\n+THREE\n";
        using var series = await SeriesFixture.CreateAsync(("f.c", "one \ntwo\nthree\n"));
        await series.ImportAsync(Text("[PATCH] flowed", "f@x", headers: Mime + "text/plain; charset=utf-8; format=flowed\n", body: flowed));

        var applied = await series.ApplyAsync("flowed", "f.c");

        Assert.Contains("does not apply", applied.Reason, StringComparison.Ordinal);
        Assert.Equal("one \ntwo\nthree\n", applied.File);
    }

    [Fact]
    public async Task AMailWithCrLfLineEndsIsTheMailWithoutThem()
    {
        var applied = await ApplyAsync(Text("[PATCH] crlf mail", "c@x", body: Body).Replace("\n", "\r\n", StringComparison.Ordinal));

        Assert.Equal((null, "long a;\n"), (applied.Reason, applied.File));
        Assert.DoesNotContain('\r', applied.Message);
    }

    [Fact]
    public async Task AFileWithCrLfLineEndsKeepsThem()
    {
        using var series = await SeriesFixture.CreateAsync(("dos.c", "int a;\r\nint b;\r\n"));
        await series.ImportAsync(Text("[PATCH] crlf content", "c@x", body: "Because.\n---\n\ndiff --git a/dos.c b/dos.c\n--- a/dos.c\n+++ b/dos.c\n@@ -1,2 +1,2 @@\n-int a;\r\n+long a;\r\n int b;\r\n"));

        var applied = await series.ApplyAsync("crlf content", "dos.c");

        Assert.Equal((null, "long a;\r\nint b;\r\n"), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task Latin1BecomesUtf8InTheMessageAndStaysAsItIsInTheFile()
    {
        var mail = Encoding.Latin1.GetBytes(Text("[PATCH] latin", "l@x", headers: Mime + "text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n", body: "Für Andrés.\n" + Change(after: "long ä;")));
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync(mail);

        var applied = await series.ApplyAsync("latin");

        Assert.Equal((null, "long ä;\n"), (applied.Reason, applied.File));
        Assert.Contains("Für Andrés.", applied.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnUnknownCharsetIsNamed()
    {
        var mail = Encoding.Latin1.GetBytes(Text("[PATCH] martian", "m@x", headers: Mime + "text/plain; charset=x-martian\nContent-Transfer-Encoding: 8bit\n", body: "F\u00fcr.\n" + Change()));
        using var series = await SeriesFixture.CreateAsync();
        var assembled = await series.ImportAsync(mail);

        var reason = assembled.Versions.Count == 0 ? Assert.Single(assembled.Quarantined).Reason : (await series.ApplyAsync("martian")).Reason;
        Assert.Contains("x-martian", reason, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task FoldedHeadersAreJoined()
    {
        var applied = await ApplyAsync(Text("[PATCH] folded", "f@x", body: Body).Replace("Subject: [PATCH] folded", "Subject: [PATCH\n v2] a long\n\tsubject", StringComparison.Ordinal));

        Assert.Equal((null, "long a;\n"), (applied.Reason, applied.File));
        Assert.StartsWith("a long subject\n", applied.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABadDateIsRefusedByItsText()
    {
        var applied = await ApplyAsync(Text("[PATCH] late", "d@x", body: Body).Replace("Thu, 1 Oct 2026 10:00:00 +0000", "Foo, 99 Bar 99:99", StringComparison.Ordinal));

        Assert.Contains("invalid date format: Foo, 99 Bar 99:99", applied.Reason, StringComparison.Ordinal);
        Assert.Equal("int a;\n", applied.File);
    }

    [Fact]
    public async Task NulBytesInTheMessageAreRefusedWithTheReason()
    {
        using var series = await SeriesFixture.CreateAsync();
        var assembled = await series.ImportAsync(Text("[PATCH] nul", "n@x", body: "Be\0cause.\n" + Change()));

        Assert.Contains("NUL", assembled.Versions.Count == 0 ? Assert.Single(assembled.Quarantined).Reason : Assert.Single(Assert.Single(assembled.Versions).Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task BidirectionalControlsInATitleAreShownAsWhatTheyAre()
    {
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync(Text("[PATCH] safe\u202e;evil\u202c", "b@x", body: Body));

        Assert.Equal(@"safe\u{202e};evil\u{202c}", Printable.Line(Assert.Single(series.Store.List()).Title));
    }

    [Fact]
    public async Task AnUnescapedFromLineTearsAMailAndBothHalvesArePutAside()
    {
        using var series = await SeriesFixture.CreateAsync();
        var mbox = "From ann@example.org Thu Oct  1 10:00:00 2026\n" + Text("[PATCH] torn", "t@x", body: "Because of a mail that began\n\nFrom bob@example.org Thu Oct  1 10:00:00 2026\nas mboxes do.\n" + Change());

        var assembled = await series.ImportAsync(mbox);

        Assert.Empty(assembled.Versions);
        Assert.Equal(2, assembled.Quarantined.Count);
        Assert.Contains(assembled.Quarantined, mail => mail.Reason.Contains("From ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ASentenceThatBeginsWithFromTearsNothing()
    {
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync("From ann@example.org Thu Oct  1 10:00:00 2026\n" + Text("[PATCH] whole", "w@x", body: "\nFrom time to time it fails.\n\n" + Body));

        Assert.Contains("From time to time", (await series.ApplyAsync("whole")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TwoVersionsInOneMboxAreTwoVersions()
    {
        using var series = await SeriesFixture.CreateAsync();
        var from = "From ann@example.org Thu Oct  1 10:00:00 2026\n";

        var assembled = await series.ImportAsync(from + Text("[PATCH v2] two", "v2@x", body: "M\n" + Change(after: "short a;")) + "\n" + from + Text("[PATCH] two", "v1@x", body: Body));

        Assert.Equal([1, 2], assembled.Versions.Select(version => version.Version).Order());
        Assert.Equal("short a;\n", (await series.ApplyAsync("two")).File);
    }

    [Fact]
    public async Task AnEmptyMailAmongOthersIsPutAside()
    {
        using var series = await SeriesFixture.CreateAsync();
        var from = "From ann@example.org Thu Oct  1 10:00:00 2026\n";

        var assembled = await series.ImportAsync(from + "\n" + from + Text("[PATCH] good", "g@x", body: Body));

        Assert.Single(assembled.Versions);
        Assert.Contains("no subject", Assert.Single(assembled.Quarantined).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnMboxThatIsCutInTheMiddleKeepsWhatIsWholeAndRefusesTheRest()
    {
        using var series = await SeriesFixture.CreateAsync();
        var from = "From ann@example.org Thu Oct  1 10:00:00 2026\n";
        var mbox = from + Text("[PATCH] whole", "w@x", body: Body) + "\n" + from + Text("[PATCH] cut", "c@x", body: "M\n" + Change("b.c", "int b;", "long b;"));

        await series.ImportAsync(mbox[..mbox.IndexOf("+long b;", StringComparison.Ordinal)]);

        Assert.Null((await series.ApplyAsync("whole")).Reason);
        Assert.Contains("corrupt patch", (await series.ApplyAsync("cut")).Reason, StringComparison.Ordinal);
    }

    private static async Task<AppliedSeries> ApplyAsync(string mail, string? title = null)
    {
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync(mail);
        return await series.ApplyAsync(title ?? Assert.Single(series.Store.List()).Title);
    }
}
