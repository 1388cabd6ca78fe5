using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>A Linux kernel to boot, with its modules where it has some.</summary>
/// <param name="Image">The file that a VMM loads: bzImage, Image, vmlinux.</param>
/// <param name="Modules"><c>lib/modules/RELEASE</c>, or the source tree that they lie in; null: none.</param>
/// <param name="Name">For people: the package with its version, or the file's name.</param>
public sealed record LinuxKernel(string Image, string? Modules, string Name)
{
    /// <summary>Where builds leave the image, relative to a kernel's source tree, by architecture.</summary>
    private static readonly IReadOnlyDictionary<string, string> BuiltImages = new Dictionary<string, string>
    {
        ["x86_64"] = "arch/x86/boot/bzImage",
        ["aarch64"] = "arch/arm64/boot/Image",
        ["riscv64"] = "arch/riscv/boot/Image",
    };

    /// <summary>
    /// Finds a kernel: a file; a built source tree; a folder that a package was unpacked to; else a Debian package by its name, null for the architecture's default.
    /// </summary>
    /// <exception cref="UserException">There is none.</exception>
    public static async Task<LinuxKernel> FindAsync(string? pathOrPackage, DebianArchitecture architecture, DebianPackages packages, CancellationToken cancellation)
    {
        if (pathOrPackage is not null && File.Exists(pathOrPackage))
            return new LinuxKernel(Path.GetFullPath(pathOrPackage), BesideImage(Path.GetFullPath(pathOrPackage)), Path.GetFileName(pathOrPackage));
        if (pathOrPackage is not null && Directory.Exists(pathOrPackage))
            return InFolder(Path.GetFullPath(pathOrPackage), architecture);
        if (pathOrPackage?.Contains('/') == true)
            throw new UserException($"There is no kernel '{pathOrPackage}': no file, no source tree.");
        var package = await packages.UnpackAsync(pathOrPackage ?? architecture.KernelPackage, architecture, cancellation);
        return InFolder(package.Folder, architecture) with { Name = $"{package.Name} {package.Version}" };
    }

    private static LinuxKernel InFolder(string folder, DebianArchitecture architecture)
    {
        var built = Path.Combine(folder, BuiltImages[architecture.Name]);
        if (File.Exists(built))
            return new LinuxKernel(built, File.Exists(Path.Combine(folder, "modules.builtin")) ? folder : null, built);
        var boot = Path.Combine(folder, "boot");
        var image = Directory.Exists(boot) ? Directory.EnumerateFiles(boot, "vmlinu*").Order(StringComparer.Ordinal).LastOrDefault() : null;
        if (image is null)
            throw new UserException($"'{folder}' holds no kernel: neither {BuiltImages[architecture.Name]} of a built source tree, nor boot/vmlinuz-* of a package.");
        return new LinuxKernel(image, BesideImage(image), Path.GetFileName(image));
    }

    /// <summary>boot/vmlinuz-RELEASE has its modules in lib/modules/RELEASE.</summary>
    private static string? BesideImage(string image)
    {
        var dash = Path.GetFileName(image).IndexOf('-', StringComparison.Ordinal);
        var root = Path.GetDirectoryName(Path.GetDirectoryName(image));
        if (dash < 0 || root is null)
            return null;
        var release = Path.GetFileName(image)[(dash + 1)..];
        return ((string[])["lib/modules", "usr/lib/modules"]).Select(place => Path.Combine(root, place, release)).FirstOrDefault(Directory.Exists);
    }
}
