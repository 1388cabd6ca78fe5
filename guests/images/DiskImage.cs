using System.Buffers.Binary;
using System.Globalization;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>What a disk image is filled with.</summary>
public enum DiskFill
{
    /// <summary>Zeros, in a file with holes.</summary>
    Empty,

    /// <summary>In each sector of 512 bytes its number as 64 little-endian bits, over and over: what a guest reads says where it came from.</summary>
    SectorNumbers,

    /// <summary>An ext4 file system with the files of <see cref="DiskImage.Source"/>.</summary>
    Ext4,

    /// <summary>The bytes of <see cref="DiskImage.Source"/>, then zeros.</summary>
    File,
}

/// <summary>A disk image by recipe, made without root: no mount, no loop device.</summary>
public sealed record DiskImage
{
    public const int SectorBytes = 512;

    /// <summary>16 TiB; files with holes cost nothing.</summary>
    public const long MaxBytes = 16L << 40;

    /// <summary>What is written in full is kept to what a disk of a test can be.</summary>
    private const long MaxFilledBytes = 4L << 30;

    /// <summary>Bytes, a multiple of a sector.</summary>
    public required long Bytes { get; init; }

    /// <summary><c>raw</c>, or a format of qemu-img: <c>qcow2</c>.</summary>
    public string Format { get; init; } = "raw";

    public DiskFill Fill { get; init; }

    /// <summary>Folder for <see cref="DiskFill.Ext4"/>, file for <see cref="DiskFill.File"/>.</summary>
    public string? Source { get; init; }

    /// <summary>Reads a size as <c>qemu-img</c> takes it: bytes, or with K, M, G, T.</summary>
    /// <exception cref="UserException">It is not so, zero, too large, or no multiple of a sector.</exception>
    public static long ParseSize(string text)
    {
        var shift = text.Length == 0 ? 0 : char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        return long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value > 0 && value <= MaxBytes >> shift && (value << shift) % SectorBytes == 0
            ? value << shift
            : throw new UserException($"'{text}' is no disk size: a multiple of {SectorBytes} up to 16T, such as 64M.");
    }

    /// <summary>Writes the image; nothing is left of one that could not be made.</summary>
    /// <exception cref="UserException">A tool is missing, or the source does not fit.</exception>
    public async Task WriteAsync(string path, CancellationToken cancellation)
    {
        var raw = Format == "raw" ? path : path + ".raw";
        try
        {
            await WriteRawAsync(raw, cancellation);
            if (Format != "raw")
                await ExternalTool.RunAsync(["qemu-img", "convert", "-f", "raw", "-O", Format, raw, path], "Install it: apt-get install qemu-utils", cancellation);
        }
        catch
        {
            File.Delete(path);
            throw;
        }
        finally
        {
            if (raw != path)
                File.Delete(raw);
        }
    }

    private async Task WriteRawAsync(string path, CancellationToken cancellation)
    {
        if (Fill is DiskFill.Ext4 or DiskFill.File && Source is null)
            throw new UserException($"A disk of kind {Fill} needs the files that it is to hold.");
        await using (var file = new FileStream(path, FileMode.Create, FileAccess.Write))
        {
            file.SetLength(Bytes);
            if (Fill == DiskFill.SectorNumbers)
                await FillAsync(file, cancellation);
            else if (Fill == DiskFill.File)
                await CopyAsync(file, cancellation);
        }
        if (Fill == DiskFill.Ext4)
        {
            await ExternalTool.RunAsync(
                ["mke2fs", "-q", "-F", "-t", "ext4", "-d", Source!, "-E", "root_owner=0:0", path], "Install it: apt-get install e2fsprogs", cancellation,
                variables: new Dictionary<string, string> { ["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/sbin:/usr/sbin" });
        }
    }

    private async Task FillAsync(FileStream file, CancellationToken cancellation)
    {
        if (Bytes > MaxFilledBytes)
            throw new UserException($"A disk with numbered sectors is written in full, and so at most {MaxFilledBytes >> 30} GiB large.");
        var block = new byte[1 << 20];
        for (long position = 0; position < Bytes; position += block.Length)
        {
            for (var at = 0; at < block.Length; at += sizeof(long))
                BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(at), (position + at) / SectorBytes);
            await file.WriteAsync(block.AsMemory(0, (int)Math.Min(block.Length, Bytes - position)), cancellation);
        }
    }

    private async Task CopyAsync(FileStream file, CancellationToken cancellation)
    {
        try
        {
            await using var source = File.OpenRead(Source!);
            if (source.Length > Bytes)
                throw new UserException($"'{Source}' has {source.Length} bytes and does not fit a disk of {Bytes}.");
            await source.CopyToAsync(file, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"'{Source}' cannot be read: {e.Message}", inner: e);
        }
    }
}
