using FsCheck;
using Microsoft.FSharp.Core;

namespace Gauntlet.Properties;

/// <summary>
/// How every test project checks a property: by default with the same values each time, so that a change alone decides
/// whether its tests pass. <c>GAUNTLET_PROPERTY_SEED=random</c> draws new ones, <c>GAUNTLET_PROPERTY_SEED=SEED,GAMMA</c>
/// repeats those that a failure printed, and <c>GAUNTLET_PROPERTY_RUNS=N</c> tries N instead of the test's own number.
/// </summary>
internal static class PropertyCheck
{
    private const string SeedVariable = "GAUNTLET_PROPERTY_SEED", RunsVariable = "GAUNTLET_PROPERTY_RUNS";
    private const string UsualSeed = "20261121,1";

    private const int UsualRuns = 100;

    /// <summary>Fails with the smallest counterexample found, if any of <paramref name="runs"/> values is one.</summary>
    public static void Holds(this Property property, int runs = UsualRuns)
    {
        var wanted = Environment.GetEnvironmentVariable(RunsVariable);
        if (wanted is not null && (!int.TryParse(wanted, out runs) || runs < 1))
            throw new ArgumentException($"{RunsVariable} is '{wanted}': give a number of runs, 1 or more.");
        property.Check(Config.QuickThrowOnFailure.WithMaxTest(runs).WithReplay(Seed()));
    }

    private static FSharpOption<Replay>? Seed()
    {
        var text = Environment.GetEnvironmentVariable(SeedVariable) ?? UsualSeed;
        if (text == "random")
            return FSharpOption<Replay>.None;
        var parts = text.Trim('(', ')').Split(',');
        if (parts.Length != 2 || !ulong.TryParse(parts[0], out var seed) || !ulong.TryParse(parts[1], out var gamma) || gamma % 2 == 0)
            throw new ArgumentException($"{SeedVariable} is '{text}': give 'random', or the two numbers that a failure printed, as SEED,GAMMA with an odd GAMMA.");
        return FSharpOption<Replay>.Some(new Replay(new Rnd(seed, gamma), FSharpOption<int>.None));
    }
}
