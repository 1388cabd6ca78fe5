using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Oracles;

public sealed class LogFloodOracleTests
{
    private const string Line = "outb 0x101 1\n";

    [Fact]
    public void A_device_that_logs_each_access_of_some_kind_is_found()
    {
        using var target = NewTarget();

        Assert.Equal("log flood chatty", Search.Find(target)?.Bucket);
    }

    [Fact]
    public void A_device_that_logs_in_its_reset_is_found()
    {
        using var target = NewTarget(tellsOfResets: true);
        var program = ProgramText.Parse("program 1\n" + string.Concat(Enumerable.Repeat("reset\n", LogFloodOracle.MostLines)));

        Assert.Equal("log flood reset", Assert.Throws<OracleException>(() => target.Run(program, null)).Rule);
    }

    [Fact]
    public void A_few_lines_in_each_program_are_no_finding()
    {
        using var target = NewTarget();
        var program = ProgramText.Parse("program 1\n" + string.Concat(Enumerable.Repeat(Line, LogFloodOracle.MostLines)));

        for (var i = 0; i < 2; i++)
            target.Run(program, null);

        var finding = Assert.Throws<OracleException>(() => target.Run([.. program, .. ProgramText.Parse("program 1\n" + Line)], null));
        Assert.EndsWith("The last is: chatty: register 1 is none", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_others_say_of_a_program_while_it_runs_is_not_its_doing()
    {
        using var target = NewTarget();
        var program = ProgramText.Parse("program 1\n" + string.Concat(Enumerable.Repeat("inb 0x100\n", LogFloodOracle.MostLines + 1)));

        target.Run(program, static (_, _) => Console.Error.WriteLine("a reply"));
    }

    private static DeviceTarget NewTarget(bool tellsOfResets = false)
    {
        var bus = new IoBus();
        var device = new ChattyDevice(tellsOfResets);
        bus.MapPorts(device, 0, 0x100);
        return new DeviceTarget(bus, [device], []);
    }

    /// <summary>Says on standard error what it does not know.</summary>
    private sealed class ChattyDevice(bool tellsOfResets) : IPortDevice, IResettable
    {
        public string Name => "chatty";

        public IReadOnlyList<RegisterMap> Regions { get; } = [new("registers", AddressSpace.Port, 4, [new Register("KNOWN", 0, 1)])];

        public uint ReadPort(int region, uint offset, int size) => 0;

        public void WritePort(int region, uint offset, int size, uint value)
        {
            if (offset == 1)
                Console.Error.WriteLine($"chatty: register {offset} is none");
        }

        public void Reset()
        {
            if (tellsOfResets)
                Console.Error.WriteLine("chatty: reset");
        }
    }
}
