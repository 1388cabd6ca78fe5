using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Pipelines.Checks.Parsing;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Patches are taken apart without loss.</summary>
public sealed class PatchParserTests
{
    private const string Rename = "diff --git a/old.c b/new.c\nsimilarity index 90%\nrename from old.c\nrename to new.c\nindex 1..2 100644\n--- a/old.c\n+++ b/new.c\n@@ -1 +1,2 @@\n a\n+b\n";

    private static readonly Gen<string> s_texts = Gen.Elements(
        "diff --git a/x b/x\n", "--- a/x\n", "+++ b/x\n", "@@ -1,2 +1,3 @@ f\n", "@@ -1 +1 @@\n", " a\n", "+b\n", "-c\n", "\n", "\r\n", "\\ No newline at end of file\n", "rename from x\n", "rename to y\n",
        "new file mode 100644\n", "deleted file mode 100644\n", "old mode 100644\n", "new mode 100755\n", "GIT binary patch\n", "literal 5\n", "McmZQ%x\n", "-- \n", "2.39.0\n", "From 1 Mon Sep\n",
        "Subject: x\n", " x | 2 +-\n", "index 1..2\n", "\0\n", "--- \n").ListOf(40).Select(string.Concat);

    [Fact]
    public void PrintingGivesTheInputAgain() =>
        Prop.ForAll(s_texts.ToArbitrary(), text => PatchParser.Print(PatchParser.Parse(text)) == text).Holds();

    [Fact]
    public void ParsingWhatWasPrintedGivesTheSamePatch() =>
        Prop.ForAll(s_texts.ToArbitrary(), text =>
        {
            var patch = PatchParser.Parse(text);
            return PatchParser.Parse(PatchParser.Print(patch)).Equals(patch);
        }).Holds();

    [Fact]
    public void AnyTextIsAPatchOrPreamble() =>
        Prop.ForAll<string>(text => PatchParser.Print(PatchParser.Parse(text ?? "")) == (text ?? "")).Holds();

    [Fact]
    public void ARenameKeepsBothPaths()
    {
        var file = Assert.Single(PatchParser.Parse(Rename).Files);
        Assert.Equal((FileChange.Renamed, "old.c", "new.c"), (file.Change, file.OldPath, file.NewPath));
        Assert.True(Assert.Single(file.Hunks).IsComplete);
    }

    [Fact]
    public void AModeAloneIsAChange()
    {
        var file = Assert.Single(PatchParser.Parse("diff --git a/x.sh b/x.sh\nold mode 100644\nnew mode 100755\n").Files);
        Assert.Equal((FileChange.ModeChanged, "x.sh", 0), (file.Change, file.NewPath, file.Hunks.Count));
    }

    [Fact]
    public void ANewFileHasNoOldPath()
    {
        var file = Assert.Single(PatchParser.Parse("diff --git a/x.c b/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/x.c\n@@ -0,0 +1 @@\n+a\n").Files);
        Assert.Equal((FileChange.Added, null, "x.c"), (file.Change, file.OldPath, file.NewPath));
    }

    [Fact]
    public void BinaryDataIsNotTakenForHunks()
    {
        var patch = PatchParser.Parse("diff --git a/x.bin b/x.bin\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmb;p000310RR91\n\nliteral 0\nHcmV?d00001\n\n-- \n2.39.0\n");
        var file = Assert.Single(patch.Files);
        Assert.True(file.IsBinary);
        Assert.Empty(file.Hunks);
        Assert.Equal(["-- \n", "2.39.0\n"], patch.Trailer);
    }

    [Fact]
    public void ACutHunkIsIncomplete() =>
        Assert.False(PatchParser.Parse("--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n a\n+b\n").Files[0].Hunks[0].IsComplete);
}
