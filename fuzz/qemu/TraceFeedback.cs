using System.Text;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// What a QEMU without instrumentation tells of a run: which trace events fired, how often and one after which, and what its registers read back. Each is a
/// feature; a program that shows a new one is worth keeping.
/// </summary>
public sealed class TraceFeedback : IQemuFeedback
{
    private const int ValuesPerAddress = 16, LoudTimes = 100 * QemuFuzzer.MostTogether, MostReadBytes = 1 << 18;
    private const long MostLogBytes = 64 << 20;

    private readonly HashSet<ulong> _features = [], _new = [];
    private readonly Dictionary<ulong, ulong> _placeOf = [];
    private readonly Dictionary<ulong, int> _valuesOf = [];
    private readonly Dictionary<ulong, int> _countOf = [];
    private readonly Dictionary<ulong, string> _nameOf = [];
    private readonly HashSet<string> _noise = new(StringComparer.Ordinal);
    private long _position;
    private readonly byte[] _buffer = new byte[MostReadBytes];

    /// <summary>Seen so far.</summary>
    public int Features => _features.Count;

    /// <summary>Names of the events that fired.</summary>
    public IReadOnlyCollection<string> Events => _nameOf.Values;

    /// <summary>Events to trace, in the form of <c>-trace events=</c>: all but those that fire without the device, or too often.</summary>
    public string EventsFile => "*\n" + string.Concat(_noise.Select(name => $"-{name}\n"));

    public bool IsExact => true;

    public bool IsFull => _position > MostLogBytes;

    public QemuProcess Start(QemuCommand command)
    {
        _position = 0;
        return new QemuProcess(command, EventsFile);
    }

    public void Begin()
    {
    }

    // What fires without the device being touched is not traced any more.
    public void Calibrate(QemuCommand command, IReadOnlyList<Operation> idle)
    {
        using var process = Start(command);
        for (var i = 0; i < 3; i++)
        {
            process.Run(idle);
            process.Reset();
        }
        foreach (var line in File.ReadLines(process.TracePath))
            _noise.Add(NameOf(line).ToString());
        _noise.Remove("");
    }

    public bool IsNew(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process)
    {
        _new.Clear();
        Read(program, replies, process);
        return _new.Count > 0;
    }

    public int Take(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process, bool isSame)
    {
        HashSet<ulong> together = [.. _new];
        _new.Clear();
        Read(program, replies, process);
        var found = Settle();
        _new.UnionWith(together.Where(feature => !_features.Contains(feature)));
        return found;
    }

    public int Settle()
    {
        var found = _new.Count;
        _features.UnionWith(_new);
        foreach (var feature in _new)
        {
            if (_placeOf.Remove(feature, out var place))
                _valuesOf[place] = _valuesOf.GetValueOrDefault(place) + 1;
        }
        _new.Clear();
        _placeOf.Clear();
        return found;
    }

    public void Dispose()
    {
    }

    private void Read(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process)
    {
        ReadEvents(process.TracePath);
        var next = 0;
        foreach (var operation in program)
        {
            if (!QemuProcess.IsCommand(operation) || next >= replies.Count)
                continue;
            var reply = replies[next++];
            if (operation.Kind is not (OperationKind.Read or OperationKind.PciRead))
                continue;
            // A configuration space is none of the two others.
            var place = operation.Address << 4 | (uint)operation.Space << 3 | (operation.Kind == OperationKind.PciRead ? 4u : 0);
            if (_valuesOf.GetValueOrDefault(place) < ValuesPerAddress && Consider(Mix(place, reply)))
                _placeOf[Mix(place, reply)] = place;
        }
    }

    private bool Consider(ulong feature) => !_features.Contains(feature) && _new.Add(feature);

    private void ReadEvents(string log)
    {
        if (!File.Exists(log))
            return;
        int count;
        using (var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0))
        {
            stream.Position = _position;
            count = stream.ReadAtLeast(_buffer, _buffer.Length, throwOnEndOfStream: false);
            _position = stream.Length;
        }
        _countOf.Clear();
        var before = 0UL;
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
            if (Consider(key))
                _nameOf.TryAdd(key, Encoding.ASCII.GetString(name));
            Consider(Mix(before, key));
            before = key;
            _countOf[key] = _countOf.GetValueOrDefault(key) + 1;
        }
        foreach (var (key, times) in _countOf)
        {
            // Tracing it costs more than it tells: not in the next process.
            if (times > LoudTimes && _nameOf.TryGetValue(key, out var loud))
                _noise.Add(loud);
            Consider(Mix(key + 1, (ulong)int.Log2(times)));
        }
    }

    private static ReadOnlySpan<char> NameOf(string line) => line.AsSpan(0, Math.Max(line.IndexOf(' ', StringComparison.Ordinal), 0));

    private static ulong Mix(ulong a, ulong b)
    {
        var z = a * 0x9e3779b97f4a7c15 ^ b;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        return z ^ (z >> 29);
    }
}
