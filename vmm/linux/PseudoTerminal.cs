using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>A pseudo-terminal in raw mode (pty(7)).</summary>
public sealed unsafe partial class PseudoTerminal
{
    private const int O_RDWR = 2, O_NOCTTY = 0x100, O_CLOEXEC = 0x80000, TCSANOW = 0;

    // struct termios has 60 bytes on Linux; more is harmless.
    private const int TermiosBytes = 128, MaxNameBytes = 64;

    /// <exception cref="LinuxException">None can be had.</exception>
    public PseudoTerminal()
    {
        Master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        var name = stackalloc byte[MaxNameBytes];
        if (Master.IsInvalid || grantpt(Master) != 0 || unlockpt(Master) != 0 || ptsname_r(Master, name, MaxNameBytes) != 0)
            throw LinuxException.ForErrno("making a pseudo-terminal");
        Path = Marshal.PtrToStringUTF8((nint)name)!;
        Slave = open(Path, O_RDWR | O_NOCTTY | O_CLOEXEC);
        var settings = stackalloc byte[TermiosBytes];
        if (Slave.IsInvalid || tcgetattr(Slave, settings) != 0)
            throw LinuxException.ForErrno($"opening {Path}");
        cfmakeraw(settings);
        _ = tcsetattr(Slave, TCSANOW, settings);
    }

    /// <summary>This program's end.</summary>
    public SafeFileHandle Master { get; }

    /// <summary>Kept open, so that the master reads on when a person closes theirs.</summary>
    public SafeFileHandle Slave { get; }

    /// <summary>What a person opens: /dev/pts/3.</summary>
    public string Path { get; }

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle posix_openpt(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int grantpt(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unlockpt(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ptsname_r(SafeFileHandle fd, byte* name, nuint length);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int tcgetattr(SafeFileHandle fd, byte* termios);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int tcsetattr(SafeFileHandle fd, int when, byte* termios);

    [LibraryImport("libc")]
    private static partial void cfmakeraw(byte* termios);
}
