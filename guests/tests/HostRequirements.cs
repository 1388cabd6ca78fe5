using Gauntlet.Guests.Building;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Tests;

/// <summary>What tests ask of this host, each asked once.</summary>
internal static class Host
{
    private static readonly Lazy<(Toolchain? Tools, string? Missing)> toolchain = new(FindToolchain);

    public static Toolchain? Tools => toolchain.Value.Tools;

    /// <summary>Why nothing can be compiled here; null: it can.</summary>
    public static string? NoCompiler => toolchain.Value.Missing;

    /// <summary>Why no guest of an architecture can be run here; null: it can.</summary>
    public static string? NoQemu(string arch) => OnPath(QemuMachine.Program(arch))
        ? null
        : $"{QemuMachine.Program(arch)} is not installed (apt-get install qemu-system-{(arch == "x86_64" ? "x86" : arch == "aarch64" ? "arm" : "misc")})";

    /// <summary>GNU cpio, else busybox's, as words; null: neither is installed.</summary>
    public static string? Cpio { get; } = OnPath("cpio") ? "cpio --quiet" : OnPath("busybox") ? "busybox cpio" : null;

    private static (Toolchain?, string?) FindToolchain()
    {
        try
        {
            return (Toolchain.FindAsync().GetAwaiter().GetResult(), null);
        }
        catch (UserException e)
        {
            return (null, e.Message);
        }
    }

    private static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
}

/// <summary>A test that compiles, with whichever version of the compiler.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CompilerFactAttribute : FactAttribute
{
    public CompilerFactAttribute() => Skip = Host.NoCompiler;
}

/// <summary>A test that compares with the prebuilt images: only the compiler that made them gives the same bytes.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PrebuiltCompilerFactAttribute : FactAttribute
{
    public PrebuiltCompilerFactAttribute()
    {
        var made = GuestManifest.Read(Path.Combine(GuestTree.Find().Prebuilt, GuestManifest.FileName)).Compiler;
        Skip = Host.NoCompiler ?? (Host.Tools!.Version == made ? null : $"the prebuilt images were made by {made}, here is {Host.Tools.Version}");
    }
}

/// <summary>A test that runs guests of an architecture on QEMU's TCG.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute(string arch) => Skip = Host.NoQemu(arch);
}

/// <inheritdoc cref="QemuFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute(string arch) => Skip = Host.NoQemu(arch);
}

/// <summary>A test that has archives unpacked by the host's cpio.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CpioFactAttribute : FactAttribute
{
    public CpioFactAttribute() => Skip = Host.Cpio is null ? "cpio is not installed (apt-get install cpio)" : null;
}
