using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Verdicts;

namespace Gauntlet.Harness.Nesting;

/// <summary>A Linux that runs as L1, and takes one command after the other.</summary>
internal sealed class L1Machine : IAsyncDisposable
{
    /// <summary>CPU time, and time in all, in which an L1 comes up or does not; a healthy one takes some five seconds.</summary>
    private static readonly TimeSpan s_bootCpu = TimeSpan.FromSeconds(90), s_bootWall = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan s_bootInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Lines of the L1's console that are kept for a message or an artifact.</summary>
    private const int KeptLines = 400;

    private readonly ScratchFolder _scratch = ScratchFolder.Create();
    private readonly List<Socket> _ports = [];
    private readonly Queue<string> _console = [];
    private readonly Task<AttemptExit> _ending;
    private string? _panic, _lastError;
    private bool _serves;
    private long _requests;

    private L1Machine(L1Spec spec, Func<ScratchFolder, IReadOnlyList<string>, Action<string>, Action<string>, IAttemptProcess> start, IReadOnlyList<string> sockets)
    {
        Spec = spec;
        Process = start(_scratch, [.. sockets.Select(name => Path.Combine(_scratch.Path, name))], OnConsole, line => _lastError = line);
        _ending = Process.WaitAsync(CancellationToken.None);
    }

    public L1Spec Spec { get; }

    public IAttemptProcess Process { get; }

    public ProcessUsage Usage => ProcessTree.Sample(Process.ProcessId);

    /// <summary>It may take another command: it answers, and its kernel has not said that it is damaged.</summary>
    public bool IsFit => _serves && _panic is null;

    /// <summary>Starts one and waits until its agent is there.</summary>
    /// <exception cref="L1Exception">It does not come up.</exception>
    public static async Task<L1Machine> StartAsync(IAttemptLauncher launcher, L1Spec spec, CancellationToken cancellation)
    {
        var listeners = new List<Socket>();
        L1Machine? machine = null;
        try
        {
            machine = new L1Machine(
                spec,
                (scratch, sockets, onConsole, onError) =>
                {
                    foreach (var socket in sockets)
                    {
                        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                        listeners.Add(listener);
                        listener.Bind(new UnixDomainSocketEndPoint(socket));
                        listener.Listen(1);
                    }
                    var plan = new LaunchPlan
                    {
                        CommandLine = spec.CommandLine(sockets),
                        Environment = new Dictionary<string, string> { ["TMPDIR"] = scratch.Path },
                        WorkingDirectory = scratch.Path,
                        BusyThreads = spec.Cpus,
                        MemoryBytes = spec.MemoryBytes,
                    };
                    return launcher.Start(plan, new AttemptLimits { ResidentBytes = spec.MemoryBytes + (1L << 30) }, onConsole, onError);
                },
                L1Agent.Ports);
            await machine.ComeUpAsync(listeners, cancellation);
            return machine;
        }
        catch (Exception e)
        {
            if (machine is not null)
                await machine.DisposeAsync();
            // ArgumentException: the temporary folder's path is longer than a socket's may be.
            if (e is SocketException or ArgumentException)
                throw new L1Exception($"the L1's ports could not be made: {e.Message}", e);
            throw;
        }
        finally
        {
            foreach (var listener in listeners)
                listener.Dispose();
        }
    }

    /// <summary>Bytes from a port.</summary>
    /// <returns>0: the L1 is gone.</returns>
    public async ValueTask<int> ReceiveAsync(string port, Memory<byte> buffer, CancellationToken cancellation)
    {
        try
        {
            return await Port(port).ReceiveAsync(buffer, cancellation);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }

    public async Task SendAsync(string port, string line, CancellationToken cancellation)
    {
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        try
        {
            for (var sent = 0; sent < bytes.Length;)
                sent += await Port(port).SendAsync(bytes.AsMemory(sent), cancellation);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw await DeadAsync();
        }
    }

    /// <summary>Writes a script where the agent finds it, under a name that was never looked up there: the L1 keeps what it read of the host's files.</summary>
    public string PutRequest(string script)
    {
        var path = Path.Combine(_scratch.Path, string.Create(CultureInfo.InvariantCulture, $"request-{++_requests}"));
        File.WriteAllText(path, script);
        return path;
    }

    /// <summary>What the L1's kernel said since the last call; empty: nothing.</summary>
    public string TakeConsole()
    {
        lock (_console)
        {
            var text = string.Join('\n', _console);
            _console.Clear();
            return text;
        }
    }

    /// <summary>It has ended, which is waited for a moment, or it does not answer.</summary>
    public async Task<L1Exception> DeadAsync()
    {
        _serves = false;
        await Task.WhenAny(_ending, Task.Delay(TimeSpan.FromSeconds(5)));
        string? last;
        lock (_console)
            last = _console.LastOrDefault();
        if (_panic is not null)
            return new L1Exception($"the L1's kernel ({Spec.KernelName}) died: {ConsoleText.Shorten(_panic, 200)}");
        var how = !_ending.IsCompleted ? "no longer answers"
            : _ending.IsCompletedSuccessfully && _ending.Result.Signal is { } signal ? $"was ended by {SignalName.Of(signal)}"
            : "ended";
        var said = _lastError ?? last;
        return new L1Exception($"the L1 ({Spec.KernelName}) {how}{(said is null ? "" : $"; lastly: {ConsoleText.Shorten(said, 200)}")}");
    }

    public async ValueTask DisposeAsync()
    {
        _serves = false;
        await Process.DisposeAsync();
        await ((Task)_ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var port in _ports)
            port.Dispose();
        _scratch.Dispose();
    }

    private Socket Port(string name) => _ports[L1Agent.Ports.Index().First(port => port.Item == name).Index];

    private void OnConsole(string line)
    {
        line = ConsoleText.Clean(line).Trim();
        if (line.Length == 0)
            return;
        lock (_console)
        {
            _console.Enqueue(line);
            if (_console.Count > KeptLines)
                _console.Dequeue();
        }
        if (_panic is null && KernelPanic.Is(line))
            _panic = line;
    }

    private async Task ComeUpAsync(List<Socket> listeners, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        foreach (var listener in listeners)
            _ports.Add(await UnlessLateAsync(listener.AcceptAsync(cancellation).AsTask(), start, cancellation));
        var word = new byte[L1Agent.MarkerLength];
        for (var length = 0; length < word.Length;)
        {
            var got = await UnlessLateAsync(ReceiveAsync(L1Agent.Control, word.AsMemory(length), cancellation).AsTask(), start, cancellation);
            length += got > 0 ? got : throw await DeadAsync();
        }
        var said = Encoding.ASCII.GetString(word).Trim();
        if (said != L1Agent.Ready)
            throw new L1Exception($"the L1's kernel ({Spec.KernelName}) cannot serve: {said.Replace(L1Agent.Failed, "", StringComparison.Ordinal)}");
        TakeConsole();
        _serves = true;
    }

    private async Task<T> UnlessLateAsync<T>(Task<T> task, long start, CancellationToken cancellation)
    {
        while (await Task.WhenAny(task, _ending, Task.Delay(s_bootInterval, cancellation)) is var first && first != task)
        {
            cancellation.ThrowIfCancellationRequested();
            if (first == _ending)
                throw await DeadAsync();
            if (Usage.Cpu > s_bootCpu || Stopwatch.GetElapsedTime(start) > s_bootWall)
                throw new L1Exception($"the L1's kernel ({Spec.KernelName}) does not come up within {s_bootCpu.TotalSeconds:0} s of CPU time: {(await DeadAsync()).Message}");
        }
        return await task;
    }
}
