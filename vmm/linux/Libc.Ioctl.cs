using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Device files and what is asked of them: open, ioctl, mmap.</summary>
public static unsafe partial class Libc
{
    public const int O_RDONLY = 0, O_RDWR = 2, O_CLOEXEC = 0x80000;
    public const int EPERM = 1, ENOENT = 2, EINTR = 4, ENXIO = 6, E2BIG = 7, EAGAIN = 11, EACCES = 13, EBUSY = 16, ENODEV = 19;

    /// <summary>open(2), without a mode. An invalid handle on failure.</summary>
    public static SafeFileHandle open(string pathname, int flags) => new(OpenDescriptor(pathname, flags), ownsHandle: true);

    /// <summary>ioctl(2) with a number or nothing for an argument. Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int ioctl(SafeFileHandle fd, nuint request, nint argument);

    /// <summary>ioctl(2) with a pointer for an argument. Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int ioctl(SafeFileHandle fd, nuint request, void* argument);

    /// <summary>
    /// ioctl(2) for a loop that counts nanoseconds and holds a reference on the handle for as long as it runs. Does not keep errno: after a failure ask
    /// <see cref="Marshal.GetLastSystemError"/> before anything else.
    /// </summary>
    [LibraryImport(Library)]
    public static partial int ioctl(int fd, nuint request, nint argument);

    // Not straight to a handle: the marshaller makes one by reflection, which the runtime compiles code for.
    [LibraryImport(Library, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenDescriptor(string pathname, int flags);

    /// <summary>mmap(2) of a device file. Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial nint mmap(nint addr, nuint length, int prot, int flags, SafeFileHandle fd, long offset);
}
