using System.CommandLine;
using System.Text.Json;
using Gauntlet.Guests.Building;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests.Building;

public sealed class GuestsCommandsTests
{
    private readonly StringWriter output = new(), error = new();

    [Fact]
    public async Task List_says_that_every_prebuilt_image_is_current()
    {
        Assert.Equal(ExitCode.Success, await RunAsync("guests", "list", "--json"));
        using var json = JsonDocument.Parse(output.ToString());
        Assert.Equal(GuestTree.Find().Images.Count, json.RootElement.GetArrayLength());
        Assert.All(json.RootElement.EnumerateArray(), image => Assert.Equal("current", image.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task List_takes_images_and_suites_by_name()
    {
        Assert.Equal(ExitCode.Success, await RunAsync("guests", "list", "smoke", "smp"));
        Assert.Contains("smoke", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("paging", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_tells_a_stale_a_changed_and_a_missing_image()
    {
        using var folder = new TemporaryFolder();
        folder.Write("lib/common/types.h", "");
        foreach (var name in new[] { "current", "stale", "changed", "missing" })
        {
            folder.Write($"suites/x86_64/one/{name}.c", "");
            folder.Write($"prebuilt/x86_64/{name}.elf", name);
        }
        var tree = GuestTree.Open(folder.Path);
        var images = tree.Images.Select(image => new ManifestImage(image.File, "one", GuestManifest.HashOf(Path.Combine(tree.Prebuilt, image.File)), SourceHash.Of(tree, image)));
        File.WriteAllBytes(Path.Combine(tree.Prebuilt, GuestManifest.FileName), new GuestManifest(1, "c", [.. images]).ToJson());
        folder.Write("suites/x86_64/one/stale.c", "int x;");
        folder.Write("prebuilt/x86_64/changed.elf", "other");
        File.Delete(Path.Combine(folder.Path, "prebuilt/x86_64/missing.elf"));

        Assert.Equal(ExitCode.Success, await RunAsync("guests", "list", "--json", "--guests", folder.Path));
        using var json = JsonDocument.Parse(output.ToString());
        Assert.All(json.RootElement.EnumerateArray(), image => Assert.Equal(image.GetProperty("name").GetString(), image.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task A_name_that_is_no_image_is_a_usage_error()
    {
        var thrown = await Assert.ThrowsAsync<UserException>(() => RunAsync("guests", "list", "nonsense"));
        Assert.Equal(ExitCode.Usage, thrown.ExitCode);
        Assert.Contains("'nonsense'", thrown.Message, StringComparison.Ordinal);
    }

    [CompilerFact]
    public async Task Build_writes_to_another_folder_and_leaves_the_prebuilt_images()
    {
        using var folder = new TemporaryFolder();
        var manifest = Path.Combine(GuestTree.Find().Prebuilt, GuestManifest.FileName);
        var before = File.GetLastWriteTimeUtc(manifest);
        Assert.Equal(ExitCode.Success, await RunAsync("guests", "build", "smoke", "--out", folder.Path));
        Assert.True(File.Exists(Path.Combine(folder.Path, "x86_64", "smoke.elf")));
        Assert.Equal(before, File.GetLastWriteTimeUtc(manifest));
    }

    [PrebuiltCompilerFact]
    public async Task Check_finds_a_prebuilt_image_that_is_not_what_its_sources_give()
    {
        using var folder = new TemporaryFolder();
        var tree = GuestTree.Find();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(tree.Root, "lib"), "*", SearchOption.AllDirectories)
                     .Concat(Directory.EnumerateFiles(Path.Combine(tree.Root, "suites", "x86_64", "smoke"))))
            folder.Write(Path.GetRelativePath(tree.Root, file), File.ReadAllText(file));
        Assert.Equal(ExitCode.Success, await RunAsync("guests", "build", "--guests", folder.Path));
        Assert.Equal(ExitCode.Success, await RunAsync("guests", "build", "--check", "--guests", folder.Path));
        folder.Write("suites/x86_64/smoke/smoke.c", "int main(void);\nint main(void)\n{\n\treturn 0;\n}\n");
        Assert.Equal(ExitCode.Failure, await RunAsync("guests", "build", "--check", "--guests", folder.Path));
        Assert.Contains("x86_64/smoke.elf is not what its sources give", error.ToString(), StringComparison.Ordinal);
    }

    private async Task<int> RunAsync(params string[] arguments)
    {
        var root = new RootCommand();
        foreach (var command in new GuestsCommands().CreateCommands(new Output(output, error, live: false, colour: false)))
            root.Add(command);
        return await root.Parse(arguments).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    }
}
