using System.IO.Compression;
using System.Security.Cryptography;

namespace Gauntlet.Results.Store;

/// <summary>A stream that is only read, from its start to its end.</summary>
internal abstract class ForwardStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override int Read(Span<byte> buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>An artifact's bytes as they once came, compared with their hash: a damaged one ends in <see cref="StoreException"/> instead of wrong bytes that nobody notices.</summary>
internal sealed class ArtifactStream : ForwardStream
{
    private readonly Stream content;
    private readonly string sha256;
    private readonly string location;
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private bool judged;

    public ArtifactStream(Stream stored, bool compressed, string sha256, string location)
    {
        content = compressed ? new GZipStream(stored, CompressionMode.Decompress) : stored;
        this.sha256 = sha256;
        this.location = location;
    }

    public override int Read(Span<byte> buffer)
    {
        int count;
        try
        {
            count = content.Read(buffer);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw Damaged(e.Message, e);
        }

        if (count > 0)
        {
            hash.AppendData(buffer[..count]);
        }
        else if (!buffer.IsEmpty && !judged)
        {
            judged = true;
            var found = Convert.ToHexStringLower(hash.GetHashAndReset());
            if (found != sha256)
                throw Damaged($"its bytes have the hash {found}", null);
        }

        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.Dispose();
            hash.Dispose();
        }

        base.Dispose(disposing);
    }

    private StoreException Damaged(string found, Exception? inner) =>
        new($"The artifact {sha256} in the results store {location} is damaged: {found}. The rest of the store is not affected; repeat the run to get it again.", inner);
}
