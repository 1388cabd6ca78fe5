using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gauntlet.Vmm.Protocols.Qmp;

namespace Gauntlet.Vmm.Tests.Qmp;

public sealed class QmpServerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-qmp-").FullName;
    private readonly TaskCompletionSource _quit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly QmpServer _server;

    public QmpServerTests()
    {
        var path = Path.Combine(_folder, "qmp");
        _server = new QmpServer(path, listen: true, new QmpCommands(null, ["pc-testdev"], () => _quit.TrySetResult()));
        _server.Start(wait: false);
    }

    public void Dispose()
    {
        _server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_session_greets_negotiates_answers_and_quits()
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        var greeting = await client.ReadAsync();
        Assert.True(greeting.GetProperty("QMP").GetProperty("version").GetProperty("qemu").TryGetProperty("major", out _));
        Assert.Equal("CommandNotFound", (await client.AskAsync("""{"execute":"query-status"}""")).GetProperty("error").GetProperty("class").GetString());
        Assert.Equal("{}", (await client.AskAsync("""{"execute":"qmp_capabilities"}""")).GetProperty("return").GetRawText());
        var status = await client.AskAsync("""{"execute":"query-status","id":7}""");
        Assert.Equal(("prelaunch", 7), (status.GetProperty("return").GetProperty("status").GetString(), status.GetProperty("id").GetInt32()));
        var types = await client.AskAsync("""{"execute":"qom-list-types","arguments":{"implements":"accel","abstract":false}}""");
        Assert.Equal(["kvm-accel", "tcg-accel"], types.GetProperty("return").EnumerateArray().Select(type => type.GetProperty("name").GetString()));
        Assert.False(_quit.Task.IsCompleted);
        await client.AskAsync("""{"execute":"quit"}""");
        await _quit.Task;
    }

    [Fact]
    public async Task A_command_may_come_in_pieces_and_two_in_one()
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        await client.ReadAsync();
        await client.SendAsync("""{"execute":"qmp_""");
        await client.SendAsync("capabilities\"} {\"execute\":\"query-version\"}\n");
        Assert.True((await client.ReadAsync()).TryGetProperty("return", out _));
        Assert.True((await client.ReadAsync()).GetProperty("return").TryGetProperty("qemu", out _));
    }

    [Theory]
    [InlineData("}\n")]
    [InlineData("[1,2]\n")]
    [InlineData("{\"execute\":5}\n")]
    [InlineData("{\"execute\":\"frobnicate\"}\n")]
    [InlineData("{\"execute\":\"human-monitor-command\"}\n")]
    [InlineData("{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":3}}\n")]
    [InlineData("\"\\ud800\"\n")]
    public async Task What_is_no_command_is_refused_and_the_session_goes_on(string line)
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        await client.ReadAsync();
        await client.AskAsync("""{"execute":"qmp_capabilities"}""");
        Assert.True((await client.AskAsync(line)).TryGetProperty("error", out _), line);
        Assert.True((await client.AskAsync("""{"execute":"query-version"}""")).TryGetProperty("return", out _));
    }

    [Fact]
    public async Task After_one_client_has_gone_the_next_is_served()
    {
        for (var i = 0; i < 3; i++)
        {
            using var client = new Client(Path.Combine(_folder, "qmp"));
            Assert.True((await client.ReadAsync()).TryGetProperty("QMP", out _));
        }
    }

    [Fact]
    public async Task A_command_without_an_end_closes_the_session_instead_of_filling_memory()
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        await client.ReadAsync();
        await client.SendAsync("{\"execute\":\"" + new string('x', 70_000));
        Assert.True(await client.IsClosedAsync());
    }

    private sealed class Client : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly StreamReader _reader;

        public Client(string path)
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path));
            _reader = new StreamReader(new NetworkStream(_socket), Encoding.UTF8);
        }

        public async Task SendAsync(string text) => await _socket.SendAsync(Encoding.UTF8.GetBytes(text));

        public async Task<JsonElement> ReadAsync() => JsonDocument.Parse((await _reader.ReadLineAsync())!).RootElement;

        public async Task<JsonElement> AskAsync(string command)
        {
            await SendAsync(command);
            return await ReadAsync();
        }

        public async Task<bool> IsClosedAsync()
        {
            try
            {
                return await _reader.ReadLineAsync() is null;
            }
            catch (IOException)
            {
                return true;
            }
        }

        public void Dispose() => _reader.Dispose();
    }
}
