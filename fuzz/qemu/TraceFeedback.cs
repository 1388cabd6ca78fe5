using System.Text;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// What a QEMU without instrumentation tells of a run: which trace events fired, how often and one after which, and what its registers read back. Each is a
/// feature; a program that shows a new one is worth keeping.
/// </summary>
public sealed class TraceFeedback
{
    private const int ValuesPerAddress = 16, LoudTimes = 400, MostLogBytes = 1 << 18;

    private readonly HashSet<ulong> _features = [];
    private readonly Dictionary<ulong, int> _valuesOf = [];
    private readonly Dictionary<ulong, int> _countOf = [];
    private readonly Dictionary<ulong, string> _nameOf = [];
    private readonly HashSet<string> _noise = new(StringComparer.Ordinal);
    private readonly byte[] _buffer = new byte[MostLogBytes];

    /// <summary>Seen so far.</summary>
    public int Features => _features.Count;

    /// <summary>Names of the events that fired.</summary>
    public IReadOnlyCollection<string> Events => _nameOf.Values;

    /// <summary>Events to trace, in the form of <c>-trace events=</c>: all but those that fire without the device, or too often.</summary>
    public string EventsFile => "*\n" + string.Concat(_noise.Select(name => $"-{name}\n"));

    /// <summary>What has fired so far in this log is what the machine does by itself: it is not traced any more.</summary>
    public void LearnNoise(string path)
    {
        foreach (var line in File.ReadLines(path))
            _noise.Add(NameOf(line).ToString());
        _noise.Remove("");
    }

    /// <summary>Takes what a run came to; how many features are new.</summary>
    /// <param name="log">Where it is traced to; read from <paramref name="position"/> on, which moves.</param>
    public int Take(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, string log, ref long position)
    {
        var found = TakeEvents(log, ref position);
        var next = 0;
        foreach (var operation in program)
        {
            if (!QemuProcess.IsCommand(operation) || next >= replies.Count)
                continue;
            var reply = replies[next++];
            if (operation.Kind != OperationKind.Read)
                continue;
            var place = operation.Address << 4 | (uint)operation.Space << 3;
            if (_valuesOf.GetValueOrDefault(place) < ValuesPerAddress && _features.Add(Mix(place, reply)))
            {
                _valuesOf[place] = _valuesOf.GetValueOrDefault(place) + 1;
                found++;
            }
        }
        return found;
    }

    private int TakeEvents(string log, ref long position)
    {
        if (!File.Exists(log))
            return 0;
        int count;
        using (var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0))
        {
            stream.Position = position;
            count = stream.ReadAtLeast(_buffer, _buffer.Length, throwOnEndOfStream: false);
            position = stream.Length;
        }
        _countOf.Clear();
        var (before, found) = (0UL, 0);
        for (ReadOnlySpan<byte> left = _buffer.AsSpan(0, count); left.Length > 0;)
        {
            var end = left.IndexOf((byte)'\n');
            if (end < 0)
                break;
            var line = left[..end];
            left = left[(end + 1)..];
            var space = line.IndexOf((byte)' ');
            if (space <= 0)
                continue;
            var name = line[..space];
            var key = 14695981039346656037UL;
            foreach (var letter in name)
                key = (key ^ letter) * 1099511628211UL;
            if (_features.Add(key))
            {
                _nameOf[key] = Encoding.ASCII.GetString(name);
                found++;
            }
            if (_features.Add(Mix(before, key)))
                found++;
            before = key;
            _countOf[key] = _countOf.GetValueOrDefault(key) + 1;
        }
        foreach (var (key, times) in _countOf)
        {
            // Tracing it costs more than it tells: not in the next process.
            if (times > LoudTimes && _nameOf.TryGetValue(key, out var loud))
                _noise.Add(loud);
            if (_features.Add(Mix(key + 1, (ulong)int.Log2(times))))
                found++;
        }
        return found;
    }

    private static ReadOnlySpan<char> NameOf(string line) => line.AsSpan(0, Math.Max(line.IndexOf(' ', StringComparison.Ordinal), 0));

    private static ulong Mix(ulong a, ulong b)
    {
        var z = a * 0x9e3779b97f4a7c15 ^ b;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        return z ^ (z >> 29);
    }
}
