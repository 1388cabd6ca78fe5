using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Storage;

/// <summary>A disk image without a format: byte n of the file is byte n of the disk. A size that is not whole sectors is rounded up, as QEMU does; what is beyond the file reads as zeros.</summary>
public sealed class RawImage : IBlockImage
{
    private const int SectorBytes = 512;
    private const int ZeroPieceBytes = 64 * 1024;

    private readonly SafeFileHandle _file;

    /// <exception cref="BlockImageException">It is not there, not to be opened that way, or not a file.</exception>
    public RawImage(string path, bool readOnly)
    {
        _file = BlockFile.Open(path, readOnly);
        IsReadOnly = readOnly;
        Bytes = (BlockFile.LengthOf(_file, path) + SectorBytes - 1) / SectorBytes * SectorBytes;
    }

    public long Bytes { get; private set; }

    public bool IsReadOnly { get; }

    public bool TryRead(long offset, Span<byte> destination) => BlockFile.TryRead(_file, offset, destination);

    public bool TryReadNow(long offset, Span<byte> destination) => BlockFile.TryReadNow(_file, offset, destination);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source) => BlockFile.TryWrite(_file, offset, source);

    public bool TryFlush() => BlockFile.TryFlush(_file);

    public bool TryResize(long bytes)
    {
        if (IsReadOnly || !BlockFile.TrySetLength(_file, bytes))
            return false;
        Bytes = bytes;
        return true;
    }

    public bool TryDiscard(long offset, long length)
    {
        // A file system that cannot has done all that a hint asks for.
        _ = BlockFile.TryPunch(_file, offset, length);
        return true;
    }

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap)
    {
        if (mayUnmap && BlockFile.TryPunch(_file, offset, length))
            return true;
        Span<byte> zeros = new byte[(int)Math.Min(length, ZeroPieceBytes)];
        while (length > 0)
        {
            var piece = zeros[..(int)Math.Min(length, zeros.Length)];
            if (!BlockFile.TryWrite(_file, offset, piece))
                return false;
            offset += piece.Length;
            length -= piece.Length;
        }
        return true;
    }

    public void Dispose() => _file.Dispose();
}
