namespace Gauntlet.Vmm.Program;

/// <summary>What the process ends with, as QEMU does where QEMU has an answer. A guest's own status, by isa-debug-exit, is always odd.</summary>
public static class ExitStatus
{
    /// <summary>Powered off, refused to reboot, was told to quit, or ended by a signal that asks for it.</summary>
    public const int Done = 0;

    /// <summary>The command line, the images or the host do not allow it.</summary>
    public const int Refused = 1;

    /// <summary>A vCPU could not go on, or gvmm itself is at fault: sysexits' EX_SOFTWARE.</summary>
    public const int Failed = 70;
}
