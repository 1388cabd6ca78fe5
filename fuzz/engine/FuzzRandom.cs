using System.Numerics;

namespace Gauntlet.Fuzz.Engine;

/// <summary>xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64: the same seed gives the same numbers on every version of the runtime.</summary>
public sealed class FuzzRandom
{
    private ulong _a, _b, _c, _d;

    public FuzzRandom(ulong seed)
    {
        _a = Split(ref seed);
        _b = Split(ref seed);
        _c = Split(ref seed);
        _d = Split(ref seed);
    }

    public ulong Next()
    {
        var result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        var t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>0 to <paramref name="below"/> - 1.</summary>
    /// <param name="below">1 or more.</param>
    public int Below(int below) => (int)((Next() >> 32) * (ulong)below >> 32);

    /// <summary>True once in <paramref name="n"/> times.</summary>
    public bool OneIn(int n) => Below(n) == 0;

    private static ulong Split(ref ulong seed)
    {
        var z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
}
