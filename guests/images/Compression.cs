using System.IO.Compression;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>How an initramfs is packed; the kernel must have been built with it (CONFIG_RD_GZIP, CONFIG_RD_ZSTD; Debian's are).</summary>
public enum InitramfsPacking
{
    /// <summary>As it is: the quickest to boot where the guest's CPU is emulated.</summary>
    None,
    Gzip,

    /// <summary>By the program zstd, as .NET 10 has none of its own.</summary>
    Zstd,
}

/// <summary>Packs archives, and unpacks kernel modules.</summary>
public static class Compression
{
    /// <exception cref="UserException">zstd is not installed.</exception>
    public static async Task<byte[]> PackAsync(byte[] bytes, InitramfsPacking packing, CancellationToken cancellation)
    {
        switch (packing)
        {
            case InitramfsPacking.Gzip:
                using (var packed = new MemoryStream())
                {
                    using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
                        gzip.Write(bytes);
                    return packed.ToArray();
                }
            case InitramfsPacking.Zstd:
                return await ExternalTool.RunAsync(["zstd", "-q", "-19", "-c"], "Install it: apt-get install zstd", cancellation, input: bytes);
            default:
                return bytes;
        }
    }

    /// <summary>A file's content, unpacked by its name's ending: <c>.xz</c>, <c>.zst</c>, <c>.gz</c>, else as it is.</summary>
    /// <exception cref="UserException">The program that unpacks it is not installed, or the file is damaged.</exception>
    public static async Task<byte[]> UnpackFileAsync(string path, CancellationToken cancellation)
    {
        string[]? command = Path.GetExtension(path) switch { ".xz" => ["xz", "-dc", path], ".zst" => ["zstd", "-qdc", path], ".gz" => ["gzip", "-dc", path], _ => null };
        return command is null
            ? await File.ReadAllBytesAsync(path, cancellation)
            : await ExternalTool.RunAsync(command, $"Install it: apt-get install {(command[0] == "xz" ? "xz-utils" : command[0])}", cancellation);
    }
}
