using System.Diagnostics;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// One VMM process under the supervisor. A thread of its own starts it, reads what it writes, samples what it uses, holds it to its limits and reaps
/// it. The thread must live as long as the process: Linux sends the parent's death signal when the thread that started a process ends.
/// </summary>
internal sealed class AttemptProcess : IAttemptProcess
{
    /// <summary>The kernel's own limit on CPU time stands beyond the sampled one, in case this process cannot enforce it.</summary>
    public const double CpuBackstopFactor = 1.5;

    public static readonly TimeSpan CpuBackstop = TimeSpan.FromSeconds(10);

    /// <summary>How often usage is sampled; limits on CPU time and memory are kept to within it.</summary>
    private static readonly TimeSpan SampleInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Averaging time of <see cref="BusyCpus"/>.</summary>
    private static readonly TimeSpan BusyAverage = TimeSpan.FromSeconds(1);

    /// <summary>Once everything is gone the pipes end; only a descriptor sent to a stranger keeps one open, and is not waited for longer.</summary>
    private static readonly TimeSpan PipeGrace = TimeSpan.FromSeconds(1);

    /// <summary>Where delays are forgiven, the wall time beyond which nothing is.</summary>
    private const double MaxForgiveness = 10;

    private const int StackBytes = 256 << 10, ReadBytes = 64 << 10;

    /// <summary>
    /// A VMM writes its guest's console byte by byte, and each would wake this thread: behind so many reads in close succession that brought little, it lets a
    /// millisecond's worth gather.
    /// </summary>
    private const int CloseReads = 32, LittleBytes = 8 << 10;

    private static readonly TimeSpan CloseSuccession = TimeSpan.FromMilliseconds(3);

    private readonly LaunchPlan _plan;
    private readonly AttemptLimits _limits;
    private readonly Stopwatch _elapsed = new();
    private readonly TaskCompletionSource<AttemptExit> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SafeFileHandle _wakeRead, _wakeWrite;
    private readonly Lock _wakeLock = new();
    private readonly OutputKeeper _console, _error;
    private readonly LineSplitter _lines, _errorLines;
    private readonly GuestInspector? _inspector;
    private readonly CancellationTokenSource _ending = new();
    private readonly SupervisorReports _reports = new();

    private LimitHit _limit;
    private volatile bool _killRequested;
    private bool _killed, _terminated;
    private double _busyCpus;
    private long _cpuTicks, _firstOutput;
    private TimeSpan _nextSample = SampleInterval, _lastSample;
    private Task<IReadOnlyDictionary<string, string>>? _collecting;
    private Task<bool>? _watching;
    private CancellationTokenSource? _watchingCancellation;
    private TimeSpan _cpuAtLastLine, _watchAfter, _delayed;

    private AttemptProcess(LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine, Action<string>? onErrorLine)
    {
        _plan = plan;
        _limits = limits;
        _console = new OutputKeeper(limits.OutputBytes);
        _error = new OutputKeeper(limits.OutputBytes);
        _lines = new LineSplitter(line =>
        {
            _cpuAtLastLine = Cpu;
            onConsoleLine?.Invoke(line);
        });
        _errorLines = new LineSplitter(onErrorLine ?? (_ => { }));
        _busyCpus = plan.BusyThreads;
        _watchAfter = limits.StallWatchAfter ?? TimeSpan.MaxValue;
        _inspector = plan.QmpSocket is null ? null : new GuestInspector(plan.QmpSocket, plan.SymbolFile);
        (_wakeRead, _wakeWrite) = Libc.Pipe();
    }

    public int ProcessId => _reports.ProcessId;

    public double BusyCpus => Volatile.Read(ref _busyCpus);

    private TimeSpan Cpu => TimeSpan.FromTicks(Volatile.Read(ref _cpuTicks));

    /// <exception cref="LinuxException">The supervisor could not be started.</exception>
    public static AttemptProcess Start(Supervisor supervisor, SupervisedCommand command, LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine, Action<string>? onErrorLine)
    {
        var attempt = new AttemptProcess(plan, limits, onConsoleLine, onErrorLine);
        using var started = new ManualResetEventSlim();
        LinuxException? failure = null;
        var thread = new Thread(() =>
        {
            SupervisedProcess process;
            try
            {
                process = supervisor.Start(command);
            }
            catch (LinuxException e)
            {
                failure = e;
                started.Set();
                return;
            }
            started.Set();
            attempt.Run(process);
        }, StackBytes)
        {
            IsBackground = true,
            Name = "attempt",
        };
        thread.Start();
        started.Wait();
        if (failure is null)
            return attempt;
        attempt.ReleaseHandles();
        throw failure;
    }

    public Task<AttemptExit> WaitAsync(CancellationToken cancellation) => _done.Task.WaitAsync(cancellation);

    public async Task KillAsync()
    {
        _killRequested = true;
        Wake();
        await Task.WhenAny(_done.Task);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        ReleaseHandles();
        if (_inspector is not null)
            await _inspector.DisposeAsync();
        _ending.Dispose();
    }

    private void ReleaseHandles()
    {
        lock (_wakeLock)
        {
            _wakeRead.Dispose();
            _wakeWrite.Dispose();
        }
    }

    private void Wake()
    {
        lock (_wakeLock)
        {
            if (!_wakeWrite.IsClosed)
                Libc.WriteByte(_wakeWrite);
        }
    }

    private void Run(SupervisedProcess process)
    {
        try
        {
            using (process)
            {
                _elapsed.Start();
                ReadToTheEnd(process);
                _ending.Cancel();
                _lines.Finish();
                _errorLines.Finish();
            }
            Finish();
        }
        catch (Exception e)
        {
            _done.TrySetException(e);
        }
    }

    private void ReadToTheEnd(SupervisedProcess process)
    {
        const int output = 0, error = 1, reports = 2;
        SafeFileHandle[] handles = [process.Output, process.Error, process.Reports, _wakeRead];
        var poll = new Libc.PollFd[handles.Length];
        for (var i = 0; i < poll.Length; i++)
            poll[i] = new Libc.PollFd { Fd = (int)handles[i].DangerousGetHandle(), Events = Libc.POLLIN };
        // The process was reported before its first output, and poll looks at its descriptors in their order: where there is output the report is there too, and read first.
        ReadOnlySpan<int> order = [reports, output, error, poll.Length - 1];
        var buffer = new byte[ReadBytes];
        var allGone = (TimeSpan?)null;
        var (closeReads, lastRead) = (0, TimeSpan.Zero);
        while (poll[output].Fd >= 0 || poll[error].Fd >= 0 || poll[reports].Fd >= 0)
        {
            if (allGone is { } since && _elapsed.Elapsed - since > PipeGrace)
                return;
            if (Libc.Poll(poll, (int)Math.Ceiling(NextDeadline().TotalMilliseconds)) > 0)
            {
                foreach (var i in order)
                {
                    if (poll[i].Fd < 0 || poll[i].ReturnedEvents == 0)
                        continue;
                    var length = Libc.Read(handles[i], buffer);
                    if (length <= 0)
                    {
                        poll[i].Fd = -1;
                        if (i == reports)
                            allGone = _elapsed.Elapsed;
                        continue;
                    }
                    var bytes = buffer.AsSpan(0, length);
                    if (i == output)
                    {
                        if (_firstOutput == 0)
                            _firstOutput = Stopwatch.GetTimestamp();
                        Take(bytes, _console, _lines);
                        var now = _elapsed.Elapsed;
                        closeReads = length < LittleBytes && now - lastRead < CloseSuccession ? closeReads + 1 : 0;
                        lastRead = now;
                    }
                    else if (i == error)
                        Take(bytes, _error, _errorLines);
                    else if (i == reports)
                        TakeReports(bytes);
                }
                if (closeReads > CloseReads)
                    Thread.Sleep(1);
            }
            if (_reports.Exited is null && allGone is null)
                Enforce(process);
        }
    }

    /// <summary>Nothing more is split into lines once the flood limit is hit: it is only read so that the process does not block.</summary>
    private void Take(ReadOnlySpan<byte> bytes, OutputKeeper keeper, LineSplitter lines)
    {
        keeper.Append(bytes);
        if (_limit != LimitHit.Output)
            lines.Append(bytes);
    }

    /// <summary>A report is one atomic write, so that a read gets whole ones.</summary>
    private void TakeReports(ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= SupervisorReport.Length; bytes = bytes[SupervisorReport.Length..])
            _reports.Add(SupervisorReport.Parse(bytes));
    }

    private TimeSpan? WallDeadline => _limits.WallTime is not { } wall ? null
        : _limits.ForgiveDelays ? wall + (_delayed < wall * MaxForgiveness ? _delayed : wall * MaxForgiveness)
        : wall;

    private TimeSpan NextDeadline()
    {
        var now = _elapsed.Elapsed;
        var next = _nextSample;
        if (_limit == LimitHit.None && WallDeadline is { } wall && wall < next)
            next = wall;
        return next > now ? next - now : TimeSpan.Zero;
    }

    /// <summary>Samples when it is time to, and ends the process when it is over a limit or is to be killed.</summary>
    private void Enforce(SupervisedProcess process)
    {
        var now = _elapsed.Elapsed;
        if (_killRequested)
        {
            _killed = _limit == LimitHit.None;
            Terminate(process);
        }
        if (Math.Max(_console.TotalLength, _error.TotalLength) > _limits.OutputFloodBytes && _limit == LimitHit.None)
        {
            _limit = LimitHit.Output;
            Terminate(process);
        }
        if (now >= _nextSample)
            Sample(now);
        if (WallDeadline is { } wall && now >= wall)
            EndAt(LimitHit.WallTime);
        if (_watching is { IsCompleted: true } watched)
        {
            if (watched.Result)
                EndAt(LimitHit.Stalled);
            else
                _watchAfter *= 2;
            _watching = null;
        }
        if (_limit != LimitHit.None && (_collecting is null || _collecting.IsCompleted))
            Terminate(process);
    }

    private void Sample(TimeSpan now)
    {
        _nextSample = now + SampleInterval;
        if (_reports.ProcessId == 0)
            return;
        var usage = ProcessTree.Sample(_reports.ProcessId);
        // A child that ends without having been waited for takes its time along: what was seen once stays.
        var used = usage.Cpu > Cpu ? usage.Cpu - Cpu : TimeSpan.Zero;
        var delayed = usage.Delayed > _delayed ? usage.Delayed - _delayed : TimeSpan.Zero;
        var interval = now - _lastSample;
        var weight = Math.Min(1, interval / BusyAverage);
        // What it would use: on a busy host a guest that is kept waiting is no idle one, and room for another.
        Volatile.Write(ref _busyCpus, _busyCpus * (1 - weight) + (used + delayed) / interval * weight);
        Volatile.Write(ref _cpuTicks, (Cpu + used).Ticks);
        _lastSample = now;
        _delayed += delayed;
        if (_limits.CpuTime is { } cpu && usage.Cpu >= cpu)
            EndAt(LimitHit.CpuTime);
        if (_limits.ResidentBytes is { } resident && usage.ResidentBytes > resident)
            EndAt(LimitHit.Memory);
        WatchForStall();
    }

    private void WatchForStall()
    {
        var silent = Cpu - _cpuAtLastLine;
        if (_watching is not null)
        {
            if (silent < _limits.StallWatchAfter)
                _watchingCancellation?.Cancel();
        }
        else if (_inspector is not null && _limit == LimitHit.None && silent >= _watchAfter)
        {
            _watchingCancellation = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
            var token = _watchingCancellation.Token;
            var processId = _reports.ProcessId;
            _watching = Task.Run(() => StallWatch.SeesNoProgressAsync(_inspector, () => ProcessTree.Sample(processId).Cpu, token));
        }
    }

    /// <summary>A limit is hit: what the guest was doing is asked for first, while its output goes on being read.</summary>
    private void EndAt(LimitHit limit)
    {
        if (_limit != LimitHit.None)
            return;
        _limit = limit;
        _watchingCancellation?.Cancel();
        if (_inspector is null)
            return;
        _collecting = Task.Run(async () =>
        {
            var files = await _inspector.CollectAsync(_ending.Token);
            Wake();
            return files;
        });
    }

    private void Terminate(SupervisedProcess process)
    {
        if (_terminated)
            return;
        _terminated = true;
        process.Terminate();
    }

    private void Finish()
    {
        if (_reports.StartFailure(_plan.CommandLine[0]) is { } failure)
        {
            _done.TrySetException(failure);
            return;
        }
        var limit = _limit == LimitHit.None && _reports.Exited?.Signal == Libc.SIGXCPU ? LimitHit.CpuTime : _limit;
        var diagnostics = _collecting is { IsCompletedSuccessfully: true } collected ? collected.Result : new Dictionary<string, string>();
        _done.TrySetResult(new AttemptExit(
            _reports.Exited?.ExitStatus, _reports.Exited is { } exited ? exited.Signal : Libc.SIGKILL, limit, _reports.Exited?.Wall ?? _elapsed.Elapsed,
            _reports.Gone?.Cpu is { } cpu && cpu > Cpu ? cpu : Cpu, _reports.Gone?.PeakMemoryBytes ?? 0, _console.Take(), _error.Take(), diagnostics)
        {
            KilledByCaller = _killed,
            FirstOutputTimestamp = _firstOutput,
            IsolationNote = Missing(),
        });
    }

    private string? Missing()
    {
        var missing = (_plan.Network || _reports.Isolation.NetworkIsOff, _reports.Isolation.HasOwnPids) switch
        {
            (true, true) => null,
            (false, true) => "its network could not be taken away",
            (true, false) => "it had no PID namespace of its own",
            _ => "its network could not be taken away and it had no PID namespace of its own",
        };
        return missing is null ? null : $"{missing}: this host permits unprivileged processes no namespaces";
    }
}
