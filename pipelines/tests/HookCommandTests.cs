using Gauntlet.Pipelines.Tests.Series;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Tests;

/// <summary>The pre-commit hook: written once, never over somebody else's.</summary>
public sealed class HookCommandTests
{
    [Fact]
    public async Task TheHookIsWrittenMayBeRunAndGoesAway()
    {
        using var repository = await Repository.CreateAsync();
        var path = await HookCommand.InstallAsync(repository.Folder, default);
        Assert.Equal(Path.Combine(repository.Folder, ".git", "hooks", "pre-commit"), path);
        Assert.Contains("gauntlet check --staged", await File.ReadAllTextAsync(path));
        Assert.True(File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal(path, await HookCommand.InstallAsync(repository.Folder, default));
        Assert.Equal(path, await HookCommand.RemoveAsync(repository.Folder, default));
        Assert.False(File.Exists(path));
        Assert.Null(await HookCommand.RemoveAsync(repository.Folder, default));
    }

    [Fact]
    public async Task AnotherHookStays()
    {
        using var repository = await Repository.CreateAsync();
        var path = Path.Combine(repository.Folder, ".git", "hooks", "pre-commit");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, "#!/bin/sh\nmake test\n");
        await Assert.ThrowsAsync<UserException>(() => HookCommand.InstallAsync(repository.Folder, default));
        await Assert.ThrowsAsync<UserException>(() => HookCommand.RemoveAsync(repository.Folder, default));
        Assert.Equal("#!/bin/sh\nmake test\n", await File.ReadAllTextAsync(path));
    }

    [Fact]
    public async Task TheRepositorysOwnHookFolderIsUsed()
    {
        using var repository = await Repository.CreateAsync();
        await repository.Git.RunAsync(["config", "core.hooksPath", "tools/hooks"]);
        Assert.Equal(Path.Combine(repository.Folder, "tools", "hooks", "pre-commit"), await HookCommand.InstallAsync(repository.Folder, default));
    }

    [Fact]
    public async Task WhatIsNoRepositoryIsNamed() =>
        Assert.Contains("no git repository", (await Assert.ThrowsAsync<UserException>(() => HookCommand.InstallAsync(Path.GetTempPath(), default))).Message);
}
