using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>Makes names of files survive a power cut: a file's own fsync keeps its bytes, its folder's fsync keeps its name.</summary>
public static partial class DurableFile
{
    private const int O_RDONLY = 0, O_DIRECTORY = 0x10000, O_CLOEXEC = 0x80000;

    /// <summary>Renames within one file system, replacing what is there, and syncs the target's folder. The file's bytes must be synced before.</summary>
    /// <exception cref="LinuxException">Syncing the folder failed.</exception>
    /// <exception cref="IOException">Renaming failed.</exception>
    public static void Move(string source, string target)
    {
        File.Move(source, target, overwrite: true);
        SyncFolder(Path.GetDirectoryName(Path.GetFullPath(target))!);
    }

    /// <summary>fsync(2) on a folder.</summary>
    /// <exception cref="LinuxException">It cannot be opened or synced.</exception>
    public static void SyncFolder(string folder)
    {
        var descriptor = Open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (descriptor < 0)
            throw LinuxException.ForErrno($"open folder {folder}");
        try
        {
            if (Sync(descriptor) != 0)
                throw LinuxException.ForErrno($"fsync folder {folder}");
        }
        finally
        {
            _ = Libc.close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);
}
