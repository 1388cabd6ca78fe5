using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Storage;

/// <summary>The host's file behind an image: positioned reads and writes that tell by their result whether they worked.</summary>
internal static class BlockFile
{
    /// <exception cref="BlockImageException">It is not there, not to be opened that way, or not a file.</exception>
    public static SafeFileHandle Open(string path, bool readOnly)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new BlockImageException($"could not open disk image '{path}': {ReasonOf(why)}");
        }
    }

    /// <summary>In bytes.</summary>
    /// <exception cref="BlockImageException">Not a file with a length.</exception>
    public static long LengthOf(SafeFileHandle file, string path)
    {
        try
        {
            return RandomAccess.GetLength(file);
        }
        catch (Exception why) when (why is IOException or NotSupportedException)
        {
            throw new BlockImageException($"disk image '{path}' has no length: {ReasonOf(why)}");
        }
    }

    /// <summary>Reads all of it; what is beyond the file's end reads as zeros.</summary>
    public static bool TryRead(SafeFileHandle file, long offset, Span<byte> destination)
    {
        try
        {
            while (!destination.IsEmpty)
            {
                var count = RandomAccess.Read(file, destination, offset);
                if (count == 0)
                    break;
                destination = destination[count..];
                offset += count;
            }
            destination.Clear();
            return true;
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>As <see cref="TryRead"/>, from the host's page cache alone; false where it does not have all of it, the file ends, or its file system cannot tell.</summary>
    public static unsafe bool TryReadNow(SafeFileHandle file, long offset, Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            var piece = new Libc.IoVector { Base = start, Bytes = (nuint)destination.Length };
            return Libc.preadv2(file, &piece, 1, offset, Libc.RWF_NOWAIT) == destination.Length;
        }
    }

    public static bool TryWrite(SafeFileHandle file, long offset, ReadOnlySpan<byte> source)
    {
        try
        {
            RandomAccess.Write(file, source, offset);
            return true;
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public static bool TryFlush(SafeFileHandle file)
    {
        try
        {
            RandomAccess.FlushToDisk(file);
            return true;
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public static bool TrySetLength(SafeFileHandle file, long bytes)
    {
        try
        {
            RandomAccess.SetLength(file, bytes);
            return true;
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>Makes a hole that reads as zeros, without changing the file's length; false where the file system cannot.</summary>
    public static bool TryPunch(SafeFileHandle file, long offset, long length) =>
        Libc.fallocate(file, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, offset, length) == 0;

    // In the host's words: the framework's texts are left out of the program.
    private static string ReasonOf(Exception why) => why switch
    {
        FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
        UnauthorizedAccessException => "Permission denied, or it is a directory",
        _ => $"not a file that can be a disk (error 0x{why.HResult:x})",
    };
}
