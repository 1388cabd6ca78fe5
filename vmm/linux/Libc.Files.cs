using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

public static unsafe partial class Libc
{
    public const int FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2;

    public const int SEEK_DATA = 3, SEEK_HOLE = 4;

    /// <summary>preadv2(2): fails with EAGAIN rather than wait for a disk.</summary>
    public const int RWF_NOWAIT = 8;

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoVector
    {
        public void* Base;
        public nuint Bytes;
    }

    /// <summary>preadv2(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial nint preadv2(SafeFileHandle fd, IoVector* iov, int iovcnt, long offset, int flags);

    /// <summary>lseek(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial long lseek(int fd, long offset, int whence);

    /// <summary>fallocate(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int fallocate(int fd, int mode, long offset, long len);

    /// <summary>fallocate(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int fallocate(SafeFileHandle fd, int mode, long offset, long len);
}
