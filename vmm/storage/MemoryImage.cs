namespace Gauntlet.Vmm.Storage;

/// <summary>A disk in this process's memory: for a fuzzer and for tests, where nothing may last.</summary>
public sealed class MemoryImage(int bytes, bool isReadOnly = false) : IBlockImage
{
    private readonly byte[] _content = new byte[bytes];

    public long Bytes => _content.Length;

    public bool IsReadOnly => isReadOnly;

    /// <summary>What it holds.</summary>
    public Span<byte> Content => _content;

    /// <summary>How often a flush was asked for.</summary>
    public int Flushes { get; private set; }

    public bool TryRead(long offset, Span<byte> destination)
    {
        _content.AsSpan((int)offset, destination.Length).CopyTo(destination);
        return true;
    }

    public bool TryReadNow(long offset, Span<byte> destination) => TryRead(offset, destination);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        source.CopyTo(_content.AsSpan((int)offset));
        return true;
    }

    public bool TryFlush()
    {
        Flushes++;
        return true;
    }

    public bool TryDiscard(long offset, long length) => true;

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap)
    {
        _content.AsSpan((int)offset, (int)length).Clear();
        return true;
    }

    public void Dispose() { }
}
