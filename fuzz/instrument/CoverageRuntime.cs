namespace Gauntlet.Fuzz.Instrument;

/// <summary>What woven code counts into. Of one process, because woven code names it; the program under test never sees it.</summary>
public static unsafe class CoverageRuntime
{
    private const int MaxComparisons = 4_096;

    /// <summary>One hit counter an edge. Set before any woven code runs.</summary>
    public static byte* Map;

    private static readonly (long Seen, long Wanted)[] Comparisons = new (long, long)[MaxComparisons];
    private static bool _recording;
    private static int _count;

    /// <summary>Called by woven code where a value is compared with a constant.</summary>
    public static void CompareInt32(int seen, int wanted)
    {
        if (_recording)
            Note(seen, wanted);
    }

    /// <summary>The same for 64 bits.</summary>
    public static void CompareInt64(long seen, long wanted)
    {
        if (_recording)
            Note(seen, wanted);
    }

    /// <summary>Starts noting operands, up to a bound.</summary>
    public static void StartRecording() => (_recording, _count) = (true, 0);

    /// <summary>Ends noting; what was compared and did not match.</summary>
    public static ReadOnlySpan<(long Seen, long Wanted)> StopRecording()
    {
        _recording = false;
        return Comparisons.AsSpan(0, _count);
    }

    private static void Note(long seen, long wanted)
    {
        if (seen != wanted && _count < MaxComparisons)
            Comparisons[_count++] = (seen, wanted);
    }
}
