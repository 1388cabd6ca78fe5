namespace Gauntlet.Guests.Building;

/// <summary>
/// Builds images: each source to an object, each image from its objects and all of the support library's (the linker drops what is not used). The same
/// sources and tools give the same bytes, wherever and whenever they are built.
/// </summary>
public sealed class GuestBuilder(GuestTree tree, Toolchain tools)
{
    /// <summary>Builds images into a folder, as many commands at a time as there are processors.</summary>
    /// <param name="output">Images go to <c>output/ARCH/NAME.elf</c>; made when it is missing.</param>
    /// <param name="built">Called after each image, from any thread.</param>
    /// <returns>What the manifest says of the images, in their order.</returns>
    /// <exception cref="Gauntlet.Terminal.UserException">A tool failed.</exception>
    public async Task<IReadOnlyList<ManifestImage>> BuildAsync(
        IReadOnlyList<GuestImage> images, string output, Action<GuestImage>? built = null, CancellationToken cancellation = default)
    {
        var work = Directory.CreateTempSubdirectory("gauntlet-guests-");
        try
        {
            var library = await CompileLibraryAsync(images, work.FullName, cancellation);
            var entries = new ManifestImage[images.Count];
            await Parallel.ForEachAsync(Enumerable.Range(0, images.Count), Options(cancellation), async (index, token) =>
            {
                var image = images[index];
                var target = Path.GetFullPath(Path.Combine(output, image.File));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                await BuildImageAsync(image, library[image.Architecture], work.FullName, target, token);
                entries[index] = new ManifestImage(image.File, image.Suite, GuestManifest.HashOf(target), SourceHash.Of(tree, image));
                built?.Invoke(image);
            });
            return entries;
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    private static ParallelOptions Options(CancellationToken cancellation) =>
        new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellation };

    private async Task<Dictionary<GuestArchitecture, string[]>> CompileLibraryAsync(IReadOnlyList<GuestImage> images, string work, CancellationToken cancellation)
    {
        var sources = images.Select(image => image.Architecture).Distinct().ToDictionary(
            architecture => architecture,
            architecture => tree.LibraryFiles(architecture).Where(file => Path.GetExtension(file) is ".c" or ".S").ToArray());
        var compilations = sources.SelectMany(pair => pair.Value.Select(source => (Architecture: pair.Key, Source: source)));
        await Parallel.ForEachAsync(compilations, Options(cancellation), async (c, token) =>
            await CompileAsync(c.Architecture, c.Source, ObjectPath(work, c.Architecture, c.Source), [], token));
        return sources.ToDictionary(pair => pair.Key, pair => pair.Value.Select(source => ObjectPath(work, pair.Key, source)).ToArray());
    }

    private async Task BuildImageAsync(GuestImage image, string[] library, string work, string target, CancellationToken cancellation)
    {
        var architecture = image.Architecture;
        var objects = new List<string>();
        foreach (var source in image.Sources)
        {
            objects.Add(ObjectPath(work, architecture, source));
            var shared = image.SuiteHeaders.Select(Path.GetDirectoryName).Append(Path.GetDirectoryName(source)).Distinct();
            await CompileAsync(architecture, source, objects[^1], [.. shared.Select(folder => $"-I{folder}")], cancellation);
        }
        var linked = ObjectPath(work, architecture, image.Name + ".linked");
        await Toolchain.RunAsync(
            tools.Linker,
            [.. GuestArchitecture.CommonLinkerFlags, .. architecture.LinkerFlags, "-T", image.LinkerScript, "-o", linked, .. library, .. objects],
            tree.Root,
            cancellation);
        IEnumerable<string> format = architecture.ObjectFormat is { } name ? ["-O", name] : [];
        var finished = linked + ".elf";
        // The marks of code and data within sections ($x, $d) are as many as all other symbols together, and name nothing.
        await Toolchain.RunAsync(
            tools.Objcopy, [.. format, "--remove-section=.comment", "--wildcard", "--strip-symbol=$[xd]*", linked, finished], tree.Root, cancellation);
        // The old image stays whole until the new one is: a run may be reading it.
        var temporary = $"{target}.{Environment.ProcessId}.new";
        File.Copy(finished, temporary, overwrite: true);
        File.Move(temporary, target, overwrite: true);
    }

    private Task<string> CompileAsync(GuestArchitecture architecture, string source, string target, string[] extra, CancellationToken cancellation) =>
        Toolchain.RunAsync(
            tools.Clang,
            [.. GuestArchitecture.CommonCompilerFlags, .. architecture.CompilerFlags, "-Ilib/common", $"-Ilib/{architecture.Name}", .. extra, "-c", source, "-o", target],
            tree.Root,
            cancellation);

    private static string ObjectPath(string work, GuestArchitecture architecture, string source) =>
        Path.Combine(work, $"{architecture.Name}-{source.Replace('/', '-')}.o");
}
