using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Gauntlet.Results.Store;

/// <summary>
/// An artifact's bytes on their way into a store: hashed, and compressed where that pays. In memory when small, else spilled to a temporary
/// file, so that an image of gigabytes takes no memory.
/// </summary>
internal sealed class PackedArtifact : IDisposable
{
    /// <summary>Bytes up to which an artifact is handled in memory.</summary>
    private const int MemoryLimit = 1 << 20;

    /// <summary>Shorter ones are kept as they are: a file takes a block anyway.</summary>
    private const int MinimumToCompress = 4096;

    private readonly byte[]? bytes;
    private string? file;

    private PackedArtifact(string sha256, long length, bool compressed, byte[]? bytes, string? file)
    {
        Sha256 = sha256;
        Length = length;
        Compressed = compressed;
        this.bytes = bytes;
        this.file = file;
        StoredLength = bytes?.Length ?? new FileInfo(file!).Length;
    }

    /// <summary>Of the bytes as they came, lower-case hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>Bytes as they came.</summary>
    public long Length { get; }

    /// <summary>What is kept is a gzip stream (RFC 1952) of them.</summary>
    public bool Compressed { get; }

    /// <summary>Bytes as kept.</summary>
    public long StoredLength { get; }

    /// <summary>Reads a stream to its end.</summary>
    /// <param name="spillFolder">Where a temporary file may be made; made itself when it is missing.</param>
    public static PackedArtifact Pack(Stream content, string spillFolder)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(MemoryLimit);
        try
        {
            var read = content.ReadAtLeast(buffer.AsSpan(0, MemoryLimit), MemoryLimit, throwOnEndOfStream: false);
            var start = buffer.AsSpan(0, read);
            var gzip = Compress(start);
            return read < MemoryLimit
                ? new PackedArtifact(Convert.ToHexStringLower(SHA256.HashData(start)), read, gzip is not null, gzip ?? start.ToArray(), null)
                : Spill(start, content, gzip is not null, spillFolder);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The bytes as kept.</summary>
    public Stream OpenStored() => bytes is null ? File.OpenRead(file!) : new MemoryStream(bytes, writable: false);

    /// <summary>Puts the bytes into a synced file and gives it up to the caller, for renaming it.</summary>
    public string TakeFile(string folder)
    {
        var taken = file ?? NewFile(folder);
        file = taken;
        if (bytes is not null)
        {
            using var stream = new FileStream(taken, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            stream.Write(bytes);
            stream.Flush(flushToDisk: true);
        }

        file = null;
        return taken;
    }

    public void Dispose()
    {
        if (file is not null)
            File.Delete(file);
    }

    /// <summary>The compressed bytes; null when that does not save a tenth.</summary>
    private static byte[]? Compress(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < MinimumToCompress)
            return null;
        var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(bytes);
        return target.Length < bytes.Length - bytes.Length / 10 ? target.ToArray() : null;
    }

    private static PackedArtifact Spill(ReadOnlySpan<byte> start, Stream rest, bool compress, string folder)
    {
        var file = NewFile(folder);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(start);
            long length = start.Length;
            using (var stream = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                using (var gzip = compress ? new GZipStream(stream, CompressionLevel.Fastest, leaveOpen: true) : null)
                {
                    Stream target = gzip is null ? stream : gzip;
                    target.Write(start);
                    var buffer = new byte[81920];
                    while (rest.Read(buffer) is > 0 and var count)
                    {
                        hash.AppendData(buffer, 0, count);
                        target.Write(buffer, 0, count);
                        length += count;
                    }
                }

                stream.Flush(flushToDisk: true);
            }

            return new PackedArtifact(Convert.ToHexStringLower(hash.GetHashAndReset()), length, compress, null, file);
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    private static string NewFile(string folder)
    {
        Directory.CreateDirectory(folder);
        return Path.Combine(folder, Guid.NewGuid().ToString("N"));
    }
}
