using System.Net.Sockets;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Tests.Drivers;

public sealed class QmpTests
{
    private const string Greeting = """{"QMP": {"version": {}, "capabilities": ["oob"]}}""";

    [Fact]
    public async Task A_command_gets_its_answer_and_events_are_passed_over()
    {
        using var server = new Server(Greeting, """{"return": {}}""", "{\"event\": \"RESET\", \"timestamp\": {}}\r\n{\"return\": \"CPU#0\"}");
        await using var qmp = await QmpClient.ConnectAsync(server.Path, default);
        Assert.Equal("CPU#0", await qmp.ExecuteHumanAsync("info \"registers\"", default));
        Assert.Contains("-> {\"execute\":\"human-monitor-command\"", qmp.Log, StringComparison.Ordinal);
        Assert.Contains("<- {\"event\": \"RESET\"", qmp.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hello")]
    [InlineData("[1]")]
    [InlineData("{}")]
    [InlineData("{\"QMP\"")]
    [InlineData("")]
    public async Task What_does_not_greet_as_qmp_is_told(string greeting)
    {
        using var server = new Server(greeting);
        await Assert.ThrowsAsync<QmpException>(() => QmpClient.ConnectAsync(server.Path, default));
    }

    [Fact]
    public async Task An_error_is_thrown_with_its_description()
    {
        using var server = new Server(Greeting, """{"return": {}}""", """{"error": {"class": "CommandNotFound", "desc": "no such thing"}}""");
        await using var qmp = await QmpClient.ConnectAsync(server.Path, default);
        var error = await Assert.ThrowsAsync<QmpException>(() => qmp.ExecuteAsync("query-nothing", null, default));
        Assert.Contains("no such thing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_a_server_sends_nothing_else_is_thrown()
    {
        var piece = Gen.Elements("{", "}", "\"return\"", ":", "null", "[", "]", "\n", "\"error\"", "1", "\u0000", "{\"return\":{}}\n", "{\"error\":3}\n", "{\"error\":{\"desc\":7}}\n");
        Prop.ForAll(Arb.From(piece.ArrayOf().Select(string.Concat)), text =>
        {
            using var server = new Server(Greeting, text);
            try
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                var qmp = QmpClient.ConnectAsync(server.Path, limit.Token).GetAwaiter().GetResult();
                qmp.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }
            catch (Exception e) when (e is QmpException or IOException)
            {
                // Told.
            }
            return true;
        }).Holds();
    }

    [Fact]
    public void The_program_counters_of_each_architecture_are_found()
    {
        const string x86 = "\nCPU#0\nRAX=0000000000000001 RBX=0\nRIP=0000000000400f7e RFL=00000293 [--S-A-C] CPL=0 II=0 A20=1 SMM=0 HLT=0\n\nCPU#1\nEIP=00008000 EFL=00000002 HLT=1\n";
        Assert.Equal([new(0, 0x400f7e, false), new(1, 0x8000, true)], GuestInspector.Parse(x86));
        const string arm = "\nCPU#0\n PC=0000000040080000 X00=0000000000000000 X01=0\nPSTATE=600003c5 -ZC- EL1h\n";
        Assert.Equal([new(0, 0x40080000, false)], GuestInspector.Parse(arm));
        const string riscv = "\nCPU#0\n V      =   0\n pc       0000000080200040\n mhartid  0000000000000000\n";
        Assert.Equal([new(0, 0x80200040, false)], GuestInspector.Parse(riscv));
    }

    [Fact]
    public void Any_text_of_registers_is_described()
    {
        var inspector = new GuestInspector("/none", null);
        Prop.ForAll(ArbMap.Default.ArbFor<string>(), text => inspector.Describe(text ?? "").Length > 0).Holds();
    }

    [Fact]
    public void A_guest_that_cycles_through_few_states_makes_no_progress_and_one_that_counts_does()
    {
        var cycling = new StallWatch.VcpuStates();
        Assert.True(Enumerable.Range(0, StallWatch.Samples).All(i => cycling.Add($"CPU#0\nRIP={i % 7}\nCPU#1\nHLT=1\n", i < StallWatch.Samples / 2)));
        var counting = new StallWatch.VcpuStates();
        Assert.False(Enumerable.Range(0, StallWatch.Samples).All(i => counting.Add($"CPU#0\nRIP=1 RCX={i}\n", i < StallWatch.Samples / 2)));
        // Slowly: a new state every two seconds of CPU time.
        var slow = new StallWatch.VcpuStates();
        Assert.False(Enumerable.Range(0, StallWatch.Samples).All(i => slow.Add($"CPU#0\nRIP={i / 40}\n", i < StallWatch.Samples / 2)));
        // A loop has rare states.
        var rare = new StallWatch.VcpuStates();
        Assert.True(Enumerable.Range(0, StallWatch.Samples).All(i => rare.Add($"CPU#0\nRIP={(i % 200 == 199 ? i : 1)}\n", i < StallWatch.Samples / 2)));
        Assert.False(new StallWatch.VcpuStates().Add("", true));
    }

    /// <summary>Sends a line, then one for each line it gets, and closes.</summary>
    private sealed class Server : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

        public Server(params string[] answers)
        {
            Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"gauntlet-test-{System.IO.Path.GetRandomFileName()}");
            _listener.Bind(new UnixDomainSocketEndPoint(Path));
            _listener.Listen();
            _ = Task.Run(async () =>
            {
                using var stream = new NetworkStream(await _listener.AcceptAsync(), ownsSocket: true);
                using var reader = new StreamReader(stream);
                await stream.WriteAsync(Encoding.UTF8.GetBytes(answers[0] + "\n"));
                foreach (var answer in answers.Skip(1))
                {
                    await reader.ReadLineAsync();
                    await stream.WriteAsync(Encoding.UTF8.GetBytes(answer + "\n"));
                }
            });
        }

        public string Path { get; }

        public void Dispose()
        {
            _listener.Dispose();
            File.Delete(Path);
        }
    }
}
