namespace Gauntlet.Vmm.Storage;

/// <summary>A disk's content, whatever holds it. Requests are inside the disk; each tells by its result whether the host did it, none throws.</summary>
/// <remarks>One request at a time. Nothing is kept in memory that a killed process would lose beside what the host's page cache has: a flush makes that last.</remarks>
public interface IBlockImage : IDisposable
{
    /// <summary>Size of the disk as the guest sees it: a multiple of 512.</summary>
    long Bytes { get; }

    bool IsReadOnly { get; }

    bool TryRead(long offset, Span<byte> destination);

    /// <summary>
    /// Reads if nothing has to be waited for, as what the host's page cache holds; false: only <see cref="TryRead"/> can tell, and the destination may hold anything.
    /// </summary>
    bool TryReadNow(long offset, Span<byte> destination) => false;

    bool TryWrite(long offset, ReadOnlySpan<byte> source);

    /// <summary>Everything written so far lasts when this returns true.</summary>
    bool TryFlush();

    /// <summary>Makes the disk larger, with zeros, or cuts it off; false where the image cannot.</summary>
    /// <param name="bytes">A multiple of 512, above 0.</param>
    bool TryResize(long bytes) => false;

    /// <summary>The guest needs these bytes no more: what they read as afterwards is not said. A hint, done or not.</summary>
    bool TryDiscard(long offset, long length);

    /// <summary>These bytes read as zeros afterwards.</summary>
    /// <param name="mayUnmap">The space may be given back.</param>
    bool TryWriteZeroes(long offset, long length, bool mayUnmap);
}

/// <summary>An image that cannot be opened: what is wrong with it, and what to do.</summary>
public sealed class BlockImageException(string message) : Exception(message);
