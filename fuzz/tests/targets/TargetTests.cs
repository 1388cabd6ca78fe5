using System.Reflection;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;

namespace Gauntlet.Fuzz.Tests.Targets;

public sealed class TargetTests
{
    private const int Inputs = 300;

    public static TheoryData<string> Names => [.. TargetCatalogue.All.Select(entry => entry.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Random_inputs_find_nothing_wrong(string name)
    {
        using var target = TargetCatalogue.Create(name);
        var random = new FuzzRandom(11);
        var mutator = new Mutator(random, target.Grammar);
        foreach (var seed in target.Seeds)
            Assert.Null(Replay.Run(target, seed)?.Report);
        byte[] input = [];
        for (var i = 0; i < Inputs; i++)
        {
            input = (target.Form is { } form && random.OneIn(2) ? form.Mutate(random, input, [], Mutator.MaxInputBytes) : mutator.Mutate(input, [])).ToArray();
            Assert.Null(Replay.Run(target, input)?.Report);
        }
    }

    // A name that was changed would leave a target without guidance.
    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_said_to_be_under_test_is_there(string name)
    {
        var types = WovenFolder.UnderTest.SelectMany(file => Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, file)).GetTypes()).Select(type => type.FullName!).ToList();

        Assert.All(TargetCatalogue.UnderTest(name), start => Assert.Contains(types, type => type.StartsWith(start, StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_a_program_reads_does_not_depend_on_what_ran_before_it(string name)
    {
        using var used = TargetCatalogue.Create(name);
        if (used is not DeviceTarget devices)
            return;
        var mutator = new Mutator(new FuzzRandom(5), used.Grammar);
        byte[] input = [];
        for (var i = 0; i < Inputs / 30; i++)
        {
            input = mutator.Mutate(input, []).ToArray();
            var program = ProgramBytes.Decode(input, devices.Grammar);
            using var fresh = (DeviceTarget)TargetCatalogue.Create(name);
            Assert.Equal(Replies(fresh, program), Replies(devices, program));
        }
    }

    [Fact]
    public void A_program_loops_a_byte_through_the_UART()
    {
        using var target = (DeviceTarget)TargetCatalogue.Create("isa-serial");
        var program = ProgramText.Parse("program 1\noutb 0x3fc 0x10\noutb 0x3f8 0x41\ninb 0x3fd\ninb 0x3f8\n");

        var replies = Replies(target, program);

        Assert.Equal(1UL, replies[2] & 1);
        Assert.Equal(0x41UL, replies[3]);
    }

    [Fact]
    public void Memory_written_by_one_program_is_zero_for_the_next()
    {
        using var target = (DeviceTarget)TargetCatalogue.Create("pc");

        Assert.Equal([0UL, 0xa5a5UL], Replies(target, ProgramText.Parse("program 1\nmemset 0x1000 4 0xa5\nreadw 0x1002\n")));
        Assert.Equal([0UL], Replies(target, ProgramText.Parse("program 1\nreadw 0x1002\n")));
    }

    private static List<ulong?> Replies(DeviceTarget target, IReadOnlyList<Operation> program)
    {
        var replies = new List<ulong?>();
        target.Run(program, (_, reply) => replies.Add(reply));
        return replies;
    }
}
