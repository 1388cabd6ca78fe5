using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Protocols.Qmp;

namespace Gauntlet.Vmm.Tests.Qmp;

public sealed class QmpServerTests : IDisposable
{
    private readonly RingBufChardev _ring = new("ring", 16);
    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-qmp-").FullName;
    private readonly TaskCompletionSource _quit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SocketChardev _server;

    public QmpServerTests()
    {
        var path = Path.Combine(_folder, "qmp");
        _server = new SocketChardev("qmp", new SocketAddress(path), listens: true, waits: false);
        var context = new QmpContext { DeviceTypes = ["pc-testdev"], Name = "guest 1", Quit = () => _quit.TrySetResult(), Chardevs = [_server, _ring] };
        _ = new QmpSession(_server, new QmpCommands(context));
        _server.Start();
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
        Assert.Equal(["kvm-accel", "tcg-accel", "qtest-accel"], types.GetProperty("return").EnumerateArray().Select(type => type.GetProperty("name").GetString()));
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
    public async Task A_command_without_an_end_is_refused_instead_of_filling_memory()
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        await client.ReadAsync();
        var endless = Task.Run(() => client.SendAsync("{\"execute\":\"" + new string('x', JsonFramer.MaxTextBytes + 1)));
        Assert.Contains("bytes", (await client.ReadAsync()).GetProperty("error").GetProperty("desc").GetString(), StringComparison.Ordinal);
        await endless;
        Assert.True((await client.AskAsync("""{"execute":"qmp_capabilities"}""")).TryGetProperty("return", out _));
    }

    /// <summary>What a management tool says first: libvirt's probing of a binary, in its order.</summary>
    [Fact]
    public async Task The_first_handshake_of_a_management_tool_goes_through()
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        await client.ReadAsync();
        string[] recorded =
        [
            """{"execute":"qmp_capabilities","id":"libvirt-1"}""",
            """{"execute":"query-version","id":"libvirt-2"}""",
            """{"execute":"query-commands","id":"libvirt-4"}""",
            """{"execute":"query-kvm","id":"libvirt-5"}""",
            """{"execute":"qom-list-types","id":"libvirt-7"}""",
            """{"execute":"query-qmp-schema","id":"libvirt-3"}""",
            """{"execute":"qom-list-types","arguments":{"implements":"machine"},"id":"libvirt-8"}""",
            """{"execute":"query-machines","id":"libvirt-25"}""",
            """{"execute":"query-cpu-definitions","id":"libvirt-26"}""",
            """{"execute":"query-chardev","id":"libvirt-9"}""",
            """{"execute":"query-name","id":"libvirt-10"}""",
            """{"execute":"query-uuid","id":"libvirt-11"}""",
            """{"execute":"query-iothreads","id":"libvirt-12"}""",
            """{"execute":"query-memory-size-summary","id":"libvirt-13"}""",
            """{"execute":"query-status","id":"libvirt-14"}""",
        ];
        foreach (var command in recorded)
        {
            var answer = await client.AskAsync(command);
            Assert.True(answer.TryGetProperty("return", out _), $"{command}: {answer}");
            Assert.Equal(JsonDocument.Parse(command).RootElement.GetProperty("id").GetString(), answer.GetProperty("id").GetString());
        }
    }

    [Fact]
    public async Task The_schema_describes_every_command_with_its_arguments()
    {
        using var client = await Client.NegotiatedAsync(Path.Combine(_folder, "qmp"));
        var commands = (await client.AskAsync("""{"execute":"query-commands"}""")).GetProperty("return").EnumerateArray().Select(command => command.GetProperty("name").GetString());
        var schema = (await client.AskAsync("""{"execute":"query-qmp-schema"}""")).GetProperty("return").EnumerateArray().ToDictionary(
            entity => entity.GetProperty("name").GetString()!, entity => entity);
        foreach (var name in commands)
        {
            var argumentType = schema[name!].GetProperty("arg-type").GetString()!;
            foreach (var member in schema[argumentType].GetProperty("members").EnumerateArray())
                Assert.True(schema.ContainsKey(member.GetProperty("type").GetString()!));
        }
    }

    [Fact]
    public async Task Out_of_band_commands_are_refused_until_enabled_and_where_they_could_wait()
    {
        using var client = new Client(Path.Combine(_folder, "qmp"));
        await client.ReadAsync();
        Assert.True((await client.AskAsync("""{"execute":"qmp_capabilities","arguments":{"enable":["frob"]}}""")).TryGetProperty("error", out _));
        Assert.True((await client.AskAsync("""{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}""")).TryGetProperty("return", out _));
        Assert.Contains("OOB", (await client.AskAsync("""{"exec-oob":"query-cpus-fast"}""")).GetProperty("error").GetProperty("desc").GetString(), StringComparison.Ordinal);
        Assert.Equal(3, (await client.AskAsync("""{"execute":"query-status","id":3}""")).GetProperty("id").GetInt32());
    }

    [Fact]
    public async Task Strings_may_be_in_single_quotes_as_people_type_them()
    {
        using var client = await Client.NegotiatedAsync(Path.Combine(_folder, "qmp"));
        Assert.Equal("it's \"", (await client.AskAsync("""{'execute':'query-name','id':'it\'s "'}""")).GetProperty("id").GetString());
    }

    [Fact]
    public async Task A_ring_buffer_keeps_the_newest_bytes()
    {
        using var client = await Client.NegotiatedAsync(Path.Combine(_folder, "qmp"));
        _ring.Write("0123456789abcdefXYZ"u8);
        Assert.Equal("3456", (await client.AskAsync("""{"execute":"ringbuf-read","arguments":{"device":"ring","size":4}}""")).GetProperty("return").GetString());
        Assert.Equal(Convert.ToBase64String("789abcdefXYZ"u8), (await client.AskAsync("""{"execute":"ringbuf-read","arguments":{"device":"ring","size":99,"format":"base64"}}""")).GetProperty("return").GetString());
        Assert.True((await client.AskAsync("""{"execute":"ringbuf-read","arguments":{"device":"qmp","size":4}}""")).TryGetProperty("error", out _));
    }

    private sealed class Client : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly StreamReader _reader;

        public Client(string path)
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path));
            _reader = new StreamReader(new NetworkStream(_socket, ownsSocket: true), Encoding.UTF8);
        }

        public async Task SendAsync(string text) => await _socket.SendAsync(Encoding.UTF8.GetBytes(text));

        public async Task<JsonElement> ReadAsync() => JsonDocument.Parse((await _reader.ReadLineAsync())!).RootElement;

        public async Task<JsonElement> AskAsync(string command)
        {
            await SendAsync(command);
            return await ReadAsync();
        }

        public static async Task<Client> NegotiatedAsync(string path)
        {
            var client = new Client(path);
            await client.ReadAsync();
            await client.AskAsync("""{"execute":"qmp_capabilities"}""");
            return client;
        }

        public void Dispose() => _reader.Dispose();
    }
}
