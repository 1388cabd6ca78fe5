using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Booting;

/// <summary>What a boot is waited for, and how long.</summary>
/// <param name="Marker">On a console line.</param>
/// <param name="ToPowerOff">Wait until the guest has powered off; else the VMM is ended at the marker.</param>
/// <param name="Limit">Time, less what the host's CPUs were busy with others.</param>
public sealed record BootGoal(Regex Marker, bool ToPowerOff, TimeSpan Limit);

/// <summary>Boots guests and measures them.</summary>
/// <param name="onLine">Gets every console line; null: nobody.</param>
public sealed class BootRunner(IAttemptLauncher launcher, Action<string>? onLine = null)
{
    /// <summary>CPU time behind the line about the TSC without another line: it hangs. The kernel's next line comes within milliseconds.</summary>
    private static readonly TimeSpan TscHangAfter = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>Guests that hang are looked into through it, so that a timeout says where.</summary>
    private static int s_sockets;

    /// <summary>Boots one guest.</summary>
    /// <exception cref="LinuxException">The VMM could not be started.</exception>
    public async Task<BootRecord> RunAsync(BootMachine machine, string program, BootGoal goal, CancellationToken cancellation)
    {
        await using var guest = new Guest(this, machine, program, goal, stopAtMarker: false);
        return await guest.FinishAsync(cancellation);
    }

    /// <summary>Boots several guests at once; each is stopped at the marker, and when all have come there their memory is read, and all are ended.</summary>
    /// <exception cref="LinuxException">A VMM could not be started.</exception>
    public async Task<IReadOnlyList<BootRecord>> RunTogetherAsync(int count, BootMachine machine, string program, BootGoal goal, CancellationToken cancellation)
    {
        var guests = new List<Guest>();
        try
        {
            for (var i = 0; i < count; i++)
                guests.Add(new Guest(this, machine, program, goal, stopAtMarker: true));
            await Task.WhenAll(guests.Select(guest => guest.ArrivedAsync(cancellation)));
            // Pages that all of them have, such as the VMM's code, count for each in part: only now, with all there, is the part right.
            var memory = guests.ConvertAll(guest => guest.Memory());
            var records = new List<BootRecord>();
            foreach (var (guest, used) in guests.Zip(memory))
                records.Add(await guest.EndAsync(cancellation) with { Memory = used });
            return records;
        }
        finally
        {
            foreach (var guest in guests)
                await guest.DisposeAsync();
        }
    }

    private sealed class Guest : IAsyncDisposable
    {
        private readonly BootMachine _machine;
        private readonly BootGoal _goal;
        private readonly BootConsole _console;
        private readonly StringBuilder _errors = new();
        private readonly ScratchFolder _scratch = ScratchFolder.Create();
        private readonly IAttemptProcess _process;
        private readonly TaskCompletionSource _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _over = new();
        private readonly string _socket;
        private readonly long _start;
        private readonly Task<AttemptExit> _ending;
        private double? _cpuAtMarker;
        private ProcessMemory? _memory;
        private volatile bool _tscHang;
        private int _watching;
        private double _end;

        public Guest(BootRunner runner, BootMachine machine, string program, BootGoal goal, bool stopAtMarker)
        {
            (_machine, _goal) = (machine, goal);
            _socket = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"gauntlet-{Environment.ProcessId}-boot{Interlocked.Increment(ref s_sockets)}.qmp"));
            var plan = new LaunchPlan
            {
                CommandLine = [.. machine.CommandLine(program, interactive: false), "-qmp", $"unix:{_socket},server=on,wait=off"],
                Environment = new Dictionary<string, string> { ["TMPDIR"] = _scratch.Path },
                WorkingDirectory = Environment.CurrentDirectory,
                QmpSocket = _socket,
                TimeLimitByCpu = true,
                BusyThreads = machine.Smp,
            };
            var limits = new AttemptLimits { WallTime = goal.Limit, CpuTime = goal.Limit * machine.Smp, ForgiveDelays = true };
            var launched = new TaskCompletionSource<IAttemptProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
            _start = Stopwatch.GetTimestamp();
            _console = new BootConsole(goal.Marker, _start);
            _process = runner.Launch(
                plan, limits,
                line =>
                {
                    var before = _console.Marker;
                    _console.Line(line);
                    runner.Tell(line);
                    if (before is null && _console.Marker is not null)
                        AtMarker(launched.Task.GetAwaiter().GetResult().ProcessId, stopAtMarker);
                    if (_console.Panic is not null)
                        _decided.TrySetResult();
                    if (_console.LostTsc && machine.HangsInTscCalibration && Interlocked.Exchange(ref _watching, 1) == 0)
                        _ = WatchTscAsync(launched.Task, _console.Lines);
                },
                line =>
                {
                    if (_errors.Length < 4096)
                        _errors.AppendLine(line);
                });
            launched.SetResult(_process);
            _ending = EndingAsync();
        }

        private async Task<AttemptExit> EndingAsync()
        {
            var exit = await _process.WaitAsync(CancellationToken.None);
            _end = Stopwatch.GetElapsedTime(_start).TotalMilliseconds;
            return exit;
        }

        /// <summary>Returns at the marker, or when it can come no more.</summary>
        public async Task ArrivedAsync(CancellationToken cancellation)
        {
            using var cancelled = cancellation.Register(() => _decided.TrySetResult());
            await Task.WhenAny(_ending, _decided.Task);
            cancellation.ThrowIfCancellationRequested();
        }

        public ProcessMemory? Memory() => _console.Marker is null || _ending.IsCompleted ? null : ProcessMemory.Of(_process.ProcessId);

        public async Task<BootRecord> FinishAsync(CancellationToken cancellation)
        {
            await ArrivedAsync(cancellation);
            return await EndAsync(cancellation);
        }

        public async Task<BootRecord> EndAsync(CancellationToken cancellation)
        {
            if (!_ending.IsCompleted)
                await _process.KillAsync();
            await _over.CancelAsync();
            return Describe(await _ending.WaitAsync(cancellation));
        }

        public async ValueTask DisposeAsync()
        {
            await _over.CancelAsync();
            await _process.DisposeAsync();
            await ((Task)_ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _over.Dispose();
            _scratch.Dispose();
            File.Delete(_socket);
        }

        private void AtMarker(int processId, bool stop)
        {
            _cpuAtMarker = ProcessTree.Sample(processId).Cpu.TotalMilliseconds;
            if (stop)
                ProcessMemory.Stop(processId);
            else
                _memory = ProcessMemory.Of(processId);
            if (stop || !_goal.ToPowerOff)
                _decided.TrySetResult();
        }

        private async Task WatchTscAsync(Task<IAttemptProcess> launched, long lines)
        {
            var process = await launched;
            var since = ProcessTree.Sample(process.ProcessId).Cpu;
            using var timer = new PeriodicTimer(WatchInterval);
            try
            {
                while (_console.Lines == lines && await timer.WaitForNextTickAsync(_over.Token))
                {
                    if (ProcessTree.Sample(process.ProcessId).Cpu - since < TscHangAfter)
                        continue;
                    _tscHang = _console.Lines == lines;
                    _decided.TrySetResult();
                    return;
                }
            }
            catch (OperationCanceledException)
            {
                // The guest is over.
            }
            Interlocked.Exchange(ref _watching, 0);
        }

        private BootRecord Describe(AttemptExit exit)
        {
            var timeline = new BootTimeline(
                exit.FirstOutputTimestamp == 0 ? null : Stopwatch.GetElapsedTime(_start, exit.FirstOutputTimestamp).TotalMilliseconds,
                _console.Kernel, _console.UserSpace, _console.Marker, _console.PowerOff, _end);
            var (outcome, reason) = Outcome(exit);
            return new BootRecord(outcome, reason, timeline, _cpuAtMarker, exit.Cpu.TotalMilliseconds, _memory, exit.ExitStatus) { ConsoleTail = _console.Tail };
        }

        private (BootOutcome Outcome, string? Reason) Outcome(AttemptExit exit)
        {
            if (_console.Panic is { } panic)
                return (BootOutcome.Panic, $"the guest's kernel died: {panic}");
            if (_tscHang)
                return (BootOutcome.TscCalibrationHang,
                    $"the kernel hangs as it is known to on {_machine.MachineType} under TCG, where it has no clock to measure its TSC against; give tsc_early_khz=N on its command line, as the default one does");
            if (exit.Limit != LimitHit.None)
            {
                var where = exit.Diagnostics.GetValueOrDefault("where.txt")?.Split('\n')[0];
                return (BootOutcome.Timeout, $"not {(_console.Marker is null ? "at the marker" : "powered off")} within {_goal.Limit.TotalSeconds:0.#} s{(where is null ? "" : $"; {where}")}");
            }
            if (_console.Marker is not null)
                return (BootOutcome.Booted, null);
            var how = exit.Signal is { } signal ? $"was ended by signal {signal}" : $"ended with status {exit.ExitStatus}";
            var said = _errors.ToString().Trim();
            return (BootOutcome.Ended, $"the VMM {how} before the marker{(said.Length == 0 ? "" : $", saying: {said}")}");
        }
    }

    private IAttemptProcess Launch(LaunchPlan plan, AttemptLimits limits, Action<string> onConsole, Action<string> onError) => launcher.Start(plan, limits, onConsole, onError);

    private void Tell(string line) => onLine?.Invoke(line);
}
