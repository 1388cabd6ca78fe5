using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Suites;
using Gauntlet.Harness.Tests.Bisecting;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Suites;

/// <summary>Revisions of a suite, built: a checkout with kvm-unit-tests' layout, whose configure and make are small.</summary>
public sealed class GuestSuitesTests : IDisposable
{
    private readonly SmallRepository _repository = new();
    private readonly TemporaryFolder _cache = new();

    public void Dispose()
    {
        _repository.Dispose();
        _cache.Dispose();
    }

    private BuildCache Cache => new(_cache.Path);

    private string Commit(string cases)
    {
        Directory.CreateDirectory(Path.Combine(_repository.Path, "x86"));
        Write("configure", "#!/bin/sh\necho \"$@\" >arguments\nprintf 'TEST_DIR=x86\\nARCH=x86_64\\n' >config.mak\n");
        File.SetUnixFileMode(Path.Combine(_repository.Path, "configure"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Write("Makefile", "all: config.mak\n\tcp x86/a.in x86/a.flat\n\ttouch x86/a.o\n");
        Write("x86/a.in", "an image");
        Write("x86/unittests.cfg", string.Concat(cases.Split(' ').Select(name => $"[{name}]\nfile = a.flat\n")));
        return _repository.Commit("exit 0", cases);
    }

    private void Write(string path, string text) => File.WriteAllText(Path.Combine(_repository.Path, path), text);

    [Fact]
    public async Task A_cell_runs_the_suite_of_its_revision_and_no_other()
    {
        var (older, newer) = (Commit("a"), Commit("a b"));
        var context = SuiteContext.ForProcess("x86_64");
        Cell[] cells = [.. new[] { older, newer }.Select(commit => new Cell("qemu", "tcg", "x86_64", Guest: "kut", GuestVersion: $"{_repository.Path}:{commit}")), new Cell("qemu", "tcg", "x86_64")];
        var guests = await GuestSuites.BuildAsync(cells, context, default, Cache);
        var inTree = SuiteLoader.Load("x86_64/smoke", context);
        string[] CasesOf(Cell cell) => [.. guests.All.Append(inTree).Where(suite => guests.Takes(cell, suite)).SelectMany(suite => suite.Cases).Select(testCase => testCase.Name)];
        Assert.Equal(["a"], CasesOf(cells[0]));
        Assert.Equal(["a", "b"], CasesOf(cells[1]));
        Assert.Equal(inTree.Cases.Select(testCase => testCase.Name), CasesOf(cells[2]));
        Assert.All(guests.All.SelectMany(suite => suite.Cases), testCase => Assert.Equal("an image", File.ReadAllText(testCase.Image)));
    }

    [Fact]
    public async Task A_revision_is_built_once_for_an_architecture()
    {
        Commit("a");
        var (folder, revision) = await KvmUnitTests.BuildAsync(_repository.Path, null, "x86_64", Cache, default);
        Assert.Equal((folder, revision), await KvmUnitTests.BuildAsync(_repository.Path, "HEAD", "x86_64", Cache, default));
        Assert.False(File.Exists(Path.Combine(folder, "x86", "a.o")));
        Assert.Equal("--arch=x86_64\n", File.ReadAllText(Path.Combine(folder, "arguments")));
        var (other, _) = await KvmUnitTests.BuildAsync(_repository.Path, "HEAD", "riscv64", Cache, default);
        Assert.Equal("--arch=riscv64 --cross-prefix=riscv64-linux-gnu-\n", File.ReadAllText(Path.Combine(other, "arguments")));
    }

    [Fact]
    public async Task What_cannot_be_built_says_what_to_give()
    {
        var context = SuiteContext.ForProcess("x86_64");
        Assert.Contains("kut@/path/of/kvm-unit-tests:REV", (await Assert.ThrowsAsync<UserException>(() => GuestSuites.BuildAsync("v1", "x86_64", context, default, Cache))).Message, StringComparison.Ordinal);
        Assert.Contains("not built for s390x", (await Assert.ThrowsAsync<UserException>(() => GuestSuites.BuildAsync(_repository.Path, "s390x", context, default, Cache))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkout_and_its_revision_are_one_word()
    {
        Assert.Equal(("/src/kut", "v1"), KvmUnitTests.Parse("/src/kut@v1"));
        Assert.Equal(("/src/kut", null), KvmUnitTests.Parse("/src/kut"));
        var odd = Directory.CreateDirectory(Path.Combine(_cache.Path, "a@b")).FullName;
        Assert.Equal((odd, null), KvmUnitTests.Parse(odd));
        Assert.Equal((odd, "HEAD"), KvmUnitTests.Parse(odd + "@HEAD"));
    }
}
