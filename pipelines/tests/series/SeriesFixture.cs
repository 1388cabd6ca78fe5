using System.Text;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>A store and a repository: mails go in as they would arrive, and are applied by real git.</summary>
public sealed class SeriesFixture : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-test-hostile-").FullName;
    private readonly ResultStore _results;

    private SeriesFixture(Repository repository)
    {
        Repository = repository;
        _results = ResultStore.Open(Path.Combine(_folder, "store"));
        Store = new SeriesStore(_results);
    }

    public Repository Repository { get; }

    public SeriesStore Store { get; }

    public static async Task<SeriesFixture> CreateAsync(params (string Path, string Text)[] files)
    {
        var repository = await Repository.CreateAsync();
        if (files.Length > 0)
            await repository.CommitAsync("files", files);
        return new SeriesFixture(repository);
    }

    /// <summary>Imports an mbox, or one mail where it does not begin with a From line.</summary>
    public async Task<AssembledMails> ImportAsync(byte[] source)
    {
        var file = Path.Combine(_folder, $"{Guid.NewGuid():n}.mbox");
        await File.WriteAllBytesAsync(file, source);
        return await Store.ImportAsync(await MailSource.ReadAsync(file, null, Stream.Null, default), default);
    }

    public Task<AssembledMails> ImportAsync(string source) => ImportAsync(Encoding.UTF8.GetBytes(source));

    /// <summary>Applies the newest version of a series, and says what a file then holds and what the commit says.</summary>
    public async Task<AppliedSeries> ApplyAsync(string name, string path = "a.c")
    {
        using var tree = await ScratchTree.CreateAsync(Repository.Folder, "HEAD", default);
        var result = await SeriesApply.RunAsync(Store, Store.Find(name), Store.List(), tree, addTrailers: true, default);
        var mode = (await tree.Git.RunAsync(["ls-tree", "HEAD", "--", path])).Text;
        var file = await tree.Git.TryRunAsync(["cat-file", "blob", "HEAD:" + path]);
        return new AppliedSeries(
            result.Reason,
            file.ExitStatus != 0 ? null : (mode.StartsWith("120000", StringComparison.Ordinal) ? "→ " : "") + Encoding.Latin1.GetString(file.Output),
            (await tree.Git.RunAsync(["log", "-1", "--format=%B"])).Text,
            (await tree.Git.RunAsync(["show", "--format=", "--raw", "--no-abbrev", "HEAD"])).Text,
            (await tree.Git.RunAsync(["status", "--porcelain", "--ignored"])).Text);
    }

    public void Dispose()
    {
        _results.Dispose();
        Repository.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>What applying came to.</summary>
/// <param name="Reason">Why not; null: applied.</param>
/// <param name="File">The file's content, each byte one character; a link's target; null: it is not there.</param>
/// <param name="Message">The newest commit's.</param>
/// <param name="Raw">What that commit changed, modes and all.</param>
/// <param name="Status">What is not committed in the tree.</param>
public sealed record AppliedSeries(string? Reason, string? File, string Message, string Raw, string Status);
