using Gauntlet.Terminal;

namespace Gauntlet.Guests.Building;

/// <summary>
/// One image to build: <c>suites/ARCH/SUITE/NAME.c</c>, with <c>NAME.S</c> where there is one; or <c>hypervisors/ARCH</c>, all sources of which make one.
/// </summary>
/// <param name="Name">Unique within its architecture.</param>
/// <param name="Suite">The suite's name, or <see cref="GuestTree.Hypervisors"/>.</param>
/// <param name="Sources">Its own sources, relative to the guests folder, sorted.</param>
/// <param name="SuiteHeaders">Headers that the suite's images share, those of <c>suites/common</c>, and a hypervisor's linker script; relative to the guests folder.</param>
public sealed record GuestImage(string Name, GuestArchitecture Architecture, string Suite, IReadOnlyList<string> Sources, IReadOnlyList<string> SuiteHeaders)
{
    /// <summary>Relative to the guests folder. A hypervisor lies elsewhere in memory than its payload.</summary>
    public string LinkerScript => Suite == GuestTree.Hypervisors ? $"{GuestTree.Hypervisors}/{Architecture.Name}/link.lds" : $"lib/{Architecture.Name}/link.lds";

    /// <summary>Path of the image below the prebuilt folder: <c>x86_64/smoke.elf</c>.</summary>
    public string File => $"{Architecture.Name}/{Name}.elf";
}

/// <summary>The guests folder: what can be built from it. Every path in it is given with <c>/</c> and relative to <see cref="Root"/>.</summary>
public sealed class GuestTree
{
    /// <summary>The folder of the L1 hypervisors, and what stands for a suite's name with them.</summary>
    public const string Hypervisors = "hypervisors";

    /// <summary>Name of the image of <c>hypervisors/ARCH</c>.</summary>
    public const string HypervisorImage = "l1";

    private const string SharedHeaders = "suites/common";

    private GuestTree(string root, IReadOnlyList<GuestImage> images)
    {
        Root = root;
        Images = images;
    }

    /// <summary>Absolute path of the guests folder.</summary>
    public string Root { get; }

    /// <summary>Absolute path of the folder of prebuilt images and their manifest.</summary>
    public string Prebuilt => Path.Combine(Root, "prebuilt");

    /// <summary>All images, by architecture and name.</summary>
    public IReadOnlyList<GuestImage> Images { get; }

    /// <summary>Finds the guests folder above a start folder (the program's own by default), as <c>guests/</c> or as itself.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static GuestTree Find(string? start = null)
    {
        start ??= AppContext.BaseDirectory;
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            foreach (var candidate in new[] { folder.FullName, Path.Combine(folder.FullName, "guests") })
            {
                if (IsGuestsFolder(candidate))
                    return Open(candidate);
            }
        }
        throw new UserException($"No guests folder (with lib/common and suites) at or above '{start}'; name it with --guests.");
    }

    /// <summary>Reads a guests folder.</summary>
    /// <exception cref="UserException">It is none, or two images of an architecture share a name.</exception>
    public static GuestTree Open(string root)
    {
        root = Path.GetFullPath(root);
        if (!IsGuestsFolder(root))
            throw new UserException($"'{root}' is no guests folder: it has no lib/common and suites.");
        var images = new List<GuestImage>();
        foreach (var architecture in GuestArchitecture.All)
            images.AddRange(FindImages(root, architecture));
        return new GuestTree(root, images);
    }

    /// <summary>Sources of the support library for an architecture, headers and the linker script included, sorted.</summary>
    public IReadOnlyList<string> LibraryFiles(GuestArchitecture architecture) =>
        [.. Files(Root, "lib/common", "*"), .. Files(Root, $"lib/{architecture.Name}", "*")];

    private static bool IsGuestsFolder(string path) => Directory.Exists(Path.Combine(path, "lib", "common")) && Directory.Exists(Path.Combine(path, "suites"));

    private static IEnumerable<GuestImage> FindImages(string root, GuestArchitecture architecture)
    {
        var images = new SortedDictionary<string, GuestImage>(StringComparer.Ordinal);
        if (FindHypervisor(root, architecture) is { } hypervisor)
            images.Add(hypervisor.Name, hypervisor);
        var suites = Path.Combine(root, "suites", architecture.Name);
        if (!Directory.Exists(suites))
            return images.Values;
        foreach (var suite in Directory.GetDirectories(suites).Select(Path.GetFileName).Order(StringComparer.Ordinal))
        {
            var folder = $"suites/{architecture.Name}/{suite}";
            IReadOnlyList<string> headers = [.. Files(root, SharedHeaders, "*.h"), .. Files(root, folder, "*.h")];
            foreach (var source in Files(root, folder, "*.c"))
            {
                var name = Path.GetFileNameWithoutExtension(source);
                var assembly = $"{folder}/{name}.S";
                IReadOnlyList<string> sources = File.Exists(Path.Combine(root, assembly)) ? [assembly, source] : [source];
                if (!images.TryAdd(name, new GuestImage(name, architecture, suite!, sources, headers)))
                    throw new UserException($"Two suites of {architecture.Name} have an image '{name}': {images[name].Sources[^1]} and {source}. Rename one.");
            }
        }
        return images.Values;
    }

    private static GuestImage? FindHypervisor(string root, GuestArchitecture architecture)
    {
        var folder = $"{Hypervisors}/{architecture.Name}";
        IReadOnlyList<string> sources = [.. Files(root, $"{Hypervisors}/common", "*.c"), .. Files(root, folder, "*.S"), .. Files(root, folder, "*.c")];
        IReadOnlyList<string> others = [.. Files(root, $"{Hypervisors}/common", "*.h"), .. Files(root, folder, "*.h"), .. Files(root, folder, "*.lds")];
        return Directory.Exists(Path.Combine(root, folder)) ? new GuestImage(HypervisorImage, architecture, Hypervisors, sources, others) : null;
    }

    private static IReadOnlyList<string> Files(string root, string folder, string pattern) =>
        Directory.Exists(Path.Combine(root, folder))
            ? [.. Directory.GetFiles(Path.Combine(root, folder), pattern).Select(path => $"{folder}/{Path.GetFileName(path)}").Order(StringComparer.Ordinal)]
            : [];
}
