using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;

namespace Gauntlet.Fuzz.Tests.Oracles;

/// <summary>Random programs as the engine makes them, without its guidance: enough for faults that one operation in the right place shows.</summary>
internal static class Search
{
    private const int MostInputs = 20_000;

    /// <summary>The first thing that is found wrong.</summary>
    public static Finding? Find(IFuzzTarget target, int inputs = MostInputs)
    {
        var random = new FuzzRandom(7);
        var mutator = new Mutator(random, target.Grammar);
        byte[] input = [];
        for (var i = 0; i < inputs; i++)
        {
            input = (target.Form is { } form && random.OneIn(2) ? form.Mutate(random, input, [], Mutator.MaxInputBytes) : mutator.Mutate(input, [])).ToArray();
            if (Replay.Run(target, input) is { } finding)
                return finding;
        }
        return null;
    }
}
