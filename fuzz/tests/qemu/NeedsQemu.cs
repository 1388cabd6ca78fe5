using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Tests.Qemu;

/// <summary>Why a test that starts the installed QEMU cannot run on this host; null where it can.</summary>
internal static class NeedsQemu
{
    public static string? WhyNot() =>
        ProgramFinder.InPath("qemu-system-x86_64") is null ? "qemu-system-x86_64 is not installed (Debian's package qemu-system-x86)" : null;
}

/// <summary>Skipped on a host without QEMU.</summary>
public sealed class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute()
    {
        if (NeedsQemu.WhyNot() is { } reason)
            Skip = reason;
    }
}

/// <summary>Skipped on a host without QEMU.</summary>
public sealed class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute()
    {
        if (NeedsQemu.WhyNot() is { } reason)
            Skip = reason;
    }
}
