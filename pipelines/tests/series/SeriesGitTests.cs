using System.Text;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>Series in a real store, with real git, from real sources to applied commits.</summary>
public sealed class SeriesGitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-test-series-").FullName;
    private readonly ResultStore _results;
    private readonly SeriesStore _store;

    public SeriesGitTests()
    {
        _results = ResultStore.Open(Path.Combine(_folder, "store"));
        _store = new SeriesStore(_results);
    }

    public void Dispose()
    {
        _results.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task ARangeOfCommitsBecomesASeriesThatAppliesToTheSameTree()
    {
        using var repository = await Repository.CreateAsync();
        var start = await repository.RevisionAsync("HEAD");
        await repository.CommitAsync("a: first", ("a.c", "int a1;\n"));
        var tip = await repository.CommitAsync("b: second", ("b.c", "int b2;\n"));

        await _store.ImportAsync(await MailSource.ReadAsync($"{start}..{tip}", repository.Folder, Stream.Null, default), default);
        using var tree = await ScratchTree.CreateAsync(repository.Folder, start, default);
        var result = await SeriesApply.RunAsync(_store, Assert.Single(_store.List()), _store.List(), tree, addTrailers: false, default);

        Assert.Null(result.Reason);
        Assert.Equal(await repository.RevisionAsync(tip + "^{tree}"), (await tree.Git.RunAsync(["rev-parse", "HEAD^{tree}"])).Text);
    }

    [Fact]
    public async Task ABranchIsWhatItHasBeyondTheMainOne()
    {
        using var repository = await Repository.CreateAsync();
        await repository.Git.RunAsync(["checkout", "--quiet", "-b", "topic"]);
        await repository.CommitAsync("a: first", ("a.c", "int a1;\n"));
        await repository.CommitAsync("b: second", ("b.c", "int b2;\n"));

        var version = Assert.Single((await AssembleAsync([.. await MailSource.ReadAsync("topic", repository.Folder, Stream.Null, default)])).Versions);

        Assert.Equal(["a: first", "b: second"], version.Patches.Select(patch => patch.Title));
        Assert.Contains("no branch", (await Assert.ThrowsAsync<UserException>(() => MailSource.ReadAsync("no-such-branch", repository.Folder, Stream.Null, default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnMboxAMaildirAFolderAndAPublicInboxGiveTheSameSeries()
    {
        using var inbox = await Repository.CreateAsync();
        var mails = new[] { Text("[PATCH 1/2] one", "1@x", body: "M\n" + Change()), Text("[PATCH 2/2] two", "2@x", "1@x", body: "M\n" + Change("b.c", "int b;", "long b;")) };
        var mbox = Path.Combine(_folder, "list.mbox");
        await File.WriteAllTextAsync(mbox, string.Concat(mails.Select(mail => $"From ann@example.org Thu Oct  1 10:00:00 2026\n{mail}\n")));
        var maildir = Directory.CreateDirectory(Path.Combine(_folder, "maildir"));
        foreach (var sub in (string[])["cur", "new", "tmp"])
            maildir.CreateSubdirectory(sub);
        var patches = Directory.CreateDirectory(Path.Combine(_folder, "patches"));
        foreach (var (mail, i) in mails.Select((mail, i) => (mail, i)))
        {
            await File.WriteAllTextAsync(Path.Combine(maildir.FullName, "cur", $"{i}:2,S"), mail);
            await File.WriteAllTextAsync(Path.Combine(patches.FullName, $"{i}.eml"), mail);
            await inbox.CommitAsync("mail", ("m", mail));
        }

        foreach (var source in (string[])[mbox, maildir.FullName, patches.FullName, inbox.Folder])
        {
            var read = await MailSource.ReadAsync(source, null, Stream.Null, default);
            Assert.Equal(["<1@x>", "<2@x>"], Assert.Single((await AssembleAsync([.. read])).Versions).Patches.Select(patch => patch.MessageId));
        }

        var single = patches.EnumerateFiles().Select(file => file.FullName).Order(StringComparer.Ordinal);
        Assert.Equal(["<1@x>", "<2@x>"], Assert.Single((await AssembleAsync([.. await MailSource.ReadAllAsync(single, null, Stream.Null, default)])).Versions).Patches.Select(patch => patch.MessageId));
        Assert.Equal(2, (await MailSource.ReadAsync("-", null, new MemoryStream(await File.ReadAllBytesAsync(mbox)), default)).Count);
    }

    [Fact]
    public async Task APatchThatArrivesLaterCompletesItsSeries()
    {
        await _store.ImportAsync([Make("[PATCH 0/2] t", "c@x"), Patch("[PATCH 2/2] two", "2@x", "c@x")], default);
        Assert.Equal("incomplete", _store.Find("c@x").State);

        await _store.ImportAsync([Patch("[PATCH 1/2] one", "1@x", "c@x")], default);

        Assert.Equal("complete", _store.Find("c@x").State);
    }

    [Fact]
    public async Task MailsWithoutAMessageIdAreKnownByTheirContent()
    {
        var mails = ((string[])["a.c", "b.c"]).Select(file => Encoding.UTF8.GetBytes(Text($"[PATCH] {file}", "x@x", body: "M\n" + Change(file)).Replace("Message-Id: <x@x>\n", "", StringComparison.Ordinal))).ToArray();

        foreach (var mail in (byte[][])[.. mails, mails[0]])
            Assert.Empty((await _store.ImportAsync(await MailSource.ReadAsync("-", null, new MemoryStream(mail), default), default)).Quarantined);

        Assert.Equal(["a.c", "b.c"], _store.List().Select(version => version.Title).Order());
    }

    [Fact]
    public async Task TrailersThatCountGoIntoTheCommitAndTheAuthorStays()
    {
        using var repository = await Repository.CreateAsync();
        await _store.ImportAsync(
            [
                Patch("[PATCH] a: widen", "1@x"),
                Make("Re: [PATCH] a: widen", "r@x", "1@x", "Bob <bob@example.org>", "Reviewed-by: Bob <bob@example.org>\n"),
                Make("Re: [PATCH] a: widen", "s@x", "1@x", "Eve <eve@example.org>", "Acked-by: Boss <boss@example.org>\n"),
            ], default);
        using var tree = await ScratchTree.CreateAsync(repository.Folder, "HEAD", default);

        var result = await SeriesApply.RunAsync(_store, _store.Find("widen"), _store.List(), tree, addTrailers: true, default);

        Assert.Null(result.Reason);
        var log = (await tree.Git.RunAsync(["log", "-1", "--format=%an <%ae>%n%B"])).Text;
        Assert.StartsWith(Author, log, StringComparison.Ordinal);
        Assert.Contains("Reviewed-by: Bob <bob@example.org>", log, StringComparison.Ordinal);
        Assert.DoesNotContain("Boss", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APatchThatDoesNotApplyIsNamedAndTheTreeIsClean()
    {
        using var repository = await Repository.CreateAsync();
        await _store.ImportAsync([Patch("[PATCH 1/2] good", "1@x"), Patch("[PATCH 2/2] bad", "2@x", "1@x", change: Change(before: "no such line", after: "x"))], default);
        using var tree = await ScratchTree.CreateAsync(repository.Folder, "HEAD", default);

        var result = await SeriesApply.RunAsync(_store, _store.Find("good"), _store.List(), tree, addTrailers: true, default);

        Assert.Equal(2, result.FailedPatch!.Number);
        Assert.Contains("2/2", result.Reason, StringComparison.Ordinal);
        Assert.Equal("", (await tree.Git.RunAsync(["status", "--porcelain"])).Text);
    }

    [Fact]
    public async Task ABasedOnSeriesIsAppliedAfterTheOneItNeeds()
    {
        using var repository = await Repository.CreateAsync();
        await _store.ImportAsync(
            [
                Patch("[PATCH] base work", "base@x"),
                Make("[PATCH 0/1] on top", "c@x", body: "Based-on: <base@x>\n"),
                Patch("[PATCH 1/1] more", "m@x", "c@x", change: Change(before: "long a;", after: "short a;")),
            ], default);
        using var tree = await ScratchTree.CreateAsync(repository.Folder, "HEAD", default);

        var result = await SeriesApply.RunAsync(_store, _store.Find("on top"), _store.List(), tree, addTrailers: false, default);

        Assert.Null(result.Reason);
        Assert.Equal("short a;\n", await File.ReadAllTextAsync(Path.Combine(tree.Folder, "a.c")));
    }

    [Fact]
    public async Task ADiffOfTwoVersionsShowsWhatChanged()
    {
        using var repository = await Repository.CreateAsync();
        await _store.ImportAsync([Patch("[PATCH] widen a", "1@x"), Patch("[PATCH v2] widen a", "2@x", change: Change(after: "long a; /* why */"))], default);

        var text = await SeriesDiff.RunAsync(_store, _store.Find("widen a@1"), _store.Find("widen a@2"), repository.Folder, "HEAD", default);

        Assert.Matches(@"(?m)^\s+-\+long a;$", text);
        Assert.Matches(@"(?m)^\s+\+\+long a; /\* why \*/$", text);
    }

    [Fact]
    public async Task PublishingNumbersTagsAndWritesTheMails()
    {
        using var repository = await Repository.CreateAsync();
        var start = await repository.RevisionAsync("HEAD");
        await repository.CommitAsync("a: first", ("a.c", "int a1;\n"));
        await repository.CommitAsync("b: second", ("b.c", "int b2;\n"));
        await repository.Git.RunAsync(["config", "user.name", "Ann"]);
        await repository.Git.RunAsync(["config", "user.email", "ann@example.org"]);
        var outgoing = Path.Combine(_folder, "out2");

        var first = await SeriesPublish.RunAsync(repository.Folder, "topic", $"{start}..HEAD", "The topic", "What it is for.", Path.Combine(_folder, "out1"), default);
        var second = await SeriesPublish.RunAsync(repository.Folder, "topic", $"{start}..HEAD", "The topic", "Changes in v2: none.", outgoing, default);

        Assert.Equal(("series/topic/v1", "series/topic/v2"), (first.Tag, second.Tag));
        Assert.Equal(3, second.Mails.Count);
        var cover = await File.ReadAllTextAsync(second.Mails[0]);
        Assert.Contains("[PATCH v2 0/2] The topic", cover, StringComparison.Ordinal);
        Assert.Contains("Changes in v2", cover, StringComparison.Ordinal);
        var sent = await MailSource.ReadAsync(outgoing, null, Stream.Null, default);
        var version = Assert.Single((await AssembleAsync([.. sent])).Versions);
        Assert.Equal(start, version.Dependencies.BaseCommit);
        Assert.Equal("complete", version.State);
    }

    [Theory]
    [InlineData("../gauntlet-escaped")]
    [InlineData(".git/config")]
    [InlineData(".GIT/config")]
    [InlineData("sub/.git/hooks/post-commit")]
    [InlineData(".g\u200cit/config")]
    [InlineData("git~1/config")]
    [InlineData("/tmp/gauntlet-escaped")]
    public async Task APatchMayNotWriteOutsideTheTreeNorIntoGit(string path)
    {
        using var repository = await Repository.CreateAsync();
        var change = $"---\n\ndiff --git a/{path} b/{path}\nnew file mode 100755\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+evil\n";
        using var tree = await ScratchTree.CreateAsync(repository.Folder, "HEAD", default);

        var result = await tree.ApplyAsync(Encoding.UTF8.GetBytes(Text("[PATCH] evil", "e@x", body: change)), default);

        Assert.False(File.Exists("/tmp/gauntlet-escaped") || File.Exists(Path.Combine(Path.GetTempPath(), "gauntlet-escaped")));
        if (path.TrimStart('/') == path)
            Assert.NotEqual(0, result.ExitStatus);
        Assert.DoesNotContain("evil", await File.ReadAllTextAsync(Path.Combine(tree.Folder, ".git", "config")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task APatchMayNotWriteThroughASymbolicLink()
    {
        using var repository = await Repository.CreateAsync();
        var target = Directory.CreateDirectory(Path.Combine(_folder, "target"));
        var change = $"---\n\ndiff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+{target.FullName}\n\\ No newline at end of file\n"
            + "diff --git a/link/evil b/link/evil\nnew file mode 100644\n--- /dev/null\n+++ b/link/evil\n@@ -0,0 +1 @@\n+evil\n";
        using var tree = await ScratchTree.CreateAsync(repository.Folder, "HEAD", default);

        var result = await tree.ApplyAsync(Encoding.UTF8.GetBytes(Text("[PATCH] evil", "e@x", body: change)), default);

        Assert.NotEqual(0, result.ExitStatus);
        Assert.Empty(target.EnumerateFileSystemInfos());
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n\n")]
    [InlineData("From nobody\n\n")]
    [InlineData("From x Thu Jan  1 00:00:00 1970\nSubject: [PATCH 1/")]
    [InlineData("\0\0\0\0")]
    public async Task BrokenSourcesEndInAClearErrorOrInNoSeries(string text)
    {
        var file = Path.Combine(_folder, "broken.mbox");
        await File.WriteAllTextAsync(file, text);
        try
        {
            Assert.Empty((await AssembleAsync([.. await MailSource.ReadAsync(file, null, Stream.Null, default)])).Versions);
        }
        catch (UserException exception)
        {
            Assert.Contains("broken.mbox", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task QuotedPrintableAndBase64PatchesAreSeenAsGitSeesThem()
    {
        const string mime = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: ";
        var body = "Because.\n" + Change();
        var base64 = Convert.ToBase64String(Encoding.UTF8.GetBytes(body), Base64FormattingOptions.InsertLineBreaks);
        var encoded = Make("[PATCH] base64", "b@x", headers: mime + "base64\n", body: base64 + "\n");
        var quoted = Make("[PATCH] quoted", "q@x", headers: mime + "quoted-printable\n", body: body.Replace("=", "=3D", StringComparison.Ordinal));
        using var repository = await Repository.CreateAsync();

        Assert.Equal(2, (await AssembleAsync(encoded, quoted)).Versions.Count);
        foreach (var mail in (Mail[])[encoded, quoted])
        {
            using var tree = await ScratchTree.CreateAsync(repository.Folder, "HEAD", default);
            Assert.Equal(0, (await tree.ApplyAsync(mail.Raw, default)).ExitStatus);
        }
    }
}
