namespace Gauntlet.Vmm.Storage;

/// <summary>A disk of any size that holds nothing: reads as zeros, and what is written is lost. For measuring and for tests of devices.</summary>
public sealed class NullImage(long bytes, bool isReadOnly) : IBlockImage
{
    public long Bytes => bytes;

    public bool IsReadOnly => isReadOnly;

    public bool TryRead(long offset, Span<byte> destination)
    {
        destination.Clear();
        return true;
    }

    public bool TryReadNow(long offset, Span<byte> destination) => TryRead(offset, destination);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source) => true;

    public bool TryFlush() => true;

    public bool TryDiscard(long offset, long length) => true;

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap) => true;

    public void Dispose() { }
}
