using Gauntlet.Guests.Building;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests.Building;

public sealed class GuestTreeTests
{
    [Fact]
    public void The_guests_folder_is_found_from_the_program_s_own()
    {
        var tree = GuestTree.Find();
        Assert.Contains(tree.Images, image => image is { Name: "smoke", Suite: "smoke", File: "x86_64/smoke.elf" });
        Assert.Equal(tree.Root, GuestTree.Find(Path.Combine(tree.Root, "lib")).Root);
    }

    [Fact]
    public void No_guests_folder_is_an_error_that_names_the_option()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("--guests", Assert.Throws<UserException>(() => GuestTree.Find(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, Assert.Throws<UserException>(() => GuestTree.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_images_of_one_name_are_an_error_that_names_both()
    {
        using var folder = new TemporaryFolder();
        folder.Write("lib/common/types.h", "");
        folder.Write("suites/x86_64/one/same.c", "");
        folder.Write("suites/x86_64/two/same.c", "");
        var error = Assert.Throws<UserException>(() => GuestTree.Open(folder.Path));
        Assert.Contains("suites/x86_64/one/same.c", error.Message, StringComparison.Ordinal);
        Assert.Contains("suites/x86_64/two/same.c", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_takes_the_assembly_of_its_name()
    {
        using var folder = new TemporaryFolder();
        folder.Write("lib/common/types.h", "");
        folder.Write("suites/x86_64/one/image.c", "");
        folder.Write("suites/x86_64/one/image.S", "");
        folder.Write("suites/x86_64/one/shared.h", "");
        var image = Assert.Single(GuestTree.Open(folder.Path).Images);
        Assert.Equal(["suites/x86_64/one/image.S", "suites/x86_64/one/image.c"], image.Sources);
        Assert.Equal(["suites/x86_64/one/shared.h"], image.SuiteHeaders);
    }

    [Fact]
    public void The_source_hash_changes_with_every_file_that_the_image_is_made_of_and_no_other()
    {
        using var folder = new TemporaryFolder();
        folder.Write("lib/common/types.h", "1");
        folder.Write("lib/x86_64/start.S", "2");
        folder.Write("suites/x86_64/one/image.c", "3");
        folder.Write("suites/x86_64/one/shared.h", "4");
        folder.Write("suites/x86_64/one/other.c", "5");
        var hash = Hash();
        foreach (var file in new[] { "lib/common/types.h", "lib/x86_64/start.S", "suites/x86_64/one/image.c", "suites/x86_64/one/shared.h" })
        {
            var old = File.ReadAllText(Path.Combine(folder.Path, file));
            folder.Write(file, old + " ");
            Assert.NotEqual(hash, Hash());
            folder.Write(file, old);
            Assert.Equal(hash, Hash());
        }
        folder.Write("suites/x86_64/one/other.c", "changed");
        Assert.Equal(hash, Hash());
        folder.Write("lib/common/new.h", "");
        Assert.NotEqual(hash, Hash());

        string Hash()
        {
            var tree = GuestTree.Open(folder.Path);
            return SourceHash.Of(tree, tree.Images.Single(image => image.Name == "image"));
        }
    }
}
