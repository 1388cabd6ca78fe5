using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>What may follow <c>-accel tcg,</c>.</summary>
public sealed class TcgOptionsTests
{
    private static TcgOptions Parse(string name, string value) => TcgOptions.FromProperties(new Dictionary<string, string> { [name] = value });

    [NativeX64Fact]
    public void Host_code_is_the_default_where_the_host_runs_it()
    {
        Assert.Equal(TcgBackendKind.X64, TcgOptions.FromProperties(new Dictionary<string, string>()).Backend);
        Assert.Equal(TcgBackendKind.X64, Parse("backend", "x64").Backend);
    }

    [Fact]
    public void The_interpreter_can_be_asked_for_on_every_host() => Assert.Equal(TcgBackendKind.Interp, Parse("backend", "interp").Backend);

    [Theory]
    [InlineData("kernel-irqchip", "on")]
    [InlineData("thread", "multi")]
    public void What_only_other_accelerators_or_QEMU_can_choose_is_taken_and_changes_nothing(string name, string value) =>
        Assert.Equal(TcgOptions.Default, Parse(name, value));

    [Theory]
    [InlineData("backend", "llvm", "backend cannot be 'llvm'; there are x64, interp")]
    [InlineData("speed", "11", "no property 'speed'")]
    public void Anything_else_is_refused_by_name(string name, string value, string message) =>
        Assert.Contains(message, Assert.Throws<AcceleratorException>(() => Parse(name, value)).Message, StringComparison.Ordinal);
}
