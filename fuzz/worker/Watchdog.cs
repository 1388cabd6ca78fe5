using Gauntlet.Linux;

namespace Gauntlet.Fuzz.Worker;

/// <summary>Ends a process in which one run lasts too long. On a busy host a run that waits for its turn is none that hangs.</summary>
internal static class Watchdog
{
    private const int LooksAtOneRun = 4;

    /// <param name="now">A number that changes with every run, and whether one is under way.</param>
    /// <param name="longest">That a run may take, of the processor.</param>
    public static void Start(Func<(long Run, bool IsRunning)> now, TimeSpan longest) => new Thread(() =>
    {
        var (last, cpu, looks) = (-1L, TimeSpan.Zero, 0);
        while (true)
        {
            Thread.Sleep(longest / LooksAtOneRun);
            var ((run, isRunning), used) = (now(), Environment.CpuUsage.TotalTime);
            if (run != last || !isRunning)
                (last, cpu, looks) = (run, used, 0);
            else if (used - cpu >= longest || ++looks >= LooksAtOneRun * FuzzRequest.MostWaiting)
                Descriptors.ExitNow(Program.HangStatus);
        }
    })
    { IsBackground = true, Name = "watchdog" }.Start();
}
