using System.Runtime.InteropServices;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Device programs that grow by groups of operations: a queue that is set up, a request on it.</summary>
/// <param name="append">Adds a group to a program.</param>
public sealed class ProgramForm(Grammar grammar, Action<FuzzRandom, List<Operation>> append) : IInputForm
{
    private const int MostGroups = 4, MostOperations = 192;

    // A corpus entry is mutated many times in a row: what it decodes to is kept, and what is appended is taken off again.
    private readonly List<Operation> _kept = [], _new = [];
    private readonly int[] _starts = new int[ProgramBytes.MaxOperations + 1];
    private byte[] _decoded = [], _made = [];
    private int _keptCount;

    public ReadOnlySpan<byte> Mutate(FuzzRandom random, ReadOnlySpan<byte> input, ReadOnlySpan<byte> other, int mostBytes)
    {
        Decode(input);
        var (program, count) = (_kept, _keptCount);
        // A long one gives way to a new one, and any one now and then.
        if (count > MostOperations || _starts[count] > mostBytes / 2 || random.OneIn(16))
        {
            (program, count) = (_new, 0);
            _new.Clear();
        }
        for (var left = 1 + random.Below(MostGroups); left > 0; left--)
            append(random, program);
        var length = _starts[count];
        if (_made.Length < mostBytes + ProgramBytes.MaxOperationBytes)
            _made = new byte[mostBytes + ProgramBytes.MaxOperationBytes];
        input[..length].CopyTo(_made);
        foreach (ref readonly var operation in CollectionsMarshal.AsSpan(program)[count..])
        {
            var taken = ProgramBytes.Encode(in operation, grammar, _made.AsSpan(length));
            if (length + taken > mostBytes)
                break;
            length += taken;
        }
        return _made.AsSpan(0, length);
    }

    public IReadOnlyList<byte[]> Divide(byte[] input)
    {
        var starts = new int[ProgramBytes.MaxOperations + 1];
        var count = ProgramBytes.Split(input, grammar, starts);
        return [[], .. Enumerable.Range(0, count).Select(i => input[starts[i]..starts[i + 1]])];
    }

    private void Decode(ReadOnlySpan<byte> input)
    {
        if (input.SequenceEqual(_decoded))
        {
            CollectionsMarshal.SetCount(_kept, _keptCount);
            return;
        }
        _decoded = input.ToArray();
        _keptCount = ProgramBytes.Split(input, grammar, _starts);
        _kept.Clear();
        var reader = new ProgramBytes.Reader(input, grammar);
        while (reader.MoveNext())
            _kept.Add(reader.Current);
    }
}
