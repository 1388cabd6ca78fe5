using System.Text;
using FsCheck.Fluent;
using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Checks.Rules;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Misspelled words, by the user's list.</summary>
public sealed class SpellingTests
{
    private const string Words = "# comment\nrecieve||receive\nteh->the, then\nwont->won't, disabled because of wont\n";

    [Theory]
    [InlineData("recieve", "receive")]
    [InlineData("Recieve", "Receive")]
    [InlineData("RECIEVE", "RECEIVE")]
    [InlineData("teh", "the")]
    [InlineData("wont", null)]
    [InlineData("comment", null)]
    public void AWordKeepsItsCapitals(string word, string? right) => Assert.Equal(right, Spelling.Parse(Words).Correct(word));

    [Fact]
    public void AnyTextIsAList() => Prop.ForAll<string?>(text => Spelling.Parse(text ?? "", Words).Correct("recieve") == "receive").Holds();

    [Fact]
    public void TheWordIsMarkedAsCheckpatchMarksIt()
    {
        var list = Path.Combine(Path.GetTempPath(), $"gauntlet-words-{Guid.NewGuid():N}");
        File.WriteAllText(list, Words);
        try
        {
            var patch = "From: A <a@b.c>\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/x.txt\n+++ b/x.txt\n@@ -1,0 +1 @@\n+a teh teh, well-recieve, Recieve\n";
            var report = HostileInputTests.Run(Encoding.UTF8.GetBytes(patch), "--rules=qemu", $"--codespellfile={list}").Report;
            Assert.Contains("WARNING: 'teh' may be misspelled - perhaps 'the'?\n#10: FILE: x.txt:1:\n+a teh teh, well-recieve, Recieve\n   ^^^\n", report);
            Assert.Contains("WARNING: 'Recieve' may be misspelled - perhaps 'Receive'?\n", report);
            // The first one's space is the second one's too, and belongs to the first.
            Assert.Equal(2, report.Split("misspelled").Length - 1);
        }
        finally
        {
            File.Delete(list);
        }
    }

    [Fact]
    public void AMissingListIsNamed() =>
        Assert.Contains("--codespellfile", Assert.Throws<CheckException>(() => CheckProgram.Run(["--codespellfile=/no/such/list", "x.patch"], new MemoryStream())).Message);
}
