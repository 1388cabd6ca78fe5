using Gauntlet.Guests.Building;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests.Building;

public sealed class GuestBuilderTests
{
    [PrebuiltCompilerFact]
    public async Task The_sources_give_the_prebuilt_images_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        var tree = GuestTree.Find();
        var built = await new GuestBuilder(tree, Host.Tools!).BuildAsync(tree.Images, folder.Path);
        var prebuilt = GuestManifest.Read(Path.Combine(tree.Prebuilt, GuestManifest.FileName)).Images.ToDictionary(image => image.File);
        Assert.Equal([], built.Where(image => prebuilt[image.File] != image).Select(image => image.File));
    }

    [CompilerFact]
    public async Task Where_the_sources_lie_does_not_change_an_image()
    {
        using var folder = new TemporaryFolder();
        var tree = GuestTree.Find();
        var copy = Path.Combine(folder.Path, "another place");
        foreach (var file in Directory.EnumerateFiles(tree.Root, "*", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(tree.Root, file);
            if (!relative.StartsWith("lib/", StringComparison.Ordinal) && !relative.StartsWith("suites/common/", StringComparison.Ordinal) && !relative.Contains("/smoke/", StringComparison.Ordinal))
                continue;
            var target = Path.Combine(copy, relative);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
        var moved = GuestTree.Open(copy);
        var here = await new GuestBuilder(tree, Host.Tools!).BuildAsync([.. tree.Images.Where(image => image.Name == "smoke")], Path.Combine(folder.Path, "1"));
        var there = await new GuestBuilder(moved, Host.Tools!).BuildAsync(moved.Images, Path.Combine(folder.Path, "2"));
        Assert.Equal(here, there);
    }

    [CompilerFact]
    public async Task An_error_in_a_source_is_told_with_file_and_line_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        folder.Write("lib/common/types.h", "");
        folder.Write("suites/x86_64/one/broken.c", "int main(void)\n{\n\treturn nonsense;\n}\n");
        var tree = GuestTree.Open(folder.Path);
        var error = await Assert.ThrowsAsync<UserException>(() => new GuestBuilder(tree, Host.Tools!).BuildAsync(tree.Images, Path.Combine(folder.Path, "out")));
        Assert.Contains("suites/x86_64/one/broken.c:3:9: error:", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failure, error.ExitCode);
        Assert.False(File.Exists(Path.Combine(folder.Path, "out", "x86_64", "broken.elf")));
    }

    [Fact]
    public async Task A_missing_compiler_is_the_environment_s_fault_and_says_what_to_install()
    {
        var error = await Assert.ThrowsAsync<UserException>(() => Toolchain.FindAsync("-of-no-version"));
        Assert.Contains("clang-of-no-version", error.Message, StringComparison.Ordinal);
        Assert.Contains("apt-get install clang lld llvm", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Environment, error.ExitCode);
    }
}
