namespace Gauntlet.Vmm.Boot;

/// <summary>Reads a kernel or a module from the host's file system.</summary>
public static class BootFile
{
    /// <summary>The whole file.</summary>
    /// <param name="path">As the user gave it.</param>
    /// <param name="what">For the message: <c>kernel</c>, <c>initrd</c>.</param>
    /// <param name="limit">In bytes; a file above it is refused before it is read.</param>
    /// <exception cref="BootException">It is not there, is not readable, is not a file, or is too large.</exception>
    public static byte[] Read(string path, string what, ulong limit)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            var length = RandomAccess.GetLength(handle);
            if ((ulong)length > Math.Min(limit, (ulong)Array.MaxLength))
                throw new BootException($"could not load {what} '{path}': it has {length} bytes, the guest's RAM only {limit}; give it more with -m");
            var bytes = GC.AllocateUninitializedArray<byte>((int)length);
            var done = 0;
            while (done < bytes.Length)
            {
                var count = RandomAccess.Read(handle, bytes.AsSpan(done), done);
                if (count == 0)
                    throw new BootException($"could not load {what} '{path}': it became shorter while it was read");
                done += count;
            }
            return bytes;
        }
        catch (FileNotFoundException)
        {
            throw new BootException($"could not open {what} file '{path}': No such file or directory");
        }
        catch (DirectoryNotFoundException)
        {
            throw new BootException($"could not open {what} file '{path}': No such file or directory");
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new BootException($"could not open {what} file '{path}': {why.Message}");
        }
    }
}
