using System.Text;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>What mail did to a patch is undone, or named.</summary>
public sealed class MailReaderTests
{
    private const string Body = "log\n\nSigned-off-by: A <a@b.c>\n---\ndiff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1 +1,2 @@\n int a;\n+int b;\n";

    private const string Header = "From: A <a@b.c>\nSubject: [PATCH] x\n";

    private static (int Exit, string Report) Check(string mail, params string[] options) => HostileInputTests.Run(Encoding.Latin1.GetBytes(mail), options);

    [Fact]
    public void APlainPatchPasses() => Assert.Equal(0, Check($"{Header}\n{Body}").Exit);

    [Fact]
    public void Base64IsDecoded()
    {
        var mail = $"{Header}Content-Transfer-Encoding: base64\n\n{Convert.ToBase64String(Encoding.ASCII.GetBytes(Body.Replace("int b;", "int b; ")), Base64FormattingOptions.InsertLineBreaks)}\n";
        var (exit, report) = Check(mail);
        Assert.Equal(1, exit);
        Assert.Contains("ERROR: trailing whitespace\n", report);
        Assert.Contains("Does not appear to be a unified-diff format patch", Check(mail, "--legacy").Report);
    }

    [Fact]
    public void DamagedBase64CannotBeChecked() =>
        Assert.Contains("could not check: the mail's base64 is damaged", Check($"{Header}Content-Transfer-Encoding: base64\n\n!!!!\n").Report);

    [Fact]
    public void QuotedPrintableIsDecoded() =>
        Assert.Equal(0, Check($"{Header}Content-Transfer-Encoding: quoted-printable\n\n{Body.Replace("=", "=3D").Replace("int b;", "int=20b=\n;")}").Exit);

    [Theory]
    [InlineData("text/plain; format=flowed", "format=flowed")]
    [InlineData("multipart/mixed; boundary=x", "several parts")]
    [InlineData("text/html", "HTML")]
    public void WhatMailDestroysCannotBeChecked(string type, string reason)
    {
        var (exit, report) = Check($"{Header}Content-Type: {type}\n\n{Body}");
        Assert.Equal(1, exit);
        Assert.Contains(reason, report);
    }

    [Fact]
    public void ACutPatchCannotBeChecked()
    {
        var (exit, report) = Check($"{Header}\n{Body.Replace("@@ -1 +1,2 @@", "@@ -1,4 +1,5 @@")}");
        Assert.Equal(1, exit);
        Assert.Contains("could not check: the hunk @@ -1,4 +1,5 @@ has other lines than it says", report);
        Assert.Equal(0, Check($"{Header}\n{Body.Replace("@@ -1 +1,2 @@", "@@ -1,4 +1,5 @@")}", "--legacy").Exit);
    }

    [Fact]
    public void LineEndsOfTheMailAreNotThePatchs() => Assert.Equal(0, Check($"{Header}\n{Body}".Replace("\n", "\r\n")).Exit);

    [Fact]
    public void LineEndsOfThePatchAre() => Assert.Contains("DOS line endings", Check($"{Header}\n{Body.Replace("int b;", "int b;\r")}").Report);

    [Fact]
    public void Latin1BecomesUtf8() =>
        Assert.Equal(0, Check($"{Header}Content-Type: text/plain; charset=iso-8859-1\n\n{Body.Replace("int b;", "int b; /* \u00E9 */")}").Exit);

    [Fact]
    public void AnEmptyFileHasNothingToReport() => Assert.Equal((0, ""), Check(""));
}
