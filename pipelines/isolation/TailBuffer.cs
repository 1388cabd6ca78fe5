using System.Text;

namespace Gauntlet.Pipelines.Isolation;

/// <summary>Reads streams to their ends and keeps the last bytes of them together.</summary>
/// <param name="keep">Bytes kept.</param>
/// <param name="flood">Bytes after which <see cref="Flooded"/> is true.</param>
public sealed class TailBuffer(int keep, long flood)
{
    private readonly byte[] _ring = new byte[keep];
    private readonly Lock _gate = new();
    private long _total;

    /// <summary>More came than is allowed.</summary>
    public bool Flooded
    {
        get
        {
            lock (_gate)
                return _total > flood;
        }
    }

    /// <summary>More came than is kept.</summary>
    public bool Dropped
    {
        get
        {
            lock (_gate)
                return _total > keep;
        }
    }

    /// <summary>What is kept, oldest first.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                if (_total <= keep)
                    return Encoding.UTF8.GetString(_ring, 0, (int)_total);
                var start = (int)(_total % keep);
                return Encoding.UTF8.GetString([.. _ring.AsSpan(start), .. _ring.AsSpan(0, start)]);
            }
        }
    }

    public async Task DrainAsync(Stream stream)
    {
        var buffer = new byte[16 << 10];
        for (int count; (count = await stream.ReadAsync(buffer)) > 0;)
            Append(buffer.AsSpan(0, count));
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            foreach (var value in bytes)
                _ring[_total++ % keep] = value;
        }
    }
}
