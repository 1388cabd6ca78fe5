using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>
/// What a path leads to. <see cref="File.Exists"/> is true for pipes and devices too, and opening a pipe that nobody writes to never returns: whoever reads a path that
/// came from somebody else asks here first.
/// </summary>
public static unsafe partial class FileKind
{
    private const int AtFdCwd = -100;
    private const uint StatxType = 1;
    private const int StatxBytes = 256;
    private const int ModeOffset = 28;
    private const int TypeMask = 0xf000;
    private const int Regular = 0x8000;

    /// <summary>It is there and, behind any symbolic links, a regular file. Files of proc and sysfs are.</summary>
    public static bool IsRegular(string path)
    {
        if (path.Length == 0 || path.Contains('\0'))
            return false;
        // struct statx in linux/stat.h has one layout on every architecture.
        var buffer = stackalloc byte[StatxBytes];
        return statx(AtFdCwd, path, 0, StatxType, buffer) == 0 && (*(ushort*)(buffer + ModeOffset) & TypeMask) == Regular;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);
}
