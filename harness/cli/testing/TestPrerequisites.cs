using Gauntlet.Linux;

namespace Gauntlet.Cli.Testing;

/// <summary>A Debian package that some tests need.</summary>
/// <param name="Package">Its name.</param>
/// <param name="Evidence">A file that is there once it is installed; <c>*</c> stands for a version.</param>
/// <param name="For">What would be skipped without it.</param>
public readonly record struct TestPrerequisite(string Package, string Evidence, string For);

/// <summary>What the tests need beyond the SDK.</summary>
public static class TestPrerequisites
{
    public static readonly IReadOnlyList<TestPrerequisite> All =
    [
        new("clang", "/usr/bin/clang", "guest images rebuilt and compared"),
        new("lld", "/usr/bin/ld.lld", "guest images rebuilt and compared"),
        new("qemu-system-x86", "/usr/bin/qemu-system-x86_64", "suites on QEMU, verdicts of real VMM processes"),
        new("qemu-system-arm", "/usr/bin/qemu-system-aarch64", "AArch64 suites on QEMU"),
        new("qemu-system-misc", "/usr/bin/qemu-system-riscv64", "RISC-V suites on QEMU"),
        new("qemu-utils", "/usr/bin/qemu-img", "disk images compared with qemu-img's"),
        new("seabios", "/usr/share/seabios/bios-256k.bin", "firmware started on gvmm"),
        new("gdb", "/usr/bin/gdb", "guests debugged with gdb"),
        new("afl++", "/usr/bin/afl-fuzz", "targets driven by afl-fuzz"),
        new("cpio", "/usr/bin/cpio", "initramfs archives unpacked"),
        new("busybox-static", "/bin/busybox", "Linux guests booted"),
        new("postgresql", "/usr/lib/postgresql/*/bin/initdb", "the store on a PostgreSQL server"),
        new("git-email", "/usr/lib/git-core/git-send-email", "replies of the gate sent by mail"),
    ];

    /// <summary>Those whose evidence is not there.</summary>
    public static IReadOnlyList<TestPrerequisite> Missing() => [.. All.Where(prerequisite => !Exists(prerequisite.Evidence))];

    /// <summary>True when this process may install packages: root, with apt-get at hand.</summary>
    public static bool CanInstall => Libc.geteuid() == 0 && File.Exists("/usr/bin/apt-get");

    /// <summary>The command a person would type.</summary>
    public static string InstallCommand(IEnumerable<TestPrerequisite> missing) =>
        "apt-get install --no-install-recommends " + string.Join(' ', missing.Select(prerequisite => prerequisite.Package).Distinct());

    private static bool Exists(string evidence)
    {
        var star = evidence.IndexOf('*', StringComparison.Ordinal);
        if (star < 0)
            return File.Exists(evidence);
        var parent = Path.GetDirectoryName(evidence[..star])!;
        return Directory.Exists(parent)
            && Directory.EnumerateDirectories(parent).Any(version => File.Exists(version + evidence[(star + 1)..]));
    }
}
