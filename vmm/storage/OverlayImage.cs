namespace Gauntlet.Vmm.Storage;

/// <summary>A disk whose writes stay in this process's memory and are gone with it, over an image that is only read: <c>snapshot=on</c>.</summary>
/// <param name="below">The image; its own from here on.</param>
public sealed class OverlayImage(IBlockImage below) : IBlockImage
{
    private const int BlockBytes = 4096;

    private readonly Dictionary<long, byte[]> _blocks = [];

    public long Bytes => below.Bytes;

    public bool IsReadOnly => false;

    public bool TryRead(long offset, Span<byte> destination) => TryRead(offset, destination, mayWait: true);

    public bool TryReadNow(long offset, Span<byte> destination) => TryRead(offset, destination, mayWait: false);
    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            var (block, inside) = (offset / BlockBytes, (int)(offset % BlockBytes));
            var piece = source[..Math.Min(source.Length, BlockBytes - inside)];
            if (!TryGetBlock(block, out var content))
                return false;
            piece.CopyTo(content.AsSpan(inside));
            source = source[piece.Length..];
            offset += piece.Length;
        }
        return true;
    }

    public bool TryFlush() => true;

    public bool TryDiscard(long offset, long length) => true;

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap)
    {
        Span<byte> zeros = stackalloc byte[BlockBytes];
        zeros.Clear();
        while (length > 0)
        {
            var piece = (int)Math.Min(length, BlockBytes);
            if (!TryWrite(offset, zeros[..piece]))
                return false;
            (offset, length) = (offset + piece, length - piece);
        }
        return true;
    }

    public void Dispose() => below.Dispose();

    private bool TryRead(long offset, Span<byte> destination, bool mayWait)
    {
        while (!destination.IsEmpty)
        {
            var (block, inside) = (offset / BlockBytes, (int)(offset % BlockBytes));
            var piece = destination[..Math.Min(destination.Length, BlockBytes - inside)];
            if (_blocks.TryGetValue(block, out var content))
                content.AsSpan(inside, piece.Length).CopyTo(piece);
            else if (!(mayWait ? below.TryRead(offset, piece) : below.TryReadNow(offset, piece)))
                return false;
            destination = destination[piece.Length..];
            offset += piece.Length;
        }
        return true;
    }

    private bool TryGetBlock(long block, out byte[] content)
    {
        if (_blocks.TryGetValue(block, out content!))
            return true;
        content = new byte[BlockBytes];
        if (!below.TryRead(block * BlockBytes, content.AsSpan(0, (int)Math.Min(BlockBytes, below.Bytes - block * BlockBytes))))
            return false;
        _blocks[block] = content;
        return true;
    }
}
