using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>Suites without a description: one image, or a folder of them. They follow kvm-unit-tests' conventions.</summary>
public static class ImageFolder
{
    private static readonly string[] Extensions = [".flat", ".elf"];

    /// <summary>Every <c>*.flat</c> and <c>*.elf</c> of a folder as a case, by name.</summary>
    /// <exception cref="UserException">There are none, or they are of several architectures.</exception>
    public static Suite LoadFolder(string path, SuiteContext context)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        List<string> images;
        try
        {
            images = [.. Directory.EnumerateFiles(path).Where(file => Extensions.Contains(Path.GetExtension(file))).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: can't be read: {e.Message}", inner: e);
        }

        if (images.Count == 0)
            throw new UserException($"{path}: holds no {SuiteYaml.FileName}, no {UnittestsCfg.FileName} and no images ({string.Join(", ", Extensions.Select(e => "*" + e))}).");
        return Make(Path.GetFileName(path), path, path, images, context);
    }

    /// <summary>One image as a suite of one case, named after it.</summary>
    /// <exception cref="UserException">It can't be read, or nothing could tell whether it passed.</exception>
    public static Suite LoadImage(string path, SuiteContext context)
    {
        path = Path.GetFullPath(path);
        return Make(Path.GetFileNameWithoutExtension(path), path, Path.GetDirectoryName(path)!, [path], context);
    }

    private static Suite Make(string name, string source, string folder, List<string> images, SuiteContext context)
    {
        string? arch = null;
        string? archOf = null;
        var environment = false;
        var cases = new List<TestCase>(images.Count);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in images)
        {
            var image = ImageFile.Inspect(path);
            if (image.IsScript)
            {
                throw new UserException(
                    $"{path}: is a script, not an image. For a standalone test of kvm-unit-tests give the image itself (its .flat), or the {UnittestsCfg.FileName} with --only NAME.");
            }

            if (image.IsLinux)
            {
                throw new UserException(
                    $"{path}: is a Linux kernel; what its console must show for a pass has to be said in a {SuiteYaml.FileName} ('convention: marker' with 'expect').");
            }

            var own = context.Arch ?? image.Arch ?? ArchBeside(folder) ?? throw new UserException(
                $"{path}: for which architecture it is can't be told from its first bytes or its folder; give --arch.");
            if (arch is not null && own != arch)
                throw new UserException($"{source}: holds images of several architectures ({archOf} is for {arch}, {path} for {own}); give one of them, or a {SuiteYaml.FileName}.");
            arch = own;
            archOf = path;
            // kvm-unit-tests' images take the environment file where its runner would hand it over: all but those that nothing marks as its own.
            environment |= image.IsMultiboot || ArchBeside(folder) is not null;
            var stem = Path.GetFileNameWithoutExtension(path);
            cases.Add(new TestCase { Name = names.Add(stem) ? stem : Path.GetFileName(path), Image = path, Source = path });
        }

        return new Suite { Name = name, Arch = arch!, Source = source, Cases = cases, WantsEnvironmentFile = environment, Variables = context.Variables };
    }

    // In a kvm-unit-tests build the folder is $TEST_DIR and config.mak one up.
    private static string? ArchBeside(string folder)
    {
        var configuration = KutConfiguration.Read(Path.Combine(Path.GetDirectoryName(folder) ?? folder, KutConfiguration.FileName));
        return configuration.TryGetValue("ARCH", out var arch) && arch.Length > 0 ? KutConfiguration.KernelArch(arch) : KutConfiguration.ArchOfFolder(folder);
    }
}
