namespace Gauntlet.Vmm.Tests.Storage;

/// <summary>A test that needs qemu-img, which makes images and checks them; skipped where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class QemuImgFactAttribute : FactAttribute
{
    public QemuImgFactAttribute()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        if (!folders.Any(folder => File.Exists(Path.Combine(folder, "qemu-img"))))
            Skip = "qemu-img is not on PATH: install qemu-utils";
    }
}
