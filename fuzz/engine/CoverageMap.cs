using System.Runtime.InteropServices;
using Gauntlet.Fuzz.Instrument;

namespace Gauntlet.Fuzz.Engine;

/// <summary>The hit counters of the last run, as small as the target, and which counts were ever seen, in AFL's buckets: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128–255.</summary>
public sealed unsafe class CoverageMap : IDisposable
{
    private const int WordBytes = 8;

    private readonly byte* _map;
    private readonly byte[] _seen;

    /// <param name="edges">Of the woven assemblies.</param>
    public CoverageMap(int edges)
    {
        Length = (Math.Max(edges, 1) + WordBytes - 1) / WordBytes * WordBytes;
        _map = (byte*)NativeMemory.AllocZeroed((nuint)Length);
        _seen = new byte[Length];
        CoverageRuntime.Map = _map;
    }

    /// <summary>In bytes.</summary>
    public int Length { get; }

    /// <summary>Edges that some run has hit.</summary>
    public int EdgesSeen { get; private set; }

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

    /// <summary>The same for two runs that hit the same edges as often, by buckets.</summary>
    public ulong Hash()
    {
        var hash = 14695981039346656037UL;
        for (var i = 0; i < Length; i++)
        {
            if (_map[i] != 0)
                hash = (hash ^ ((ulong)i << 8 | Bucket(_map[i]))) * 1099511628211UL;
        }
        return hash;
    }

    public void Dispose()
    {
        CoverageRuntime.Map = null;
        NativeMemory.Free(_map);
    }

    private bool HasNew()
    {
        var words = new ReadOnlySpan<ulong>(_map, Length / WordBytes);
        for (var word = 0; word < words.Length; word++)
        {
            if (words[word] == 0)
                continue;
            for (var i = word * WordBytes; i < (word + 1) * WordBytes; i++)
            {
                if (_map[i] != 0 && (Bucket(_map[i]) & ~_seen[i]) != 0)
                    return true;
            }
        }
        return false;
    }

    private static byte Bucket(byte count) => count switch
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
