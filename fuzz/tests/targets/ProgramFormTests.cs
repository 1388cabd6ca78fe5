using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Targets;

/// <summary>Programs that grow by groups of operations.</summary>
public sealed class ProgramFormTests
{
    private const int MostBytes = 512;

    private static readonly Grammar Grammar = new([new Window("device", AddressSpace.Port, 0x10, 8, [])]);

    // A group is the number of operations before it, written three times.
    private readonly ProgramForm _form = new(Grammar, static (_, program) =>
    {
        var count = (ulong)program.Count;
        for (var i = 0; i < 3; i++)
            program.Add(Operation.Write(AddressSpace.Port, 0x10, 4, count));
    });

    [Fact]
    public void An_input_is_kept_whole_and_groups_follow_that_know_what_is_before_them()
    {
        var random = new FuzzRandom(1);
        byte[] input = [.. ProgramBytes.Encode([Operation.Read(AddressSpace.Port, 0x12, 1), Operation.Reset()], Grammar)];
        var grown = 0;
        for (var turn = 0; turn < 200; turn++)
        {
            // The last one begins anew; a cut-off operation at the end of an input is left out.
            byte[] given = turn % 3 == 0 ? [.. input, 5] : input;
            var made = ProgramBytes.Decode(_form.Mutate(random, given, [], MostBytes), Grammar);
            var before = made[0].Kind == OperationKind.Read ? 2 : 0;
            grown += before;
            Assert.Equal(ProgramBytes.Decode(input, Grammar).Take(before), made.Take(before));
            Assert.InRange(made.Count - before, 3, 12);
            Assert.All(made.Skip(before).Index(), write => Assert.Equal((ulong)(before + write.Index / 3 * 3), write.Item.Value));
        }

        Assert.True(grown > 2 * 150, "an input is to be thrown away seldom");
    }

    [Fact]
    public void Nothing_longer_than_what_was_asked_for_is_made()
    {
        var random = new FuzzRandom(2);
        byte[] input = [];
        for (var turn = 0; turn < 500; turn++)
        {
            input = _form.Mutate(random, input, [], 64).ToArray();
            Assert.InRange(input.Length, 1, 64);
        }
    }

    [Fact]
    public void The_same_inputs_give_the_same_whatever_was_asked_before()
    {
        byte[] first = [.. ProgramBytes.Encode([Operation.Reset()], Grammar)], second = [.. ProgramBytes.Encode([Operation.Snapshot(), Operation.Restore()], Grammar)];
        var alone = _form.Mutate(new FuzzRandom(3), second, [], MostBytes).ToArray();
        _form.Mutate(new FuzzRandom(4), first, [], MostBytes);

        Assert.Equal(alone, _form.Mutate(new FuzzRandom(3), second, [], MostBytes).ToArray());
        Assert.Equal(alone, _form.Mutate(new FuzzRandom(3), second, [], MostBytes).ToArray());
    }
}
