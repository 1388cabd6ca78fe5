using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;

namespace Gauntlet.Vmm.Program;

/// <summary>What <c>-device</c> can add to a <c>pc</c>.</summary>
public static class DeviceCatalog
{
    /// <summary>By name.</summary>
    public static IReadOnlyList<string> Names { get; } = ["isa-debug-exit", "pc-testdev", "pci-testdev"];

    /// <summary>For messages.</summary>
    public static string NameList => string.Join(", ", Names);

    public static bool IsKnown(string driver)
    {
        foreach (var name in Names)
        {
            if (name == driver)
                return true;
        }
        return false;
    }

    /// <summary>Puts a device on the board.</summary>
    /// <exception cref="OptionException">A property that it does not have, a value out of range, or ports that are taken.</exception>
    public static void Add(PcBoard board, DeviceOption option)
    {
        try
        {
            switch (option.Driver)
            {
                case "isa-debug-exit":
                    var size = Number(option, "iosize", IsaDebugExit.DefaultSize, 1, 4);
                    board.AddDebugExit((ushort)Number(option, "iobase", IsaDebugExit.DefaultBase, 0, 0x10000 - size), size);
                    Expect(option, "iobase", "iosize");
                    break;
                case "pc-testdev":
                    Expect(option);
                    board.AddPcTestDev();
                    break;
                default:
                    Expect(option);
                    board.AddPciTestDev();
                    break;
            }
        }
        catch (InvalidOperationException taken)
        {
            throw new OptionException($"-device {option.Driver}: {taken.Message}");
        }
    }

    private static int Number(DeviceOption option, string property, int absent, int min, int max) =>
        option.Properties.TryGetValue(property, out var text) ? Numbers.Count($"-device {option.Driver}: {property}", text, min, max) : absent;

    private static void Expect(DeviceOption option, params string[] known)
    {
        foreach (var (name, _) in option.Properties)
        {
            // Any device may have a name; nothing here refers to one.
            if (name != "id" && Array.IndexOf(known, name) < 0)
                throw new OptionException($"-device {option.Driver}: property '{name}' not found");
        }
    }
}
