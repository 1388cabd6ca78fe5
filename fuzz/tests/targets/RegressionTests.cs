using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;

namespace Gauntlet.Fuzz.Tests.Targets;

/// <summary>Programs that once found something, each with what it found.</summary>
public sealed class RegressionTests
{
    // Restored before the devices that drive its lines, the interrupt controller latched edges that were none.
    [Fact]
    public void A_restored_board_keeps_the_requests_that_its_interrupt_controller_had_latched() =>
        Survives("pc", "outl 0x2000 0x90594\nsnapshot\nrestore\n");

    // The pin stayed asserted when messages were turned on, until a restore took it back.
    [Theory]
    [InlineData("edu", "writel 0xfe000060 0xc20c9abb\npci_writel 02.0 0x40 0x4c7709bd\nsnapshot\nrestore\n")]
    public void A_function_that_sends_messages_leaves_its_pin_alone(string target, string program) => Survives(target, program);

    private static void Survives(string name, string program)
    {
        using var target = TargetCatalogue.Create(name);
        Assert.Null(Replay.Run(target, ProgramBytes.Encode(ProgramText.Parse("program 1\n" + program), target.Grammar!)));
    }
}
