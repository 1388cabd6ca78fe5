using System.Security.Cryptography;
using Gauntlet.Guests.Sources;

namespace Gauntlet.Harness.Booting;

/// <summary>Keeps initramfs archives by their content, so that a command line that names one can be run again by hand.</summary>
internal static class InitramfsShelf
{
    /// <summary>One that was not used for so long is removed.</summary>
    private static readonly TimeSpan KeptFor = TimeSpan.FromDays(14);

    /// <returns>The path of the file.</returns>
    /// <exception cref="IOException">The cache cannot be written.</exception>
    public static async Task<string> PutAsync(byte[] initramfs, CancellationToken cancellation)
    {
        var folder = Directory.CreateDirectory(UserCache.Folder("initramfs"));
        var path = Path.Combine(folder.FullName, Convert.ToHexStringLower(SHA256.HashData(initramfs))[..24] + ".cpio");
        foreach (var old in folder.EnumerateFiles().Where(file => file.LastWriteTimeUtc < DateTime.UtcNow - KeptFor))
            old.Delete();
        if (File.Exists(path))
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
            return path;
        }
        var temporary = $"{path}.{Environment.ProcessId}";
        await File.WriteAllBytesAsync(temporary, initramfs, cancellation);
        File.Move(temporary, path, overwrite: true);
        return path;
    }
}
