using System.Runtime.InteropServices;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// Edges of an instrumented QEMU, and how often each was taken, in AFL's buckets. QEMU's threads and timers take edges of their own: what is new is run again, and
/// edges that do not come again are left out after a few times.
/// </summary>
/// <param name="bytes">Of the map.</param>
internal sealed class MapFeedback(int bytes) : IQemuFeedback
{
    private const byte Whole = 0xff, MostAbsences = 4;

    private readonly SharedMap _map = new(bytes);
    private readonly byte[] _seen = new byte[bytes];
    // Counts of several programs are higher than those of one: of old edges they only tell whether to look closer.
    private readonly byte[] _together = new byte[bytes];
    private readonly byte[] _absences = new byte[bytes];
    private readonly List<(int Edge, byte Bucket)> _candidates = [];

    /// <summary>Edges that some program has taken.</summary>
    public int Features { get; private set; }

    /// <summary>Edges that come and go by themselves.</summary>
    public int Unstable { get; private set; }

    public bool IsFull => false;

    public bool IsExact => false;

    // Starting and idling take edges that say nothing of the device.
    public void Calibrate(QemuCommand command, IReadOnlyList<Operation> idle)
    {
        using var process = Start(command);
        for (var i = 0; i < 3; i++)
        {
            Begin();
            process.Run(idle);
            process.Reset();
            Learn();
        }
    }

    public QemuProcess Start(QemuCommand command) => new(command, variables: _map.Variables);

    public void Begin() => _map.Counts.Clear();

    public bool IsNew(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process)
    {
        Collect();
        return HasCandidates;
    }

    public int Take(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process, bool isSame) => Match(isSame);

    /// <summary>Finds what the map has that was not seen.</summary>
    internal void Collect()
    {
        _candidates.Clear();
        var counts = _map.Counts;
        var words = MemoryMarshal.Cast<byte, ulong>(counts);
        for (var word = 0; word < words.Length; word++)
        {
            if (words[word] == 0)
                continue;
            for (var edge = word * sizeof(ulong); edge < (word + 1) * sizeof(ulong); edge++)
                Consider(edge, counts[edge]);
        }
        for (var edge = words.Length * sizeof(ulong); edge < counts.Length; edge++)
            Consider(edge, counts[edge]);
    }

    /// <summary>Of what was found, keeps what the map has again; how much that is.</summary>
    /// <param name="isSame">The same ran again: then counts are the same too.</param>
    internal int Match(bool isSame)
    {
        var counts = _map.Counts;
        var found = 0;
        foreach (var (edge, bucket) in _candidates)
        {
            var now = CoverageMap.Bucket(counts[edge]);
            if (now == 0)
                continue;
            // An edge that comes again is one, however often it is taken; a count that comes again is something new of an old edge.
            if (_seen[edge] == 0)
                Features++;
            if (_seen[edge] == 0 || (isSame ? now == bucket : (now & ~_seen[edge]) != 0))
                found++;
            _seen[edge] |= now;
            _together[edge] |= now;
        }
        return found;
    }

    /// <summary>What did not come again is left out after a few times.</summary>
    public int Settle()
    {
        foreach (var (edge, bucket) in _candidates)
        {
            if (_seen[edge] != 0)
            {
                _together[edge] |= bucket;
            }
            else if (++_absences[edge] >= MostAbsences)
            {
                Unstable++;
                _seen[edge] = _together[edge] = Whole;
            }
        }
        _candidates.Clear();
        return 0;
    }

    private void Consider(int edge, byte count)
    {
        if (count != 0 && CoverageMap.Bucket(count) is var bucket && (bucket & ~_together[edge]) != 0)
            _candidates.Add((edge, bucket));
    }

    private void Learn()
    {
        var counts = _map.Counts;
        for (var edge = 0; edge < counts.Length; edge++)
            _together[edge] = _seen[edge] |= CoverageMap.Bucket(counts[edge]);
    }

    internal bool HasCandidates => _candidates.Count > 0;

    /// <summary>The map, as a program would count into it.</summary>
    internal SharedMap Map => _map;

    public void Dispose() => _map.Dispose();
}
