using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>
/// The C library's calls under their own names, with errno kept for <see cref="LinuxException.ForErrno(string)"/>.
/// Grouped by subject in one partial file each: memory here; processes, signals and ioctl beside it.
/// </summary>
public static unsafe partial class Libc
{
    private const string Library = "libc";

    public const int PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4;
    public const int MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000, MAP_FIXED = 0x10;
    public const uint MFD_CLOEXEC = 1;

    /// <summary>mmap(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial nint mmap(nint addr, nuint length, int prot, int flags, int fd, long offset);

    /// <summary>mprotect(2).</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int mprotect(nint addr, nuint length, int prot);

    public const int MADV_REMOVE = 9;

    /// <summary>madvise(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int madvise(nint addr, nuint length, int advice);

    /// <summary>munmap(2).</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int munmap(nint addr, nuint length);

    /// <summary>memfd_create(2).</summary>
    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int memfd_create(string name, uint flags);

    /// <summary>ftruncate(2).</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int ftruncate(int fd, long length);

    /// <summary>close(2).</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int close(int fd);
}
