using System.Globalization;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Bench;

/// <summary>What benchmarks of a machine in this process have in common: how often, on what, and the smallest pc.</summary>
internal static class Boards
{
    private const ulong RamBytes = 2 << 20;
    private const int MostRounds = 1_000_000;

    /// <summary>From a benchmark's only argument; null, and its usage on standard error, when that is no number of rounds.</summary>
    public static int? Rounds(string benchmark, string[] arguments, int usual)
    {
        if (arguments.Length == 0)
            return usual;
        if (arguments is [var text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var given) && given is > 0 and <= MostRounds)
            return given;
        Console.Error.WriteLine($"usage: vmm/bench/run {benchmark} [ROUNDS]");
        return null;
    }

    /// <summary>Runs something for each accelerator of this host; of one that cannot be used it says why.</summary>
    public static void ForEachAccelerator(Action<string> measure)
    {
        measure("tcg");
        if (KvmAccelerator.WhyUnusable() is { } why)
            Console.WriteLine($"kvm left out: {why}");
        else
            measure("kvm");
    }

    /// <summary>A pc of one vCPU and 2 MiB, to be completed with a program.</summary>
    public static PcBoard New(string accelerator) => new(
        new PcConfig
        {
            Accelerators = [new AcceleratorChoice(accelerator, new Dictionary<string, string>())],
            RamBytes = RamBytes,
            StartUtc = DateTime.UnixEpoch,
            SerialPorts = [NullSerialBackend.Instance],
        },
        static _ => { });
}
