using System.CommandLine;
using Gauntlet.Pipelines.GitTool;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines;

/// <summary><c>gauntlet hook install|remove</c>: a pre-commit hook that checks what is staged.</summary>
public sealed class HookCommand : ICommandModule
{
    /// <summary>Tells our hook from one that somebody else wrote.</summary>
    private const string Mark = "# Written by gauntlet hook install; gauntlet hook remove takes it away.";

    private const string Script = $"#!/bin/sh\n{Mark}\nexec gauntlet check --staged\n";

    private readonly Option<string> _repository = new("--repo") { Description = "Git repository (default: this folder)", HelpName = "DIR", DefaultValueFactory = _ => "." };

    public IEnumerable<Command> CreateCommands(Output output)
    {
        var install = new Command("install", "Check what is staged before each commit") { _repository };
        install.WithExample("gauntlet hook install", "in the repository of this folder")
            .WithExample("gauntlet hook install --repo ~/src/qemu", "in another one");
        install.SetAction(async (parsed, cancellation) =>
        {
            output.Out.WriteLine($"Wrote {await InstallAsync(parsed.GetValue(_repository)!, cancellation)}; git commit --no-verify passes it by.");
            return ExitCode.Success;
        });
        var remove = new Command("remove", "Take the hook away") { _repository };
        remove.WithExample("gauntlet hook remove", "commits are no longer checked");
        remove.SetAction(async (parsed, cancellation) =>
        {
            output.Out.WriteLine(await RemoveAsync(parsed.GetValue(_repository)!, cancellation) is { } path ? $"Removed {path}." : "There is no hook.");
            return ExitCode.Success;
        });
        yield return new Command("hook", "A git hook that checks what is about to be committed") { install, remove };
    }

    /// <summary>Writes the hook; returns its path.</summary>
    /// <exception cref="UserException">A hook that somebody else wrote is there, or there is no repository.</exception>
    internal static async Task<string> InstallAsync(string repository, CancellationToken cancellation)
    {
        var path = await FindAsync(repository, cancellation);
        if (File.Exists(path) && !await IsOursAsync(path, cancellation))
            throw new UserException($"{path} is another hook; add this line to it, or move it away: gauntlet check --staged || exit 1");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, Script, cancellation);
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return path;
    }

    /// <summary>Removes the hook; returns its path, null when there was none.</summary>
    /// <exception cref="UserException">The hook is somebody else's.</exception>
    internal static async Task<string?> RemoveAsync(string repository, CancellationToken cancellation)
    {
        var path = await FindAsync(repository, cancellation);
        if (!File.Exists(path))
            return null;
        if (!await IsOursAsync(path, cancellation))
            throw new UserException($"{path} was not written by gauntlet; it stays");
        File.Delete(path);
        return path;
    }

    private static async Task<bool> IsOursAsync(string path, CancellationToken cancellation) =>
        (await File.ReadAllTextAsync(path, cancellation)).Contains(Mark, StringComparison.Ordinal);

    private static async Task<string> FindAsync(string repository, CancellationToken cancellation)
    {
        if (!Directory.Exists(repository))
            throw new UserException($"{repository} is no folder; give a git repository with --repo");
        var git = new Git(Path.GetFullPath(repository));
        var common = await git.TryRunAsync(["rev-parse", "--path-format=absolute", "--git-common-dir"], cancellation: cancellation);
        if (common.ExitStatus != 0)
            throw new UserException($"{repository} is no git repository: {common.Error.Trim()}");
        var own = await git.TryRunAsync(["config", "--local", "--type=path", "--get", "core.hooksPath"], cancellation: cancellation);
        var folder = own.ExitStatus == 0 ? Path.GetFullPath(own.Text, Path.GetFullPath(repository)) : Path.Combine(common.Text, "hooks");
        return Path.Combine(folder, "pre-commit");
    }
}
