using FsCheck.Fluent;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;

namespace Gauntlet.Fuzz.Tests.Qemu;

/// <summary>Configuration spaces that are made up: no QEMU is needed.</summary>
public sealed class PciFunctionMapTests
{
    private const int Function = 3 << 3 | 1;

    [Fact]
    public void Capabilities_are_followed_in_the_order_of_their_list_each_with_its_registers()
    {
        var space = Space((0x34, 0x80), (0x80, 0x0005_4001), (0x40, 0x0180_5005), (0x50, 0x0010_0009));
        space[6] = 0x10;

        var map = PciFunctionMap.Read(Function, register => BitConverter.ToUInt32(space, register));

        Assert.Equal([(0x80, 1), (0x40, 5), (0x50, 9)], map.Capabilities.Select(static capability => (capability.Offset, capability.Id)));
        // Power management's control; MSI with 64 bits and masks; a vendor's sixteen bytes.
        Assert.Equal(
            [(0x84, 2), (0x42, 2), (0x44, 4), (0x48, 4), (0x4c, 2), (0x50, 4), (0x52, 2), (0x54, 4), (0x58, 4), (0x5c, 4)],
            map.Registers.Where(static register => register.Offset >= 0x40).Select(static register => (register.Offset, register.Size)));
        Assert.All(map.Registers, static register => Assert.Equal(Function, register.Function));
    }

    [Fact]
    public void A_function_without_a_list_has_the_registers_of_its_header_and_a_bridge_those_of_a_bridge()
    {
        var space = Space((0x34, 0x80), (0x80, 0x11));

        Assert.Empty(PciFunctionMap.Read(Function, register => BitConverter.ToUInt32(space, register)).Capabilities);
        Assert.DoesNotContain(PciFunctionMap.Read(Function, register => BitConverter.ToUInt32(space, register)).Registers, static register => register.Offset == 0x3e);
        // Of several functions, a bridge.
        space[0xe] = 0x81;
        Assert.Contains(PciFunctionMap.Read(Function, register => BitConverter.ToUInt32(space, register)).Registers, static register => register.Offset == 0x3e);
    }

    [Fact]
    public void Whatever_a_space_says_the_registers_lie_in_it_and_can_be_accessed() =>
        Prop.ForAll(Gen.ArrayOf(ArbMap.Default.GeneratorFor<byte>(), 256).ToArbitrary(), static space =>
        {
            space[6] |= 0x10;
            var map = PciFunctionMap.Read(Function, register => BitConverter.ToUInt32(space, register));
            return map.Registers.All(static register => Operation.PciRead(register.Function, register.Offset, register.Size).Size == register.Size);
        }).Holds(300);

    [Fact]
    public void A_list_that_goes_round_ends()
    {
        var space = Space((0x34, 0x40), (0x40, 0x4001));
        space[6] = 0x10;

        Assert.InRange(PciFunctionMap.Read(Function, register => BitConverter.ToUInt32(space, register)).Capabilities.Count, 1, 64);
    }

    [Fact]
    public void Programs_reach_every_register_that_a_function_tells_of_and_leave_its_BARs_alone_mostly()
    {
        var registers = PciFunctionMap.Read(Function, static _ => 0).Registers;
        var device = new QemuDevice("any", new QemuCommand("qemu", "q35", []), [], [Function], []) { Registers = registers };
        var programs = new QemuPrograms(new FuzzRandom(1), device);
        List<Operation> all = [.. Enumerable.Range(0, 3_000).SelectMany(_ => programs.New())];

        var written = all.Where(static operation => operation.Kind == OperationKind.PciWrite).ToList();
        Assert.All(registers, register => Assert.Contains(written, operation => operation.Address == (ulong)(Function << 8 | register.Offset) && operation.Size == register.Size));
        var bars = written.Count(static operation => (operation.Address & 0xff) is >= PciRegister.FirstBar and < PciRegister.BehindBars);
        Assert.InRange(bars, 1, written.Count / 4);
        // A driver that turns the function off is rare.
        Assert.All(written.Where(static operation => (operation.Address & 0xff) == PciRegister.Command), static operation => Assert.Equal(6UL, operation.Value & 6));
    }

    private static byte[] Space(params ReadOnlySpan<(int Offset, int Value)> words)
    {
        var space = new byte[256];
        foreach (var (offset, value) in words)
            BitConverter.TryWriteBytes(space.AsSpan(offset), value);
        return space;
    }
}
