using System.Text;
using FsCheck.Fluent;
using Gauntlet.Pipelines.Checks.Parsing;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Several mails in one file are several patches, each with its own verdict.</summary>
public sealed class MboxTests
{
    private const string Separator = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n";

    private static string Patch(int number, string line) =>
        $"{Separator}From: A <a@b.c>\nSubject: [PATCH {number}/2] x\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\ndiff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1 +1,2 @@\n int a;\n+{line}\n-- \n2.39.0\n\n";

    private const string Cover = Separator + "From: A <a@b.c>\nSubject: [PATCH 0/2] x\n\nFrom here on it works.\n\n";

    [Fact]
    public void EachMailIsCheckedByItself()
    {
        var (exit, report) = HostileInputTests.Run(Encoding.UTF8.GetBytes(Cover + Patch(1, "int b;") + Patch(2, "int c; ").Replace("Signed-off-by: A <a@b.c>\n", "", StringComparison.Ordinal)), "--rules=qemu");
        Assert.Equal(1, exit);
        Assert.Contains("Checking the.patch, mail 1 of 3...", report);
        Assert.Contains("the.patch, mail 2 of 3, has no obvious style problems", report);
        Assert.Contains("ERROR: trailing whitespace", report);
        Assert.Contains("ERROR: Missing Signed-off-by", report);
        Assert.DoesNotContain("unified-diff", report);
    }

    [Fact]
    public void ACoverLetterNeedsNoDiff() => Assert.Equal(0, HostileInputTests.Run(Encoding.UTF8.GetBytes(Cover + Patch(1, "int b;") + Patch(2, "int c;")), "--rules=qemu").Exit);

    [Fact]
    public void AMissingPatchOfTheMailboxIsNamed() =>
        Assert.Contains("missing: 1 of 2", HostileInputTests.Run(Encoding.UTF8.GetBytes(Cover + Patch(2, "int c;")), "--rules=qemu", "--series").Report);

    /// <summary>An mbox cut anywhere still has as many mails as begin in it.</summary>
    [Fact]
    public void AMailboxCutInTheMiddleIsSplit()
    {
        var text = Encoding.UTF8.GetBytes(Cover + Patch(1, "int b;") + Patch(2, "int c;"));
        for (var length = 0; length <= text.Length; length += 7)
            Assert.InRange(Mbox.Starts(text.AsSpan(0, length)).Count, 1, 3);
        Assert.Equal(3, Mbox.Starts(text).Count);
    }

    [Fact]
    public void ASentenceThatBeginsWithFromStartsNoMail() =>
        Assert.Single(Mbox.Starts(Encoding.UTF8.GetBytes(Patch(1, "int b;").Replace("log", "log\n\nFrom now on: Monday\nX: y", StringComparison.Ordinal))));

    [Fact]
    public void TenThousandMailsAreSplit() =>
        Assert.Equal(10_000, Mbox.Starts(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(Patch(1, "int b;"), 10_000)))).Count);

    [Fact]
    public void AnyBytesAreSplit() => Prop.ForAll<byte[]>(bytes => Mbox.Starts(bytes ?? [])[0] == 0).Holds();
}
