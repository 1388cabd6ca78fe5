using System.Numerics;

namespace Gauntlet.Vmm.Tracing.Analysis;

/// <summary>How long things took, in buckets of powers of two microseconds: the first is below one, the last has all from 2^30.</summary>
public sealed class LatencyHistogram
{
    public const int BucketCount = 32;

    private readonly long[] _buckets = new long[BucketCount];

    public long Count { get; private set; }

    /// <summary>In nanoseconds.</summary>
    public long Shortest { get; private set; } = long.MaxValue;

    /// <summary>In nanoseconds.</summary>
    public long Longest { get; private set; }

    /// <summary>Bucket 0: below 1 µs; bucket n: from 2^(n-1) to below 2^n µs.</summary>
    public IReadOnlyList<long> Buckets => _buckets;

    public void Add(long nanoseconds)
    {
        nanoseconds = Math.Max(0, nanoseconds);
        Count++;
        Shortest = Math.Min(Shortest, nanoseconds);
        Longest = Math.Max(Longest, nanoseconds);
        _buckets[Math.Min(BucketCount - 1, 64 - BitOperations.LeadingZeroCount((ulong)nanoseconds / 1000))]++;
    }

    /// <summary>The upper end, in microseconds, of the bucket that this share of all lies at or below.</summary>
    /// <param name="share">0 to 1.</param>
    public long BelowMicroseconds(double share)
    {
        long seen = 0;
        for (var i = 0; i < BucketCount; i++)
        {
            seen += _buckets[i];
            if (seen >= share * Count)
                return 1L << i;
        }
        return 1L << (BucketCount - 1);
    }
}
