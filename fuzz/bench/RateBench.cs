using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Suites;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Bench;

/// <summary>The rates that the fuzzer is built for: small programs in process, and operations over qtest beside a bare C client of the same QEMU.</summary>
internal static class RateBench
{
    // Some eight operations of ports; a queue, a request.
    private const int SmallBytes = 24, QueueBytes = 1_024, OperationsAtOnce = 64;

    public static async Task<int> RunAsync(double seconds)
    {
        foreach (var (target, bytes) in ((string, int)[])[("isa-serial", SmallBytes), ("virtio-blk", QueueBytes)])
        {
            var folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-bench-").FullName;
            try
            {
                var last = await FuzzSession.RunAsync(new FuzzRequest(target, folder) { Time = TimeSpan.FromSeconds(seconds), InputBytes = bytes }, static _ => { }, CancellationToken.None);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{target,-14} {last.Execs / seconds,12:0} programs/s, at most {bytes} bytes each"));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        if (ProgramFinder.InPath("qemu-system-x86_64") is not { } qemu || ProgramFinder.InPath("cc") is not { } compiler)
        {
            Console.WriteLine("qtest: not measured, qemu-system-x86_64 or cc is not there");
            return 0;
        }
        var work = Directory.CreateTempSubdirectory("gauntlet-fuzz-bench-").FullName;
        try
        {
            var client = Path.Combine(work, "client");
            Process.Start(compiler, ["-O2", "-o", client, Path.Combine(SourceTree.Require(), "fuzz/bench/qtest-client.c")]).WaitForExit();
            var command = new QemuCommand(qemu, "pc", ["-serial", "null"]);
            // In turns, so that both see the same host.
            var (ours, bare) = (new List<double>(), new List<double>());
            for (var round = 0; round < 3; round++)
            {
                bare.Add(Bare(client, work, command, seconds / 3));
                ours.Add(Ours(command, seconds / 3));
            }
            var (a, b) = (ours.Order().ElementAt(1), bare.Order().ElementAt(1));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"qtest",-14} {a,12:0} operations/s, {OperationsAtOnce} at once; a C client {b:0}: {a / b:0.00}"));
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
        return 0;
    }

    private static double Ours(QemuCommand command, double seconds)
    {
        using var process = new QemuProcess(command);
        Operation[] program = [.. Enumerable.Repeat(Operation.Read(AddressSpace.Port, 0x3fd, 1), OperationsAtOnce)];
        var (watch, done) = (Stopwatch.StartNew(), 0L);
        while (watch.Elapsed.TotalSeconds < seconds)
            done += process.Run(program).Count;
        return done / watch.Elapsed.TotalSeconds;
    }

    private static double Bare(string client, string work, QemuCommand command, double seconds)
    {
        var (socket, firmware) = (Path.Combine(work, $"q{Guid.NewGuid():n}"[..8]), Path.Combine(work, "hlt.bin"));
        File.WriteAllBytes(firmware, QemuCommand.Firmware);
        using var process = Process.Start(new ProcessStartInfo(client,
            [socket, seconds.ToString("0.0", CultureInfo.InvariantCulture), OperationsAtOnce.ToString(CultureInfo.InvariantCulture), command.Program, .. command.Arguments(firmware), "-qtest", $"unix:{socket}", "-qtest-log", "none"])
        {
            RedirectStandardOutput = true,
        })!;
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return double.TryParse(said, NumberStyles.Float, CultureInfo.InvariantCulture, out var rate) ? rate : throw new InvalidOperationException($"the C client ended with {process.ExitCode}: {said}");
    }
}
