using System.Diagnostics;
using System.Globalization;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Bench.Snapshot;

/// <summary>How long it takes to go back to a checkpoint, by accelerator and number of pages written; each device alone; and to a file and back.</summary>
internal static class SnapshotBench
{
    private const int DefaultRounds = 3000, WarmUpRounds = 2000, MostPages = 112;
    private const byte Port = 0x80;

    /// <summary>By then the runtime has compiled what is called often anew, as it has in a campaign.</summary>
    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(400);

    public static int Run(string[] arguments)
    {
        if (Boards.Rounds("snapshot", arguments, DefaultRounds) is not { } rounds)
            return 2;
        Devices(rounds);
        Console.WriteLine();
        Console.WriteLine($"{"a pc, one vCPU",-24}{"pages",8}{"restore us",14}{"us a page",12}{"file save ms",14}{"file load ms",14}");
        Boards.ForEachAccelerator(accelerator => Machines(accelerator, rounds));
        return 0;
    }

    private static void Devices(int rounds)
    {
        using var subject = new Subject("tcg", 1);
        Console.WriteLine($"{"device",-24}{"bytes",8}{"save us",14}{"load us",12}");
        foreach (var device in subject.Machine.Devices)
        {
            if (device is not ISaveable saveable)
                continue;
            var writer = new StateWriter();
            lock (subject.Machine.Bus.DeviceLock)
            {
                var save = Median(rounds, () =>
                {
                    writer.Clear();
                    saveable.Save(writer);
                });
                var state = writer.Written.ToArray();
                var load = Median(rounds, () =>
                {
                    var reader = new StateReader(state);
                    saveable.Load(ref reader);
                });
                Console.WriteLine($"{device.Name,-24}{state.Length,8}{Text(save),14}{Text(load),12}");
            }
        }
    }

    private static void Machines(string accelerator, int rounds)
    {
        double? none = null;
        foreach (var pages in (int[])[0, 1, 8, 32, MostPages])
        {
            using var subject = new Subject(accelerator, pages);
            using var checkpoint = new Checkpoint(subject.Machine);
            subject.RunOnce();
            var restored = checkpoint.Restore();
            var median = Median(rounds, () => checkpoint.Restore(), subject.RunOnce);
            none ??= median;
            var perPage = pages == 0 ? "-" : Text((median - none.Value) / restored);
            var (save, load) = pages == 0 ? subject.FileMs() : (null, null);
            Console.WriteLine($"{accelerator,-24}{restored,8}{Text(median),14}{perPage,12}{save ?? "",14}{load ?? "",14}");
        }
    }

    // In microseconds; prepare is not counted.
    private static double Median(int rounds, Action action, Action? prepare = null)
    {
        var times = new double[rounds];
        var begin = Stopwatch.GetTimestamp();
        for (var i = -WarmUpRounds; i < rounds; i++)
        {
            if (i == 0 && Stopwatch.GetElapsedTime(begin) < s_warmUp)
                i = -1;
            prepare?.Invoke();
            var start = Stopwatch.GetTimestamp();
            action();
            if (i >= 0)
                times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
        Array.Sort(times);
        return times[rounds / 2];
    }

    private static string Text(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    /// <summary>A pc whose guest writes to a number of pages, tells it at a port, and does it again.</summary>
    private sealed class Subject : IPortDevice, IDisposable
    {
        private readonly PcBoard _board;

        public Subject(string accelerator, int pages)
        {
            _board = Boards.New(accelerator);
            Machine.Bus.MapPorts(this, 0, Port);
            _board.Complete(new FlatProgram("pages", Program(pages)));
            Machine.ResetStandingStill();
            RunOnce();
        }

        public Machine Machine => _board.Machine;

        public string Name => "turn";

        public IReadOnlyList<RegisterMap> Regions { get; } = [new("turn", AddressSpace.Port, 1, [new Register("TURN", 0, 1)])];

        public uint ReadPort(int region, uint offset, int size) => 0;

        public void WritePort(int region, uint offset, int size, uint value) => Machine.Vcpus[0].Kick();

        public void RunOnce()
        {
            var stop = Machine.Vcpus[0].Run();
            if (stop != VcpuStop.Kicked)
                throw new InvalidOperationException($"the guest ended: {stop}, {Machine.Vcpus[0].Failure}");
        }

        public (string Save, string Load) FileMs()
        {
            using var file = new MemoryStream();
            var save = Median(200, () =>
            {
                file.SetLength(0);
                lock (Machine.Bus.DeviceLock)
                    MachineSnapshot.Write(Machine, default, file);
            });
            var load = Median(200, () =>
            {
                file.Position = 0;
                lock (Machine.Bus.DeviceLock)
                    MachineSnapshot.Read(Machine, file, static () => { });
            });
            return (Text(save / 1000), Text(load / 1000));
        }

        public void Dispose() => _board.Dispose();

        // mov bx, 0x2000; mov cx, pages; jcxz done; page: mov es, bx; inc word [es:0]; add bx, 0x100; loop page; done: out 0x80, al; jmp start
        private static byte[] Program(int pages) =>
        [
            0xbb, 0x00, 0x20, 0xb9, (byte)pages, 0x00, 0xe3, 0x0d, 0x8e, 0xc3, 0x26, 0xff, 0x06, 0x00, 0x00, 0x81, 0xc3, 0x00, 0x01, 0xe2, 0xf3, 0xe6, Port, 0xeb, 0xe7,
        ];
    }
}
