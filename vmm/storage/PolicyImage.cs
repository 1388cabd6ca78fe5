namespace Gauntlet.Vmm.Storage;

/// <summary>When what a guest writes is on the host's disk.</summary>
public enum BlockCache
{
    /// <summary>After the guest's next flush.</summary>
    Writeback,

    /// <summary>When its write is done.</summary>
    Writethrough,

    /// <summary>When the host likes: a flush does nothing.</summary>
    Unsafe,
}

/// <summary>An image that flushes and discards as its user asked for.</summary>
/// <param name="inner">The image; its own from here on.</param>
/// <param name="discards">Whether what the guest discards is given back; zeros that it writes are then stored.</param>
public sealed class PolicyImage(IBlockImage inner, BlockCache cache, bool discards) : IBlockImage
{
    public long Bytes => inner.Bytes;

    public bool IsReadOnly => inner.IsReadOnly;

    public bool TryRead(long offset, Span<byte> destination) => inner.TryRead(offset, destination);

    public bool TryReadNow(long offset, Span<byte> destination) => inner.TryReadNow(offset, destination);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source) => inner.TryWrite(offset, source) && FlushAfterWrite();

    public bool TryFlush() => cache == BlockCache.Unsafe || inner.TryFlush();

    public bool TryResize(long bytes) => inner.TryResize(bytes);

    public bool TryDiscard(long offset, long length) => !discards || inner.TryDiscard(offset, length);

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap) => inner.TryWriteZeroes(offset, length, mayUnmap && discards) && FlushAfterWrite();

    public void Dispose() => inner.Dispose();

    private bool FlushAfterWrite() => cache != BlockCache.Writethrough || inner.TryFlush();
}
