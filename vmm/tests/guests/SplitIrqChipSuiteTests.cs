using Gauntlet.Vmm.Tests.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.Guests;

/// <summary>Suites whose interrupts come from controllers of the machine's, with the local APICs in the kernel.</summary>
public sealed class SplitIrqChipSuiteTests
{
    [SplitIrqChipTheory]
    [InlineData("i8259")]
    [InlineData("test_device")]
    [InlineData("smp")]
    public async Task A_suite_passes_with_local_APICs_alone_in_the_kernel(string suite) =>
        Assert.Contains(
            "SUMMARY",
            await GuestProgram.PassAsync(GuestProgram.Gvmm, suite, "", "-accel", "kvm", "-machine", "kernel-irqchip=split", "-smp", "2", "-device", "pc-testdev"),
            StringComparison.Ordinal);
}
