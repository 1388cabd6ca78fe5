using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Tests.Bisecting;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Building;

public sealed class SourcesTests
{
    [Fact]
    public async Task Uncommitted_files_are_a_tree_of_their_own_and_nothing_of_the_checkout_changes()
    {
        using var repository = new SmallRepository();
        var commit = repository.Commit("exit 0", "one");
        var source = new GitSource(repository.Path);
        Assert.Equal(commit, (await source.ResolveAsync(null, default)).Commit);
        File.WriteAllText(Path.Combine(repository.Path, ".git/info/exclude"), "ignored\n");
        File.WriteAllText(Path.Combine(repository.Path, "ignored"), "x");
        Assert.Equal(commit, (await source.ResolveAsync(null, default)).Commit);
        File.WriteAllText(Path.Combine(repository.Path, "new"), "x");
        var dirty = await source.ResolveAsync(null, default);
        Assert.Null(dirty.Commit);
        Assert.Equal("?? new", repository.Git("status", "--porcelain"));
        using var target = new TemporaryFolder();
        await source.ExtractAsync(dirty, target.Path, default);
        Assert.Equal(["new", "vmm.in"], Directory.GetFiles(target.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_build_is_made_once_for_equal_sources_and_options_and_its_log_is_kept()
    {
        using var repository = new SmallRepository();
        using var folder = new TemporaryFolder();
        repository.Commit("exit 0", "one");
        repository.Git("commit", "-q", "--allow-empty", "-m", "the same files");
        var (source, cache, builds) = (new GitSource(repository.Path), new BuildCache(folder.Path), 0);
        async Task<string> Build(string revision, string how) => await cache.GetAsync("small", source, await source.ResolveAsync(revision, default), how, (sources, result, log) =>
        {
            builds++;
            log.Write("building"u8);
            File.Copy(Path.Combine(sources, "vmm.in"), Path.Combine(result, "vmm"));
            return Task.CompletedTask;
        }, default);
        var first = await Build("HEAD", "");
        Assert.Equal(first, await Build("HEAD~1", ""));
        Assert.NotEqual(first, await Build("HEAD", "-O3"));
        Assert.Equal(2, builds);
        Assert.Equal("building", File.ReadAllText(first + ".log"));
        Assert.True(File.Exists(Path.Combine(first, "vmm")));
        Assert.False(Directory.Exists(first + ".sources"));
    }

    [Fact]
    public async Task A_build_that_fails_says_why_leaves_its_log_and_is_tried_again()
    {
        using var repository = new SmallRepository();
        using var folder = new TemporaryFolder();
        repository.Commit("exit 0", "one");
        var source = new CommandSource("small", repository.Path, ["sh", "-c", "echo no such header; exit 3"], "vmm");
        for (var round = 0; round < 2; round++)
        {
            var failure = await Assert.ThrowsAsync<UserException>(() => source.BuildAsync("HEAD", "x86_64", new BuildCache(folder.Path), default));
            Assert.Contains("no such header", failure.Message, StringComparison.Ordinal);
            Assert.Contains("no such header", File.ReadAllText(Directory.GetFiles(folder.Path, "*.log").Single()), StringComparison.Ordinal);
        }
        var none = new CommandSource("small", repository.Path, [], "nonesuch");
        Assert.Contains("left no nonesuch", (await Assert.ThrowsAsync<UserException>(() => none.BuildAsync("HEAD", "x86_64", new BuildCache(folder.Path), default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Qemus_options_are_part_of_what_a_build_is_known_by()
    {
        var options = new QemuOptions { Targets = ["aarch64-softmmu"], Sanitizers = ["address", "undefined"], Coverage = true };
        var line = string.Join(' ', options.Configure());
        Assert.Contains("--target-list=aarch64-softmmu", line, StringComparison.Ordinal);
        Assert.Contains("-fsanitize=address,undefined", line, StringComparison.Ordinal);
        Assert.Contains("--cc=afl-clang-fast", line, StringComparison.Ordinal);
        Assert.DoesNotContain("afl", string.Join(' ', (options with { Coverage = false }).Configure()), StringComparison.Ordinal);
    }

    // As a distribution's source package is unpacked.
    [Fact]
    public async Task A_folder_that_is_no_checkout_is_built_as_it_is_and_nothing_is_written_to_it()
    {
        using var sources = new TemporaryFolder();
        using var trees = new TemporaryFolder();
        using var target = new TemporaryFolder();
        File.WriteAllText(Path.Combine(sources.Path, "vmm.in"), "exit 0");
        File.WriteAllText(Path.Combine(sources.Path, ".gitignore"), "ignored\n");
        File.WriteAllText(Path.Combine(sources.Path, "ignored"), "x");
        var source = new GitSource(sources.Path, trees.Path);
        var first = await source.ResolveAsync(null, default);
        Assert.Null(first.Commit);
        Assert.Equal(first, await new GitSource(sources.Path, trees.Path).ResolveAsync(null, default));
        await source.ExtractAsync(first, target.Path, default);
        Assert.Equal([".gitignore", "vmm.in"], Directory.GetFiles(target.Path).Select(Path.GetFileName).Order());
        Assert.False(Directory.Exists(Path.Combine(sources.Path, ".git")));
        File.WriteAllText(Path.Combine(sources.Path, "vmm.in"), "exit 1");
        Assert.NotEqual(first.Tree, (await source.ResolveAsync(null, default)).Tree);
        Assert.Contains("no revision", (await Assert.ThrowsAsync<UserException>(() => source.ResolveAsync("HEAD", default))).Message, StringComparison.Ordinal);
    }

    /// <summary>Sources that build as QEMU's do: a configure that sets meson up and says which one, a program that is installed, and a test that is not.</summary>
    [MesonFact]
    public async Task Of_qemu_only_what_is_installed_is_built()
    {
        using var repository = new SmallRepository();
        void Write(string name, string text) => File.WriteAllText(Path.Combine(repository.Path, name), text);
        Write("configure", """
            #!/bin/sh
            for word; do case $word in --prefix=*) prefix=${word#*=} ;; --firmwarepath=*) folders=${word#*=} ;; esac; done
            IFS=:
            for folder in $folders; do [ ${#folder} -ge ${#prefix} ] || { echo "$folder is shorter than $prefix: AddressSanitizer ends QEMU for that"; exit 1; }; done
            meson setup . .. --prefix=$prefix && echo MESON=meson >config-host.mak

            """);
        File.SetUnixFileMode(Path.Combine(repository.Path, "configure"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Write("meson.build", "project('small', 'c')\nexecutable('qemu-system-x86_64', 'main.c', install: true)\nexecutable('self-test', 'broken.c')\n");
        Write("main.c", "int main(void) { return 0; }\n");
        Write("broken.c", "not C\n");
        repository.Commit("", "as QEMU's");
        using var folder = new TemporaryFolder();
        var (program, _) = await new QemuSource(repository.Path, new QemuOptions()).BuildAsync("HEAD", "x86_64", new BuildCache(folder.Path), default);
        Assert.True(File.Exists(program));
    }

    [Theory]
    [InlineData("qemu", "9.1", null)]
    [InlineData("qemu", "/src/qemu:v9.1.0", "v9.1.0")]
    [InlineData("gvmm", "/src/gvmm:HEAD~3", "HEAD~3")]
    public void A_version_is_a_revision_where_sources_are_known(string vmm, string version, string? revision) =>
        Assert.Equal(revision, VmmSource.Of(vmm, version, null)?.Revision);
}

/// <summary>A test that compiles with meson and ninja: skipped where one of them is not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class MesonFactAttribute : FactAttribute
{
    public MesonFactAttribute()
    {
        if (WhyNot is { } why)
            Skip = why;
    }

    private static string? WhyNot =>
        ((string[])["meson", "ninja", "cc"]).FirstOrDefault(tool => ProgramFinder.InPath(tool) is null) is { } missing ? $"{missing} is not installed (Debian's packages meson, ninja-build, gcc)" : null;
}
