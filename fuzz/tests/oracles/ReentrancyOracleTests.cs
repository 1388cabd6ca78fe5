using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;

namespace Gauntlet.Fuzz.Tests.Oracles;

public sealed class ReentrancyOracleTests
{
    [Fact]
    public void DMA_into_the_registers_of_the_device_that_does_it_is_found()
    {
        using var target = PlantedDma.Target(PlantedDma.Registers + 8, isLater: false);

        var finding = Search.Find(target);

        Assert.Equal("reentrancy planted", finding?.Bucket);
        Assert.Contains("the same device", finding!.Report, StringComparison.Ordinal);
    }

    [Fact]
    public void DMA_into_the_registers_of_another_device_is_found_and_told_of_the_one_that_does_it()
    {
        using var target = PlantedDma.Target(PlantedDma.OtherRegisters, isLater: false);

        var finding = Search.Find(target);

        Assert.Equal("reentrancy planted", finding?.Bucket);
        Assert.Contains("a register of other", finding!.Report, StringComparison.Ordinal);
    }

    [Fact]
    public void DMA_into_registers_from_a_timer_is_found()
    {
        using var target = PlantedDma.Target(PlantedDma.Registers, isLater: true);

        var finding = Search.Find(target);

        Assert.Equal("reentrancy planted", finding?.Bucket);
        Assert.Contains("timer", finding!.Report, StringComparison.Ordinal);
    }

    [Fact]
    public void What_runs_after_a_finding_is_judged_for_itself()
    {
        using var target = PlantedDma.Target(PlantedDma.Registers, isLater: false);
        var faulty = ProgramText.Parse("program 1\nwriteq 0xfe000000 0xfe000000\nwritel 0xfe00000c 1\n");

        Assert.Throws<OracleException>(() => target.Run(faulty, null));

        target.Run(ProgramText.Parse("program 1\nreadq 0xfe000000\nclock_step 10\nreset\nreadq 0xfe000000\n"), null);
    }

    // The engine's way out has 28 address bits: the registers are put where it could reach them.
    [Fact]
    public void DMA_that_a_program_aims_at_the_registers_of_a_device_of_gvmm_changes_none_of_them()
    {
        using var target = (DeviceTarget)TargetCatalogue.Create("edu");
        ulong? liveness = null;

        target.Run(ProgramText.Parse(
            """
            program 1
            pci_writel 02.0 0x10 0x0e000000
            pci_writew 02.0 4 6
            writel 0x0e000004 0x1234
            writeq 0x0e000080 0x40000
            writeq 0x0e000088 0x0e000004
            writeq 0x0e000090 4
            writeq 0x0e000098 3
            clock_step 200000000
            readl 0x0e000004

            """), (operation, reply) => liveness = operation.Kind == OperationKind.Read ? reply : liveness);

        Assert.Equal(0xffffedcbUL, liveness);
    }
}
