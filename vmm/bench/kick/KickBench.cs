using System.Diagnostics;
using System.Globalization;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Bench.Kick;

/// <summary>How long it takes to stop a vCPU that runs guest code and never leaves it by itself: a kick, and a machine's pause and going on.</summary>
internal static class KickBench
{
    private const int DefaultRounds = 2000;

    // jmp to itself.
    private static readonly byte[] s_spin = [0xeb, 0xfe];

    public static int Run(string[] arguments)
    {
        if (Boards.Rounds("kick", arguments, DefaultRounds) is not { } rounds)
            return 2;
        Console.WriteLine($"{"",-8}{"",-16}{"median us",12}{"99th us",12}{"longest us",12}");
        Boards.ForEachAccelerator(accelerator =>
        {
            using var board = Boards.New(accelerator);
            board.Complete(new FlatProgram("spin", s_spin));
            Print(accelerator, "kick", Kick(board.Machine, rounds));
            Print(accelerator, "pause", Pause(board.Machine, rounds));
        });
        return 0;
    }

    // From the kick to the return of Run, on the vCPU's thread.
    private static double[] Kick(Machine machine, int rounds)
    {
        machine.ResetStandingStill();
        var vcpu = machine.Vcpus[0];
        var times = new double[rounds];
        using var inside = new Barrier(2);
        long kicked = 0, returned = 0;
        var runner = new Thread(() =>
        {
            for (var i = 0; i < rounds; i++)
            {
                inside.SignalAndWait();
                var stop = vcpu.Run();
                Volatile.Write(ref returned, Stopwatch.GetTimestamp());
                if (stop != VcpuStop.Kicked)
                    throw new InvalidOperationException($"the guest ended: {stop}, {vcpu.Failure}");
                inside.SignalAndWait();
            }
        });
        runner.Start();
        for (var i = 0; i < rounds; i++)
        {
            inside.SignalAndWait();
            // Until it is well inside the guest.
            var until = Stopwatch.GetTimestamp() + Stopwatch.Frequency / 20_000;
            while (Stopwatch.GetTimestamp() < until)
                Thread.SpinWait(10);
            kicked = Stopwatch.GetTimestamp();
            vcpu.Kick();
            inside.SignalAndWait();
            times[i] = Stopwatch.GetElapsedTime(kicked, Volatile.Read(ref returned)).TotalMicroseconds;
        }
        runner.Join();
        return times;
    }

    private static double[] Pause(Machine machine, int rounds)
    {
        var run = new Thread(() => machine.Run());
        run.Start();
        machine.AwaitWishes();
        var times = new double[rounds];
        for (var i = 0; i < rounds; i++)
        {
            var start = Stopwatch.GetTimestamp();
            machine.Pause();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            machine.Resume();
        }
        machine.RequestQuit();
        run.Join();
        return times;
    }

    private static void Print(string accelerator, string what, double[] times)
    {
        Array.Sort(times);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{accelerator,-8}{what,-16}{times[times.Length / 2],12:0.0}{times[times.Length * 99 / 100],12:0.0}{times[^1],12:0.0}"));
    }
}
