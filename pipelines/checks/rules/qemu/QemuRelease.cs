namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

/// <summary>Releases of QEMU whose checkpatch.pl brought rules.</summary>
internal static class QemuRelease
{
    public static Version V8_1 { get; } = new(8, 1);

    public static Version V10_0 { get; } = new(10, 0);
}
