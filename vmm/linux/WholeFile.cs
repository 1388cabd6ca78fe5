using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>
/// Reads a file in one go, by the system calls that this takes and nothing else: the framework's way loads some 3 ms of strategies and safe handles, which
/// counts in a program whose whole start takes 40.
/// </summary>
public static unsafe partial class WholeFile
{
    // Not to wait for the other end of a pipe.
    private const int OpenFlags = 0x80000 /* O_CLOEXEC */ | 0x800 /* O_NONBLOCK */;
    private const int AtEmptyPath = 0x1000;
    private const uint StatxTypeAndSize = 0x1 | 0x200;

    // struct statx in linux/stat.h has one layout on every architecture.
    private const int StatxBytes = 256, ModeOffset = 28, SizeOffset = 40;
    private const int TypeMask = 0xf000, Regular = 0x8000, Directory = 0x4000;
    private const int EINTR = 4, EISDIR = 21, EINVAL = 22, EFBIG = 27, EIO = 5;

    /// <param name="path">Of a regular file.</param>
    /// <param name="limit">In bytes; a file above it is refused before it is read.</param>
    /// <exception cref="LinuxException">
    /// The kernel's error; EISDIR or EINVAL for what is no regular file, EFBIG for one above the limit, EIO for one that became shorter.
    /// </exception>
    public static byte[] Read(string path, ulong limit)
    {
        var doing = $"reading {path}";
        var fd = open(path, OpenFlags);
        if (fd < 0)
            throw LinuxException.ForErrno(doing);
        try
        {
            var status = stackalloc byte[StatxBytes];
            if (statx(fd, "", AtEmptyPath, StatxTypeAndSize, status) != 0)
                throw LinuxException.ForErrno(doing);
            var type = *(ushort*)(status + ModeOffset) & TypeMask;
            if (type != Regular)
                throw new LinuxException(doing, type == Directory ? EISDIR : EINVAL);
            var length = *(ulong*)(status + SizeOffset);
            if (length > Math.Min(limit, (ulong)Array.MaxLength))
                throw new LinuxException(doing, EFBIG);
            var bytes = new byte[length];
            fixed (byte* start = bytes)
                Fill(fd, start, (nuint)length, doing);
            return bytes;
        }
        finally
        {
            _ = Libc.close(fd);
        }
    }

    private static void Fill(int fd, byte* start, nuint length, string doing)
    {
        for (nuint done = 0; done < length;)
        {
            var count = read(fd, start + done, length - done);
            if (count > 0)
                done += (nuint)count;
            else if (count == 0)
                throw new LinuxException(doing, EIO);
            else if (Marshal.GetLastPInvokeError() is var error and not EINTR)
                throw new LinuxException(doing, error);
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);
}
