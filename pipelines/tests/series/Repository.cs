using Gauntlet.Pipelines.GitTool;

namespace Gauntlet.Pipelines.Tests.Series;

/// <summary>A small git repository to take patches from and apply them to.</summary>
public sealed class Repository : IDisposable
{
    private Repository(string folder)
    {
        Folder = folder;
        Git = new Git(folder) { Committer = ("Maintainer", "maintainer@example.org") };
    }

    public string Folder { get; }

    public Git Git { get; }

    public static async Task<Repository> CreateAsync()
    {
        var repository = new Repository(Directory.CreateTempSubdirectory("gauntlet-test-repo-").FullName);
        await repository.Git.RunAsync(["init", "--quiet", "--initial-branch=master"]);
        await repository.CommitAsync("start", ("a.c", "int a;\n"), ("b.c", "int b;\n"));
        return repository;
    }

    /// <summary>Writes files and commits them; returns the commit.</summary>
    public async Task<string> CommitAsync(string message, params (string Path, string Text)[] files)
    {
        foreach (var (path, text) in files)
        {
            var file = Path.Combine(Folder, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, text);
        }

        await Git.RunAsync(["add", "--all"]);
        await Git.RunAsync(["-c", "user.name=Author", "-c", "user.email=author@example.org", "commit", "--quiet", "--allow-empty", "-m", message]);
        return await RevisionAsync("HEAD");
    }

    public async Task<string> RevisionAsync(string name) => (await Git.RunAsync(["rev-parse", name])).Text;

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
