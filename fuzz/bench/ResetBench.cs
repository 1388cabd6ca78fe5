using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Harness.Drivers;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Bench;

/// <summary>Programs a second that one QEMU takes: each from a reset, and as many between resets as the fuzzer runs where nothing new shows.</summary>
internal static class ResetBench
{
    private const int OperationsEach = 30;

    /// <param name="programs">Of QEMU: paths or names in PATH.</param>
    public static int Run(double seconds, IReadOnlyList<string> programs)
    {
        foreach (var program in programs)
        {
            if (ProgramFinder.InPath(program) is not { } qemu)
            {
                Console.WriteLine($"{program}: not measured, it is not in PATH");
                continue;
            }
            using var process = new QemuProcess(new QemuCommand(qemu, "q35", []));
            foreach (var together in (int[])[1, QemuFuzzer.MostTogether])
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(qemu),-20} {Rate(process, together, seconds),8:0} programs/s of {OperationsEach} operations, {together} between resets"));
        }
        return 0;
    }

    private static double Rate(QemuProcess process, int together, double seconds)
    {
        Operation[] program = [.. Enumerable.Repeat(Operation.Read(AddressSpace.Port, 0x80, 1), OperationsEach * together)];
        var (watch, done) = (Stopwatch.StartNew(), 0L);
        while (watch.Elapsed.TotalSeconds < seconds)
        {
            process.Run(program);
            process.Reset();
            done += together;
        }
        return done / watch.Elapsed.TotalSeconds;
    }
}
