using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Device programs that grow by groups of operations: a queue that is set up, a request on it.</summary>
/// <param name="append">Adds a group to a program.</param>
public sealed class ProgramForm(Grammar grammar, Action<FuzzRandom, List<Operation>> append) : IInputForm
{
    private const int MostGroups = 4, MostOperations = 192;

    public byte[] Mutate(FuzzRandom random, ReadOnlySpan<byte> input, ReadOnlySpan<byte> other)
    {
        var program = ProgramBytes.Decode(input, grammar).ToList();
        // A long one gives way to a new one, now and then.
        if (program.Count > MostOperations || random.OneIn(16))
            program.Clear();
        for (var left = 1 + random.Below(MostGroups); left > 0; left--)
            append(random, program);
        return ProgramBytes.Encode(program, grammar);
    }

    public IReadOnlyList<byte[]> Divide(byte[] input)
    {
        var starts = new int[ProgramBytes.MaxOperations + 1];
        var count = ProgramBytes.Split(input, grammar, starts);
        return [[], .. Enumerable.Range(0, count).Select(i => input[starts[i]..starts[i + 1]])];
    }
}
