using System.Net.Sockets;
using System.Text.Json;

namespace Gauntlet.Vmm.Tests.Qmp;

/// <summary>QMP as the program serves it, on a machine whose CPUs stand still.</summary>
public sealed class MachineQmpTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-qmp-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>What libvirt asks a machine that it has just started, in its order.</summary>
    [Fact]
    public async Task The_queries_of_a_management_tool_at_start_are_answered()
    {
        await using var machine = await QmpClient.StartAsync("-drive", "file=null-co://,id=hd0,if=virtio", "-device", "virtio-rng-pci", "-name", "guest 1", "-S");
        string[] recorded =
        [
            """{"execute":"query-version","id":"libvirt-2"}""",
            """{"execute":"query-commands","id":"libvirt-3"}""",
            """{"execute":"query-kvm","id":"libvirt-5"}""",
            """{"execute":"query-cpus-fast","id":"libvirt-6"}""",
            """{"execute":"query-current-machine","id":"libvirt-7"}""",
            """{"execute":"qom-list","arguments":{"path":"/machine"},"id":"libvirt-8"}""",
            """{"execute":"qom-list","arguments":{"path":"/machine/unattached"},"id":"libvirt-9"}""",
            """{"execute":"qom-get","arguments":{"path":"/machine","property":"type"},"id":"libvirt-10"}""",
            """{"execute":"query-chardev","id":"libvirt-11"}""",
            """{"execute":"query-iothreads","id":"libvirt-12"}""",
            """{"execute":"query-block","id":"libvirt-13"}""",
            """{"execute":"query-named-block-nodes","arguments":{"flat":true},"id":"libvirt-14"}""",
            """{"execute":"query-pci","id":"libvirt-15"}""",
            """{"execute":"query-name","id":"libvirt-16"}""",
            """{"execute":"query-uuid","id":"libvirt-17"}""",
            """{"execute":"query-memory-size-summary","id":"libvirt-18"}""",
            """{"execute":"query-status","id":"libvirt-19"}""",
            """{"execute":"cont","id":"libvirt-20"}""",
        ];
        foreach (var command in recorded)
        {
            var answer = await machine.AskAsync(command);
            Assert.True(answer.TryGetProperty("return", out _), $"{command}: {answer}");
            Assert.Equal(JsonDocument.Parse(command).RootElement.GetProperty("id").GetString(), answer.GetProperty("id").GetString());
        }
        Assert.Equal("running", (await machine.ReturnAsync("""{"execute":"query-status"}""")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Disks_and_pci_functions_are_those_that_the_machine_has()
    {
        await using var machine = await QmpClient.StartAsync("-drive", "file=null-co://,id=hd0,size=1M", "-device", "virtio-blk-pci,drive=hd0,addr=7", "-device", "virtio-rng-pci");
        var disk = Assert.Single((await machine.ReturnAsync("""{"execute":"query-block"}""")).EnumerateArray());
        Assert.Equal(("hd0", 1 << 20), (disk.GetProperty("device").GetString(), disk.GetProperty("inserted").GetProperty("image").GetProperty("virtual-size").GetInt32()));
        var functions = (await machine.ReturnAsync("""{"execute":"query-pci"}"""))[0].GetProperty("devices").EnumerateArray().Select(Describe).ToList();
        Assert.Contains("7: 1af4:1042", functions);
        Assert.Contains(functions, function => function.EndsWith("1af4:1044", StringComparison.Ordinal));
        Assert.Contains("0: 8086:1237", functions);
        var monitor = await machine.ReturnAsync("""{"execute":"human-monitor-command","arguments":{"command-line":"info pci"}}""");
        Assert.Contains("1af4:1042", monitor.GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_schema_tells_which_commands_answer_nothing()
    {
        await using var machine = await QmpClient.StartAsync();
        var schema = (await machine.ReturnAsync("""{"execute":"query-qmp-schema"}""")).EnumerateArray().ToList();
        Assert.Equal(("q_empty", "any"), (Answer("system_reset"), Answer("query-status")));
        Assert.Contains(schema, entry => entry.GetProperty("meta-type").GetString() == "event" && entry.GetProperty("name").GetString() == "BLOCK_IO_ERROR");

        string? Answer(string command) => schema.Single(entry => entry.GetProperty("name").GetString() == command).GetProperty("ret-type").GetString();
    }

    [Theory]
    [InlineData("none")]
    [InlineData("pc")]
    [InlineData("q35")]
    [InlineData("microvm")]
    public async Task The_monitor_knows_every_word_that_its_help_names(string board)
    {
        await using var machine = await QmpClient.StartAsync("-machine", board);
        var help = await MonitorAsync(machine, "help info");
        var lines = help.Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length > 10, help);
        foreach (var line in lines)
        {
            Assert.StartsWith("info ", line, StringComparison.Ordinal);
            var command = string.Join(' ', line.Split(' ')[..2]);
            Assert.DoesNotContain("unknown command", await MonitorAsync(machine, command), StringComparison.Ordinal);
        }
        Assert.Equal(help, await MonitorAsync(machine, "info"));
        Assert.Contains("unknown command", await MonitorAsync(machine, "info colours"), StringComparison.Ordinal);
    }

    private static async Task<string> MonitorAsync(QmpClient machine, string command) =>
        (await machine.ReturnAsync($$$"""{"execute":"human-monitor-command","arguments":{"command-line":"{{{command}}}"}}""")).GetString()!;

    [Fact]
    public async Task Nodes_are_told_by_the_monitor_and_with_each_cpu()
    {
        await using var machine = await QmpClient.StartAsync("-machine", "pc,smp.cpus=4,memory-backend=m", "-object", "memory-backend-ram,id=m,size=64M", "-numa", "node,memdev=m,cpus=0-2", "-numa", "node,cpus=3");
        var cpus = await machine.ReturnAsync("""{"execute":"query-cpus-fast"}""");
        Assert.Equal([(0, 0), (1, 0), (2, 0), (3, 1)], cpus.EnumerateArray().Select(static cpu => cpu.GetProperty("props")).Select(static props => (props.GetProperty("core-id").GetInt32(), props.GetProperty("node-id").GetInt32())));
        Assert.Equal(64 << 20, (await machine.ReturnAsync("""{"execute":"query-memory-size-summary"}""")).GetProperty("base-memory").GetInt32());
        var text = (await machine.ReturnAsync("""{"execute":"human-monitor-command","arguments":{"command-line":"info numa"}}""")).GetString();
        Assert.Equal("2 nodes\r\nnode 0 cpus: 0 1 2\r\nnode 0 size: 64 MB\r\nnode 0 plugged: 0 MB\r\nnode 1 cpus: 3\r\nnode 1 size: 0 MB\r\nnode 1 plugged: 0 MB\r\n", text);
    }

    [Fact]
    public async Task A_device_is_plugged_found_and_pulled()
    {
        await using var machine = await QmpClient.StartAsync();
        await machine.ReturnAsync("""{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"d0","size":65536}}""");
        await machine.ReturnAsync("""{"execute":"device_add","arguments":{"driver":"virtio-blk-pci","drive":"d0","id":"disk","addr":"9"}}""");
        Assert.Contains("9: 1af4:1042", await FunctionsAsync(machine));
        Assert.Equal("d0", (await machine.ReturnAsync("""{"execute":"query-block"}"""))[0].GetProperty("device").GetString());
        // In use, and taken.
        Assert.Contains("in use", await machine.ErrorAsync("""{"execute":"blockdev-del","arguments":{"node-name":"d0"}}"""), StringComparison.Ordinal);
        Assert.Contains("Duplicate", await machine.ErrorAsync("""{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"disk"}}"""), StringComparison.Ordinal);
        Assert.Contains("slot", await machine.ErrorAsync("""{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"rng","addr":"9"}}"""), StringComparison.Ordinal);

        await machine.ReturnAsync("""{"execute":"device_del","arguments":{"id":"disk"}}""");
        var deleted = await machine.EventAsync("DEVICE_DELETED");
        Assert.Equal("disk", deleted.GetProperty("device").GetString());
        Assert.DoesNotContain("9: 1af4:1042", await FunctionsAsync(machine));
        Assert.Empty((await machine.ReturnAsync("""{"execute":"query-block"}""")).EnumerateArray());
        Assert.Contains("not found", await machine.ErrorAsync("""{"execute":"device_del","arguments":{"id":"disk"}}"""), StringComparison.Ordinal);
        // Both are free again.
        await machine.ReturnAsync("""{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"disk","addr":"9"}}""");
        Assert.Contains("9: 1af4:1044", await FunctionsAsync(machine));
    }

    [Fact]
    public async Task A_serial_port_is_plugged_into_its_controller_and_pulled()
    {
        await using var machine = await QmpClient.StartAsync("-device", "virtio-serial-pci,id=vs", "-device", "virtserialport,name=first,id=p1");
        await machine.ReturnAsync("""{"execute":"device_add","arguments":{"driver":"virtserialport","id":"p2","bus":"vs.0","name":"second"}}""");
        Assert.Contains("Duplicate", await machine.ErrorAsync("""{"execute":"device_add","arguments":{"driver":"virtserialport","id":"p2"}}"""), StringComparison.Ordinal);
        Assert.Contains("'second'", await machine.ErrorAsync("""{"execute":"device_add","arguments":{"driver":"virtserialport","id":"p3","name":"second"}}"""), StringComparison.Ordinal);
        foreach (var id in (string[])["p2", "p1"])
        {
            await machine.ReturnAsync($$$"""{"execute":"device_del","arguments":{"id":"{{{id}}}"}}""");
            Assert.Equal(id, (await machine.EventAsync("DEVICE_DELETED")).GetProperty("device").GetString());
        }
        Assert.Contains("not found", await machine.ErrorAsync("""{"execute":"device_del","arguments":{"id":"p1"}}"""), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_device_announces_itself_and_stops_when_told()
    {
        var (here, there) = (Path.Combine(_folder, "here"), Path.Combine(_folder, "there"));
        using var network = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        network.Bind(new UnixDomainSocketEndPoint(there));
        await using var machine = await QmpClient.StartAsync("-netdev", $"dgram,id=n,local.type=unix,local.path={here},remote.type=unix,remote.path={there}",
            "-device", "virtio-net-pci,netdev=n,mac=52:54:00:aa:bb:cc");
        await machine.ReturnAsync(Announce(rounds: 3));
        var frame = new byte[128];
        for (var round = 0; round < 3; round++)
        {
            Assert.Equal(60, await network.ReceiveAsync(frame));
            Assert.Equal("FFFFFFFFFFFF525400AABBCC8035", Convert.ToHexString(frame[..14]));
        }
        await machine.ReturnAsync(Announce(rounds: 1000, initial: 100_000));
        Assert.Equal(60, await network.ReceiveAsync(frame));
        await machine.ReturnAsync(Announce(rounds: 0));
        Assert.Contains("rounds", await machine.ErrorAsync(Announce(rounds: -1)), StringComparison.Ordinal);
    }

    private static string Announce(int rounds, int initial = 1) =>
        $$$"""{"execute":"announce-self","arguments":{"initial":{{{initial}}},"max":100000,"rounds":{{{rounds}}},"step":1,"id":"a"}}""";

    [Theory]
    [InlineData("""{"driver":"frob","node-name":"x"}""", "Unknown driver 'frob'")]
    [InlineData("""{"driver":"null-co"}""", "node-name")]
    [InlineData("""{"driver":"null-co","node-name":"x","size":-1}""", "size")]
    [InlineData("""{"driver":"null-co","node-name":"x","colour":1}""", "colour")]
    [InlineData("""{"driver":"qcow2","node-name":"x","file":{"driver":"file","filename":"/nowhere/at/all"}}""", "/nowhere/at/all")]
    [InlineData("""{"driver":"raw","node-name":"x","file":"y"}""", "'y'")]
    [InlineData("""{"driver":"blkdebug","node-name":"x","config":"/nowhere","image":{"driver":"null-co"}}""", "config")]
    [InlineData("""{"driver":"blkdebug","node-name":"x","image":{"driver":"blkdebug","image":3}}""", "object")]
    public async Task A_block_device_that_cannot_be_had_is_refused_with_the_reason(string arguments, string reason)
    {
        await using var machine = await QmpClient.StartAsync();
        Assert.Contains(reason, await machine.ErrorAsync($$"""{"execute":"blockdev-add","arguments":{{arguments}}}"""), StringComparison.Ordinal);
        Assert.Empty((await machine.ReturnAsync("""{"execute":"query-named-block-nodes"}""")).EnumerateArray());
    }

    [Fact]
    public async Task A_machine_without_a_place_refuses_devices()
    {
        await using var machine = await QmpClient.StartAsync("-machine", "none");
        Assert.Contains("no place", await machine.ErrorAsync("""{"execute":"device_add","arguments":{"driver":"virtio-rng-pci"}}"""), StringComparison.Ordinal);
    }

    private static async Task<List<string>> FunctionsAsync(QmpClient machine) =>
        [.. (await machine.ReturnAsync("""{"execute":"query-pci"}"""))[0].GetProperty("devices").EnumerateArray().Select(Describe)];

    private static string Describe(JsonElement function) =>
        $"{function.GetProperty("slot").GetInt32()}: {function.GetProperty("id").GetProperty("vendor").GetInt32():x4}:{function.GetProperty("id").GetProperty("device").GetInt32():x4}";
}
