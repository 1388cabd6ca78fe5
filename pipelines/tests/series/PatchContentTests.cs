using System.IO.Compression;
using System.Text;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>What a change can hold beside lines of text: applied as git understands it, or refused with its reason.</summary>
public sealed class PatchContentTests
{
    [Fact]
    public async Task ARenameWithAChangeIsBoth()
    {
        var applied = await ApplyAsync("diff --git a/a.c b/moved.c\nsimilarity index 50%\nrename from a.c\nrename to moved.c\n--- a/a.c\n+++ b/moved.c\n@@ -1 +1 @@\n-int a;\n+long a;\n", "moved.c");

        Assert.Equal((null, "long a;\n"), (applied.Reason, applied.File));
        Assert.Contains("D\ta.c", applied.Raw, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ACopyIsAFileOfItsOwn()
    {
        var applied = await ApplyAsync("diff --git a/a.c b/copy.c\nsimilarity index 100%\ncopy from a.c\ncopy to copy.c\n", "copy.c");

        Assert.Equal((null, "int a;\n"), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task AModeAloneIsAChange()
    {
        var applied = await ApplyAsync("diff --git a/a.c b/a.c\nold mode 100644\nnew mode 100755\n");

        Assert.Null(applied.Reason);
        Assert.StartsWith(":100644 100755 ", applied.Raw, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnEmptyFileIsAFile()
    {
        var applied = await ApplyAsync("diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n", "empty");

        Assert.Equal((null, ""), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task ASymbolicLinkIsALink()
    {
        var applied = await ApplyAsync("diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n", "link");

        Assert.Equal((null, "→ /etc/passwd"), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task ASubmoduleLinkIsKeptAndNothingIsFetched()
    {
        var commit = new string('a', 40);
        var applied = await ApplyAsync($"diff --git a/sub b/sub\nnew file mode 160000\nindex 0000000..{commit[..7]}\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit {commit}\n", "sub/any");

        Assert.Equal((null, null), (applied.Reason, applied.File));
        Assert.Contains($" 160000 {new string('0', 40)} {commit} A\tsub", applied.Raw, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABinaryPatchIsApplied()
    {
        var applied = await ApplyAsync(Binary("data.bin", [0, 1, 2, 255]), "data.bin");

        Assert.Equal((null, "\0\u0001\u0002\u00ff"), (applied.Reason, applied.File));
    }

    [Fact]
    public async Task ABinaryPatchThatUnpacksToFiftyMebibytesIsNoMoreThanThat()
    {
        var applied = await ApplyAsync(Binary("zeros.bin", new byte[50 << 20]), "zeros.bin");

        Assert.Null(applied.Reason);
        Assert.Equal(50 << 20, applied.File!.Length);
    }

    [Fact]
    public async Task ABinaryPatchThatWouldFillTheDiskIsRefusedUnopened()
    {
        var bomb = string.Concat(Enumerable.Range(0, 12).Select(i => Binary($"zeros{i}.bin", new byte[50 << 20])));
        using var series = await SeriesFixture.CreateAsync();

        var assembled = await series.ImportAsync(Text("[PATCH] bomb", "b@x", body: "Because.\n---\n\n" + bomb));

        Assert.Contains("unpack to 600 MiB", Assert.Single(Assert.Single(assembled.Versions).Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADeltaIsCountedByWhatItMakes()
    {
        // A delta (pack-format): source size 7, target size 1 GiB. What it copies does not matter: nobody gets that far.
        var delta = Base85(7, [7, 0x80, 0x80, 0x80, 0x80, 0x04, 0x91, 0, 7]).Replace("literal", "delta", StringComparison.Ordinal);
        using var series = await SeriesFixture.CreateAsync();

        var assembled = await series.ImportAsync(Text("[PATCH] delta", "d@x", body: "Because.\n---\n\ndiff --git a/a.c b/a.c\nindex " + new string('1', 40) + ".." + new string('2', 40) + " 100644\nGIT binary patch\n" + delta + "\n"));

        Assert.Contains("unpack to 1024 MiB", Assert.Single(Assert.Single(assembled.Versions).Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADiffInsideTheMessageIsPartOfTheChangeUnlessItIsIndented()
    {
        // git am takes everything from the first diff on for the change: so does whoever judges it here.
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync(Text("[PATCH] quoted", "q@x", body: "It was:\n\n  diff --git a/b.c b/b.c\n  --- a/b.c\n  +++ b/b.c\n  @@ -1 +1 @@\n  -int b;\n  +evil b;\n\nBecause.\n" + Change()));
        await series.ImportAsync(Text("[PATCH] bare", "r@x", body: "It was:\n\ndiff --git a/b.c b/b.c\n--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-int b;\n+short b;\n\nBecause.\n" + Change()));

        var quoted = await series.ApplyAsync("quoted", "b.c");
        var bare = await series.ApplyAsync("bare", "b.c");

        Assert.Equal((null, "int b;\n"), (quoted.Reason, quoted.File));
        Assert.Contains("+evil b;", quoted.Message, StringComparison.Ordinal);
        Assert.Equal((null, "short b;\n"), (bare.Reason, bare.File));
    }

    [Fact]
    public async Task ScissorsCutNothingBecauseAMaintainerWouldNotSeeWhatIsGone()
    {
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync(Text("[PATCH] scissors", "s@x", body: "Hello list,\n\n-- >8 --\nBecause.\n" + Change()));

        var applied = await series.ApplyAsync("scissors");

        Assert.Null(applied.Reason);
        Assert.Contains("Hello list", applied.Message, StringComparison.Ordinal);
    }

    private static async Task<AppliedSeries> ApplyAsync(string change, string path = "a.c")
    {
        using var series = await SeriesFixture.CreateAsync();
        await series.ImportAsync(Text("[PATCH] change", "c@x", body: "Because.\n\nSigned-off-by: " + Author + "\n---\n\n" + change + "-- \n2.39\n"));
        var applied = await series.ApplyAsync("change", path);
        Assert.Equal("", applied.Status);
        return applied;
    }

    /// <summary>A new file as <c>git diff --binary</c> writes it.</summary>
    private static string Binary(string path, byte[] content) =>
        $"diff --git a/{path} b/{path}\nnew file mode 100644\nindex {new string('0', 40)}..{BlobHash(content)}\nGIT binary patch\n{Base85(content.Length, content)}\nliteral 0\nHcmV?d00001\n\n";

    private static string BlobHash(byte[] content) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));

    private static string Base85(int size, byte[] content)
    {
        const string digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(content);
        var text = new StringBuilder($"literal {size}\n");
        foreach (var line in packed.ToArray().Chunk(52))
        {
            text.Append((char)(line.Length <= 26 ? 'A' + line.Length - 1 : 'a' + line.Length - 27));
            foreach (var four in line.Chunk(4))
            {
                uint value = 0;
                for (var i = 0; i < 4; i++)
                    value = value << 8 | (i < four.Length ? four[i] : 0u);
                var five = new char[5];
                for (var i = 4; i >= 0; i--, value /= 85)
                    five[i] = digits[(int)(value % 85)];
                text.Append(five);
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
