using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
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
            var ours = await InProcessAsync(target, bytes, seconds);
            var peer = ProgramFinder.InPath("afl-fuzz") is null ? (double?)null : await UnderAflAsync(target, seconds);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{target,-14} {ours,12:0} programs a second of a core, at most {bytes} bytes each; under afl-fuzz {(peer is { } rate ? rate.ToString("0", CultureInfo.InvariantCulture) : "not measured")}"));
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
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"qtest",-14} {Resets(command, seconds / 3),12:0} programs/s of one QEMU, eight operations each, a system_reset before each"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"qtest",-14} {a,12:0} operations/s, {OperationsAtOnce} at once; a C client {b:0}: {a / b:0.00}"));
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
        return 0;
    }

    // While code is compiled little is run: from the second half on, by the time of a core that was had.
    private static async Task<double> InProcessAsync(string target, int bytes, double seconds)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-bench-").FullName;
        try
        {
            var watch = Stopwatch.StartNew();
            (long Execs, TimeSpan Cpu)? from = null;
            (long Execs, TimeSpan Cpu) to = default;
            await FuzzSession.RunAsync(new FuzzRequest(target, folder) { Time = TimeSpan.FromSeconds(seconds), InputBytes = bytes }, said =>
            {
                if (from is null && watch.Elapsed.TotalSeconds < seconds / 2)
                    return;
                to = (said.Execs, Cpu());
                from ??= to;
            }, CancellationToken.None);
            return (to.Execs - from!.Value.Execs) / (to.Cpu - from.Value.Cpu).TotalSeconds;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<double> UnderAflAsync(string target, double seconds)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-bench-").FullName;
        try
        {
            using var afl = new AflRun(target, AppContext.BaseDirectory, Path.Combine(folder, target));
            while (!afl.IsUnderWay && !afl.Ended.IsCompleted)
                await Task.WhenAny(afl.Ended, Task.Delay(100));
            // Its statistics are written every now and then.
            var (execs, cpu) = (afl.Execs, Cpu());
            await Task.WhenAny(afl.Ended, Task.Delay(TimeSpan.FromSeconds(seconds)));
            while (afl.Execs == execs && !afl.Ended.IsCompleted)
                await Task.Delay(100);
            return (afl.Execs - execs) / (Cpu() - cpu).TotalSeconds;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static TimeSpan Cpu() => ProcessTree.Sample(Environment.ProcessId).Cpu;

    private static double Resets(QemuCommand command, double seconds)
    {
        using var process = new QemuProcess(command);
        Operation[] program = [.. Enumerable.Range(0, 8).Select(register => Operation.Read(AddressSpace.Port, 0x3f8 + (ulong)register, 1))];
        var (watch, done) = (Stopwatch.StartNew(), 0L);
        for (; watch.Elapsed.TotalSeconds < seconds; done++)
        {
            process.Reset();
            process.Run(program);
        }
        return done / watch.Elapsed.TotalSeconds;
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
        File.WriteAllBytes(firmware, QtestMachine.Firmware);
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
