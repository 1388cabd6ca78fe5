using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Gauntlet.Fuzz.Instrument;

namespace Gauntlet.Fuzz.Engine;

/// <summary>The hit counters of the last run, as small as the target, and which counts were ever seen, in AFL's buckets: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128–255.</summary>
public sealed unsafe class CoverageMap : IDisposable
{
    private const int VectorBytes = 16, BlockBytes = 4 * VectorBytes;

    private readonly byte* _map;
    private readonly byte[] _seen;

    /// <param name="edges">Of the woven assemblies.</param>
    public CoverageMap(int edges)
    {
        Length = (Math.Max(edges, 1) + BlockBytes - 1) / BlockBytes * BlockBytes;
        _map = (byte*)NativeMemory.AlignedAlloc((nuint)Length, VectorBytes);
        _seen = new byte[Length];
        Clear();
        CoverageRuntime.Map = _map;
    }

    /// <summary>In bytes.</summary>
    public int Length { get; }

    /// <summary>Edges that some run has hit.</summary>
    public int EdgesSeen { get; private set; }

    /// <summary>Some run has hit it.</summary>
    public bool IsSeen(int edge) => _seen[edge] != 0;

    public void Clear() => new Span<byte>(_map, Length).Clear();

    /// <summary>Edges and counts of the last run that no run had before; they count as seen from now on.</summary>
    /// <param name="hit">Given the edges that the run hit, when it found something.</param>
    public bool TakeNew(List<int> hit)
    {
        hit.Clear();
        if (!HasNew())
            return false;
        for (var i = 0; i < Length; i++)
        {
            if (_map[i] == 0)
                continue;
            if (_seen[i] == 0)
                EdgesSeen++;
            _seen[i] |= Bucket(_map[i]);
            hit.Add(i);
        }
        return true;
    }

    /// <summary>Edges of the last run with the buckets of their counts, a number each.</summary>
    public void Collect(List<int> features)
    {
        features.Clear();
        for (var i = 0; i < Length; i++)
        {
            if (_map[i] != 0)
                features.Add(i * 8 + int.Log2(Bucket(_map[i])));
        }
    }

    /// <summary>The same for two runs that hit the same edges as often, by buckets.</summary>
    public ulong Hash()
    {
        // FNV-1a of eight counts at a time, and of where they are.
        const ulong Prime = 1099511628211;
        var hash = 14695981039346656037UL;
        for (var i = 0; i < Length; i += BlockBytes)
        {
            var (a, b, c, d) = (Vector128.Load(_map + i), Vector128.Load(_map + i + VectorBytes), Vector128.Load(_map + i + 2 * VectorBytes), Vector128.Load(_map + i + 3 * VectorBytes));
            if ((a | b | c | d) == Vector128<byte>.Zero)
                continue;
            hash = (hash ^ (ulong)i) * Prime;
            hash = Mix(hash, Buckets(a));
            hash = Mix(hash, Buckets(b));
            hash = Mix(hash, Buckets(c));
            hash = Mix(hash, Buckets(d));
        }

        return hash;

        static ulong Mix(ulong hash, Vector128<byte> buckets)
        {
            var words = buckets.AsUInt64();
            // What is high in a word must reach the low bits, by which paths are told apart.
            hash = (hash ^ words[0]) * Prime;
            hash ^= hash >> 29;
            hash = (hash ^ words[1]) * Prime;
            return hash ^ hash >> 29;
        }
    }

    public void Dispose()
    {
        CoverageRuntime.Map = null;
        NativeMemory.AlignedFree(_map);
    }

    private bool HasNew()
    {
        fixed (byte* seen = _seen)
        {
            for (var i = 0; i < Length; i += BlockBytes)
            {
                // Which vectors are zero is anybody's guess, whether a block is seldom: a wrong guess costs more than to look at four.
                var (a, b, c, d) = (Vector128.Load(_map + i), Vector128.Load(_map + i + VectorBytes), Vector128.Load(_map + i + 2 * VectorBytes), Vector128.Load(_map + i + 3 * VectorBytes));
                if ((a | b | c | d) == Vector128<byte>.Zero)
                    continue;
                var unseen = New(a, seen + i) | New(b, seen + i + VectorBytes) | New(c, seen + i + 2 * VectorBytes) | New(d, seen + i + 3 * VectorBytes);
                if (unseen != Vector128<byte>.Zero)
                    return true;
            }
        }
        return false;
    }

    private static Vector128<byte> New(Vector128<byte> counts, byte* seen) => Vector128.AndNot(Buckets(counts), Vector128.Load(seen));

    // Of 16 counts at once: by the low half of a count where the high half is zero, else by the high half.
    private static Vector128<byte> Buckets(Vector128<byte> counts)
    {
        var high = Vector128.ShiftRightLogical(counts, 4);
        var ofLow = Vector128.Shuffle(Vector128.Create((byte)0, 1, 2, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 16), counts & Vector128.Create((byte)15));
        var ofHigh = Vector128.Shuffle(Vector128.Create((byte)0, 32, 64, 64, 64, 64, 64, 64, 128, 128, 128, 128, 128, 128, 128, 128), high);
        return ofHigh | (ofLow & Vector128.Equals(high, Vector128<byte>.Zero));
    }

    internal static byte Bucket(byte count) => count switch
    {
        0 => 0,
        < 4 => (byte)(1 << (count - 1)),
        < 8 => 8,
        < 16 => 16,
        < 32 => 32,
        < 128 => 64,
        _ => 128,
    };
}
