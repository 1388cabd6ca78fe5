using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Nesting;

/// <summary>
/// A VMM in an L1, seen as one that runs here: its console, its status, its limits. CPU time is the L1's as this host counts it, for it runs nothing else meanwhile. At a limit the
/// L1's agent is asked to end the case; where even that does not happen, the L1 is what hangs, and the case is not judged.
/// </summary>
internal sealed class L1Attempt : IAttemptProcess
{
    private static readonly TimeSpan s_sampleInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>For the agent to end a case: CPU time of the L1, and time in all.</summary>
    private static readonly TimeSpan s_endCpu = TimeSpan.FromSeconds(20), s_endWall = TimeSpan.FromSeconds(60);

    /// <summary>As with other attempts (see <see cref="AttemptProcess"/>).</summary>
    private const double MaxForgiveness = 10;

    private const int ReadBytes = 64 << 10;

    private readonly L1Pool _pool;
    private readonly LaunchPlan _plan;
    private readonly AttemptLimits _limits;
    private readonly OutputKeeper _console, _error;
    private readonly LineSplitter _lines, _errorLines;
    private readonly CancellationTokenSource _kill = new();
    private readonly Task<AttemptExit> _running;
    private readonly byte[] _marker = Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(L1Agent.MarkerLength, lowercase: true));
    private readonly SupervisorReports _reports = new();
    private LimitHit _limit;
    private long _firstOutput;
    private volatile IAttemptProcess? _process;

    public L1Attempt(L1Pool pool, LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine, Action<string>? onErrorLine)
    {
        (_pool, _plan, _limits) = (pool, plan, limits);
        (_console, _error) = (new OutputKeeper(limits.OutputBytes), new OutputKeeper(limits.OutputBytes));
        (_lines, _errorLines) = (new LineSplitter(onConsoleLine ?? (_ => { })), new LineSplitter(onErrorLine ?? (_ => { })));
        _running = Task.Run(RunAsync);
    }

    /// <summary>The L1's.</summary>
    public int ProcessId => _process?.ProcessId ?? 0;

    public double BusyCpus => _process?.BusyCpus ?? _plan.BusyThreads;

    public Task<AttemptExit> WaitAsync(CancellationToken cancellation) => _running.WaitAsync(cancellation);

    public async Task KillAsync()
    {
        await _kill.CancelAsync();
        await ((Task)_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _kill.Dispose();
    }

    private async Task<AttemptExit> RunAsync()
    {
        L1Machine? machine = null;
        var fault = (string?)null;
        var (start, before) = (0L, default(ProcessUsage));
        try
        {
            machine = await _pool.RentAsync(_plan.L1!, _kill.Token);
            _process = machine.Process;
            (start, before) = (Stopwatch.GetTimestamp(), machine.Usage);
            await RunInAsync(machine, start, before);
        }
        catch (L1Exception e)
        {
            fault = e.Message;
        }
        catch (OperationCanceledException) when (_kill.IsCancellationRequested)
        {
            // Before it began.
        }
        var cpu = machine is null ? TimeSpan.Zero : machine.Usage.Cpu - before.Cpu;
        var said = machine?.TakeConsole() ?? "";
        _process = null;
        if (machine is not null)
            await _pool.ReturnAsync(machine);
        _lines.Finish();
        _errorLines.Finish();
        if (_reports.StartFailure($"{_plan.CommandLine[0]} in the L1") is { } failure)
            throw failure;
        return new AttemptExit(
            _limit == LimitHit.None ? _reports.Exited?.ExitStatus : null, _limit == LimitHit.None && _reports.Exited is { } exited ? exited.Signal : Libc.SIGKILL, _limit,
            _reports.Exited?.Wall ?? (start == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(start)), cpu > TimeSpan.Zero ? cpu : _reports.Gone?.Cpu ?? TimeSpan.Zero, _reports.Gone?.PeakMemoryBytes ?? 0,
            _console.Take(), _error.Take(), said.Length == 0 ? new Dictionary<string, string>() : new Dictionary<string, string> { ["l1-console.log"] = said + "\n" })
        {
            KilledByCaller = _kill.IsCancellationRequested && _limit == LimitHit.None,
            FirstOutputTimestamp = _firstOutput,
            InfraFault = fault,
        };
    }

    /// <summary>Sends the command, and reads what comes back until all three ports had the marker.</summary>
    private async Task RunInAsync(L1Machine machine, long start, ProcessUsage before)
    {
        using var over = new CancellationTokenSource();
        var request = machine.PutRequest(L1Agent.Request(_plan.CommandLine, AttemptLauncher.EnvironmentOf(_plan), _limits.FileBytes));
        await machine.SendAsync(L1Agent.Control, $"{Encoding.ASCII.GetString(_marker)} {request}", over.Token);
        var reading = Task.WhenAll(ReadAsync(machine, L1Agent.Output, _console, _lines, over.Token), ReadAsync(machine, L1Agent.Error, _error, _errorLines, over.Token), ReadReportsAsync(machine, over.Token));
        try
        {
            await WatchAsync(machine, reading, start, before);
            await reading;
        }
        finally
        {
            await over.CancelAsync();
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_reports.IsOpen && _limit == LimitHit.None && !_kill.IsCancellationRequested)
            throw new L1Exception($"the L1's agent could not run the case: {Encoding.UTF8.GetString(_error.Take().Bytes).Trim()}");
    }

    /// <summary>Until all is read, or the L1 is given up.</summary>
    private async Task WatchAsync(L1Machine machine, Task reading, long start, ProcessUsage before)
    {
        (long At, TimeSpan Cpu)? ending = null;
        while (!reading.IsCompleted)
        {
            await Task.WhenAny(reading, Task.Delay(s_sampleInterval));
            var usage = machine.Usage;
            if (ending is null)
            {
                _limit = LimitOf(Stopwatch.GetElapsedTime(start), usage.Cpu - before.Cpu, usage.Delayed - before.Delayed);
                if (_limit == LimitHit.None && !_kill.IsCancellationRequested)
                    continue;
                if (reading.IsCompleted)
                    return;
                ending = (Stopwatch.GetTimestamp(), usage.Cpu);
                await machine.SendAsync(L1Agent.Watch, L1Agent.End, CancellationToken.None);
            }
            else if (usage.Cpu - ending.Value.Cpu > s_endCpu || Stopwatch.GetElapsedTime(ending.Value.At) > s_endWall)
            {
                _limit = LimitHit.None;
                throw await machine.DeadAsync();
            }
        }
    }

    private LimitHit LimitOf(TimeSpan wall, TimeSpan cpu, TimeSpan delayed)
    {
        if (Math.Max(_console.TotalLength, _error.TotalLength) > _limits.OutputFloodBytes)
            return LimitHit.Output;
        if (cpu >= _limits.CpuTime)
            return LimitHit.CpuTime;
        if (_limits.WallTime is not { } limit)
            return LimitHit.None;
        // The thread that waited most may be another one than before: then the difference says less than nothing.
        var forgiven = Math.Clamp(delayed.TotalSeconds, 0, _limits.ForgiveDelays ? limit.TotalSeconds * MaxForgiveness : 0);
        return wall.TotalSeconds >= limit.TotalSeconds + forgiven ? LimitHit.WallTime : LimitHit.None;
    }

    private async Task ReadAsync(L1Machine machine, string port, OutputKeeper keeper, LineSplitter lines, CancellationToken cancellation)
    {
        var output = new MarkedOutput(_marker, bytes =>
        {
            if (_firstOutput == 0 && port == L1Agent.Output)
                _firstOutput = Stopwatch.GetTimestamp();
            keeper.Append(bytes);
            if (_limit != LimitHit.Output)
                lines.Append(bytes);
        });
        var buffer = new byte[ReadBytes];
        while (!output.Ended)
        {
            var length = await machine.ReceiveAsync(port, buffer, cancellation);
            if (length == 0)
                throw await machine.DeadAsync();
            output.Append(buffer.AsSpan(0, length));
        }
    }

    /// <summary>Reports and the marker are of one length.</summary>
    private async Task ReadReportsAsync(L1Machine machine, CancellationToken cancellation)
    {
        var record = new byte[SupervisorReport.Length];
        while (true)
        {
            for (var length = 0; length < record.Length;)
            {
                var got = await machine.ReceiveAsync(L1Agent.Control, record.AsMemory(length), cancellation);
                length += got > 0 ? got : throw await machine.DeadAsync();
            }
            if (record.AsSpan().SequenceEqual(_marker))
                return;
            _reports.Add(SupervisorReport.Parse(record));
        }
    }
}
