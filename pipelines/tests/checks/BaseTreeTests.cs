using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Tests.Series;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>What judges a patch comes from the tree without it.</summary>
public sealed class BaseTreeTests
{
    private const string BadSource = "\tint b;\n";

    private static (int Exit, string Report) Check(Repository repository, params string[] arguments)
    {
        using var output = new MemoryStream();
        var exit = CheckProgram.Run(["--root", repository.Folder, "--rules=qemu", "--no-signoff", "--terse", "--show-types", .. arguments], output);
        return (exit, System.Text.Encoding.UTF8.GetString(output.ToArray()));
    }

    [Fact]
    public async Task ACommitCannotSwitchOffTheRulesThatJudgeIt()
    {
        using var repository = await Repository.CreateAsync();
        await repository.CommitAsync("evil: add b", ("c.c", BadSource), (CheckConfiguration.Path, "ignore: [CODE_INDENT]\n"));

        var (exit, report) = Check(repository, "HEAD~1..HEAD");

        Assert.Equal(1, exit);
        Assert.Contains("CODE_INDENT", report);
    }

    [Fact]
    public async Task TheBasesConfigurationHoldsForACommitThatDeletesIt()
    {
        using var repository = await Repository.CreateAsync();
        await repository.CommitAsync("add rules", (CheckConfiguration.Path, "ignore: [CODE_INDENT]\n"));
        File.Delete(Path.Combine(repository.Folder, CheckConfiguration.Path));
        await repository.CommitAsync("c: add b", ("c.c", BadSource));

        Assert.DoesNotContain("CODE_INDENT", Check(repository, "HEAD~1..HEAD").Report);
    }

    [Fact]
    public async Task WhatIsStagedIsJudgedByTheLastCommitsRules()
    {
        using var repository = await Repository.CreateAsync();
        Directory.CreateDirectory(Path.Combine(repository.Folder, ".gauntlet"));
        await File.WriteAllTextAsync(Path.Combine(repository.Folder, CheckConfiguration.Path), "ignore: [CODE_INDENT]\n");
        await File.WriteAllTextAsync(Path.Combine(repository.Folder, "c.c"), BadSource);
        await repository.Git.RunAsync(["add", "--all"]);

        Assert.Contains("CODE_INDENT", Check(repository, "--staged").Report);
    }

    [Fact]
    public async Task ASeriesThatChangesItsJudgeIsMarkedSo()
    {
        using var repository = await Repository.CreateAsync();
        await repository.CommitAsync("pipelines: pass all", ("pipelines/gate.yaml", "steps: []\n"));

        Assert.Contains("SERIES_CHANGES_JUDGE: changes pipelines/gate.yaml", Check(repository, "--series", "HEAD~1..HEAD").Report);
    }

    [Fact]
    public async Task FixesNamesACommitOfTheRepositoryAndItsSubject()
    {
        using var repository = await Repository.CreateAsync();
        var broken = (await repository.CommitAsync("c: add b", ("c.c", "int b;\n")))[..12];
        await repository.CommitAsync($"c: mend b\n\nFixes: {broken} (\"c: add b\")", ("c.c", "int c;\n"));
        Assert.DoesNotContain("SERIES_FIXES", Check(repository, "--series", "HEAD~1..HEAD").Report);

        await repository.CommitAsync($"c: mend it again\n\nFixes: {broken} (\"c: something else\")", ("c.c", "int d;\n"));
        Assert.Contains($"Fixes: {broken} is \"c: add b\"", Check(repository, "--series", "HEAD~1..HEAD").Report);

        await repository.CommitAsync("c: mend nothing\n\nFixes: 0123456789ab (\"c: add b\")", ("c.c", "int e;\n"));
        Assert.Contains("Fixes: 0123456789ab is no commit of this repository", Check(repository, "--series", "HEAD~1..HEAD").Report);
    }

    [Fact]
    public async Task ALogMayNameOnlyCommitsOfTheRepository()
    {
        using var repository = await Repository.CreateAsync();
        var broken = (await repository.CommitAsync("c: add b", ("c.c", "int b;\n")))[..12];
        await repository.CommitAsync($"c: mend b\n\nSince commit {broken} (\"c: add b\") it is broken.", ("c.c", "int c;\n"));
        Assert.DoesNotContain("UNKNOWN_COMMIT_ID", Check(repository, "--rules=linux", "HEAD~1..HEAD").Report);

        await repository.CommitAsync("c: mend it again\n\nSince commit 0123456789ab (\"c: add b\") it is broken.", ("c.c", "int d;\n"));
        Assert.Contains("Unknown commit id '0123456789ab'", Check(repository, "--rules=linux", "HEAD~1..HEAD").Report);
        Assert.DoesNotContain("UNKNOWN_COMMIT_ID", Check(repository, "--rules=linux", "--no-tree", "HEAD~1..HEAD").Report);
    }

    [Fact]
    public async Task StructuresThatAreConstantComeFromTheTree()
    {
        using var repository = await Repository.CreateAsync();
        await repository.CommitAsync("scripts: list", ("scripts/const_structs.checkpatch", "# a comment\nfoo_ops\nnot a name\n"));
        await repository.CommitAsync("c: add ops", ("c.c", "static struct foo_ops a;\nstatic const struct foo_ops b;\nstatic struct bar_ops c;\n"));
        var (_, report) = Check(repository, "--rules=linux", "HEAD~1..HEAD");
        Assert.Contains("struct foo_ops should normally be const", report);
        Assert.Equal(report.IndexOf("CONST_STRUCT", StringComparison.Ordinal), report.LastIndexOf("CONST_STRUCT", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ACommitsAuthorHasToSignIt()
    {
        using var repository = await Repository.CreateAsync();
        await repository.CommitAsync("c: add c\n\nSigned-off-by: B <b@example.org>", ("c.c", "int c;\n"));
        Assert.Contains("author@example.org", Check(repository, "--series", "HEAD~1..HEAD").Report);
        await repository.CommitAsync("c: add d\n\nSigned-off-by: Author <author@example.org>", ("c.c", "int d;\n"));
        Assert.DoesNotContain("SERIES_AUTHOR", Check(repository, "--series", "HEAD~1..HEAD").Report);
    }

    [Fact]
    public async Task MaintainersIsTheBases()
    {
        using var repository = await Repository.CreateAsync();
        await repository.CommitAsync("add MAINTAINERS", ("MAINTAINERS", "C\nM: A <a@b.c>\nF: hw/\n"));
        await repository.CommitAsync("c: add c", ("c.c", "int c;\n"));
        Assert.Contains("MAINTAINERS does not cover the new file c.c", Check(repository, "--series", "HEAD~1..HEAD").Report);

        await repository.CommitAsync("hw: add d", ("hw/d.c", "int d;\n"));
        Assert.DoesNotContain("SERIES_MAINTAINERS", Check(repository, "--series", "HEAD~1..HEAD").Report);
    }
}
