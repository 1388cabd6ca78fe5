using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Tests.Nesting;

/// <summary>An L1 without a Linux: connects to the ports as QEMU does, and says on them what a test has it say.</summary>
/// <param name="firstWord">The agent's.</param>
/// <param name="serve">One command: the marker comes with it.</param>
internal sealed class FakeL1(string firstWord, Func<FakeL1, string, Task> serve) : IAttemptLauncher
{
    private readonly List<Socket> _ports = [];
    private readonly TaskCompletionSource<AttemptExit> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action<string>? _onConsole;

    public int Started { get; private set; }

    public bool Dead => _end.Task.IsCompleted;

    public List<string> Requests { get; } = [];

    public static L1Spec Spec { get; } = new("/qemu", "tcg", "max,+svm", "/vmlinuz", "linux 6.1", "/initramfs", 1, 1536);

    public IAttemptProcess Start(LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine = null, Action<string>? onErrorLine = null)
    {
        Started++;
        _onConsole = onConsoleLine;
        foreach (var word in plan.CommandLine.Where(word => word.StartsWith("socket,", StringComparison.Ordinal)))
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(word[(word.IndexOf("path=", StringComparison.Ordinal) + 5)..]));
            _ports.Add(socket);
        }
        _ = Task.Run(ServeAsync);
        return new Process(this);
    }

    public Task SayAsync(string port, string text) => SayAsync(port, Encoding.UTF8.GetBytes(text));

    public async Task SayAsync(string port, byte[] bytes) => await _ports[L1Agent.Ports.ToList().IndexOf(port)].SendAsync(bytes);

    /// <summary>A word on the watch port.</summary>
    public async Task<string> HearAsync()
    {
        var buffer = new byte[16];
        return Encoding.ASCII.GetString(buffer, 0, await _ports[3].ReceiveAsync(buffer)).Trim();
    }

    /// <param name="status">As wait(2) has it: the exit status shifted by 8, or a signal.</param>
    public Task ReportEndAsync(int status)
    {
        var report = new byte[SupervisorReport.Length];
        BinaryPrimitives.WriteInt32LittleEndian(report, (int)SupervisorEvent.Exited);
        BinaryPrimitives.WriteInt32LittleEndian(report.AsSpan(4), status);
        return SayAsync(L1Agent.Control, report);
    }

    public async Task EndAsync(string marker)
    {
        foreach (var port in (string[])[L1Agent.Output, L1Agent.Error, L1Agent.Control])
            await SayAsync(port, marker);
    }

    public void SayOnConsole(string line) => _onConsole!(line);

    public void Die()
    {
        foreach (var port in _ports)
            port.Dispose();
        _end.TrySetResult(new AttemptExit(0, null, LimitHit.None, TimeSpan.Zero, TimeSpan.Zero, 0, new KeptOutput([], 0), new KeptOutput([], 0), new Dictionary<string, string>()));
    }

    private async Task ServeAsync()
    {
        try
        {
            await SayAsync(L1Agent.Control, firstWord.PadRight(L1Agent.MarkerLength));
            using var reader = new StreamReader(new NetworkStream(_ports[0]), Encoding.UTF8);
            while (await reader.ReadLineAsync() is { } line)
            {
                var words = line.Split(' ', 2);
                Requests.Add(await File.ReadAllTextAsync(words[1]));
                await serve(this, words[0]);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // It was ended.
        }
    }

    private sealed class Process(FakeL1 l1) : IAttemptProcess
    {
        public int ProcessId => 0;

        public double BusyCpus => 1;

        public Task<AttemptExit> WaitAsync(CancellationToken cancellation) => l1._end.Task.WaitAsync(cancellation);

        public Task KillAsync()
        {
            l1.Die();
            return Task.CompletedTask;
        }

        public async ValueTask DisposeAsync() => await KillAsync();
    }
}
