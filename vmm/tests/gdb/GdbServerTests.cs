using System.Globalization;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Protocols.Gdb;
using Gauntlet.Vmm.Protocols.Hmp;
using Gauntlet.Vmm.Protocols.Qmp;
using Gauntlet.Vmm.Tests.MachineTests;

namespace Gauntlet.Vmm.Tests.Gdb;

/// <summary>The protocol's packets, on a machine whose two vCPUs do nothing.</summary>
public sealed class GdbServerTests : IDisposable
{
    private const ulong RamBytes = 64 * 1024;

    private readonly Machine _machine;
    private readonly Task _run;
    private readonly Wire _wire = new();
    private readonly GdbServer _server;

    public GdbServerTests()
    {
        _machine = new Machine(new GuestMemory([new GuestRam("ram", 0, RamBytes)]), new IoBus(), new ManualClock(DateTime.UnixEpoch), new ScriptedAccelerator());
        _machine.CreateVcpus<LocalApic>(2, "qemu64", _ => null);
        _server = new GdbServer(_wire, _machine, isLongModeCpu: true, new MonitorConsole(new QmpContext { Machine = _machine, Quit = _machine.RequestQuit }));
        _machine.Happened += _server.OnMachineEvent;
        _run = Task.Run(() => _machine.Run(paused: true));
        _server.OnConnected();
    }

    public void Dispose()
    {
        _machine.RequestQuit();
        _run.GetAwaiter().GetResult();
        _machine.Dispose();
    }

    [Fact]
    public void A_packet_is_acknowledged_until_gdb_turns_that_off()
    {
        Assert.Equal("+$T05thread:1;#d7", Say("$?#3f"));
        Assert.Equal("-", Say("$?#00"));
        // Sent again when it arrived damaged.
        Assert.Equal("$T05thread:1;#d7", Say("-"));
        Assert.Equal("+$OK#9a", Say(Packet("QStartNoAckMode")));
        Assert.Equal("$QC1#c5", Say(Packet("qC")));
    }

    [Fact]
    public void Registers_are_written_and_read_one_by_one_and_together()
    {
        Assert.Equal("OK", Ask("P0=8877665544332211"));
        Assert.Equal("8877665544332211", Ask("p0"));
        Assert.StartsWith("8877665544332211", Ask("g"), StringComparison.Ordinal);
        // RIP is the 17th, EFLAGS' bit 1 is always set.
        Assert.Equal("OK", Ask("P10=0010000000000000"));
        Assert.Equal("OK", Ask("P11=00000000"));
        Assert.Equal("02000000", Ask("p11"));
        var all = Ask("g");
        Assert.Equal("OK", Ask("G" + all));
        Assert.Equal(all, Ask("g"));
        _machine.Vcpus[0].GetState(out var state);
        Assert.Equal((0x1122334455667788UL, 0x1000UL), (state.Gpr[0], state.Rip));
    }

    [Fact]
    public void Every_register_of_the_description_has_the_size_that_g_gives_it()
    {
        var description = "";
        for (var offset = 0; ; offset += 0x100)
        {
            var part = Ask(string.Create(CultureInfo.InvariantCulture, $"qXfer:features:read:target.xml:{offset:x},100"));
            description += part[1..];
            if (part[0] == 'l')
                break;
        }
        var registers = System.Xml.Linq.XDocument.Parse(description, System.Xml.Linq.LoadOptions.None).Descendants("reg").ToList();
        Assert.Equal(Ask("g").Length, registers.Sum(register => (int)register.Attribute("bitsize")! / 4));
        for (var number = 0; number < registers.Count; number++)
            Assert.Equal((int)registers[number].Attribute("bitsize")! / 4, Ask(string.Create(CultureInfo.InvariantCulture, $"p{number:x}")).Length);
    }

    [Fact]
    public void Memory_is_read_and_written_up_to_its_end()
    {
        Assert.Equal("OK", Ask("M1000,4:deadbeef"));
        Assert.Equal("adbe", Ask("m1001,2"));
        Assert.Equal("OK", Ask("X1000,2:}\u0003\u0001"));
        Assert.Equal("2301beef", Ask("m1000,4"));
        Assert.Equal("E14", Ask("mfffe,4"));
        Assert.Equal("E14", Ask("mffffffffffffffff,2"));
        Assert.Equal("E01", Ask("M1000,4:dead"));
    }

    [Fact]
    public void Threads_are_vcpus()
    {
        Assert.Equal("m1,2", Ask("qfThreadInfo"));
        Assert.Equal("l", Ask("qsThreadInfo"));
        Assert.Equal("OK", Ask("Hg2"));
        Assert.Equal("OK", Ask("P0=0100000000000000"));
        _machine.Vcpus[1].GetState(out var second);
        Assert.Equal(1UL, second.Gpr[0]);
        Assert.Equal("OK", Ask("T2"));
        Assert.Equal("E01", Ask("T3"));
        Assert.Equal("E22", Ask("Hg7"));
        Assert.Equal("CPU#1 [running]", Encoding.ASCII.GetString(Convert.FromHexString(Ask("qThreadExtraInfo,2"))));
    }

    [Fact]
    public void Going_on_answers_when_the_machine_stops_and_a_step_lets_only_its_thread_go()
    {
        Assert.Equal("", Ask("vCont;c"));
        Assert.Equal(MachineState.Running, _machine.State);
        // Ctrl-C.
        Assert.StartsWith("$T02thread:1;", Say("\u0003"), StringComparison.Ordinal);
        Assert.Equal(MachineState.Debug, _machine.State);

        var vcpus = _machine.Vcpus.Cast<ScriptedVcpu>().ToArray();
        vcpus[1].Then(_ => VcpuStop.Debug);
        Assert.Equal("", Ask("vCont;s:2"));
        Assert.StartsWith("$T05thread:2;", _wire.Await(), StringComparison.Ordinal);
        Assert.False(vcpus[0].IsRunning);
        Assert.Equal("E01", Ask("vCont;s:9"));
    }

    [Theory]
    [InlineData("Z;,0")]
    [InlineData("z;,")]
    [InlineData("Z0,;1")]
    [InlineData("z1,)0")]
    public void A_breakpoint_without_a_place_is_an_error(string packet) => Assert.Equal("E01", Ask(packet));

    [Fact]
    public void Monitor_commands_answer_in_text()
    {
        Assert.Equal("+$O" + Convert.ToHexStringLower("VM status: paused\n"u8), Say(Packet("qRcmd," + Convert.ToHexStringLower("info status"u8)))[..(2 + 1 + 36)]);
    }

    [Fact]
    public async Task Leaving_resumes_and_killing_ends_the_machine()
    {
        Assert.Equal("OK", Ask("D"));
        Assert.Equal(MachineState.Running, _machine.State);
        Ask("k");
        await _run;
    }

    /// <summary>What a broken or hostile client sends: bytes, and packets that are nearly right.</summary>
    [Fact]
    public void No_packet_ends_the_session()
    {
        string[] words =
        [
            "?", "g", "G", "p", "P", "m", "M", "X", "Z0,", "Z1,", "Z2,", "Z3,", "Z4,", "z0,", "H", "Hg", "Hc", "T", "c", "s", "C", "S", "vCont;", "vCont?", "vCont;c:", "vCont;s", "qXfer:features:read:target.xml:",
            "qRcmd,", "qThreadExtraInfo,", "qSupported:", "qfThreadInfo", "Qqemu.PhyMemMode:", "=", ",", ":", ";", "-1", "0", "1", "ff", "ffffffffffffffff", "7fffffff", "10000000000000000", "}", "\u0003", "é", "", "vFile:open:",
        ];
        var part = Gen.OneOf(Gen.Elements(words), Gen.Choose(0, 255).Select(value => ((char)value).ToString()));
        var packets = part.ListOf().Select(parts => string.Concat(parts));
        Prop.ForAll(packets.ToArbitrary(), packet =>
        {
            _server.OnReceived(Encoding.Latin1.GetBytes(packet));
            _server.OnReceived(Encoding.Latin1.GetBytes(Packet(packet.Replace("k", "", StringComparison.Ordinal))));
            _server.OnReceived("\u0003"u8);
            _wire.Take();
            // Whatever was left half said: a new packet begins.
            return Ask("qAttached") == "1";
        }).Holds();
    }

    private static string Packet(string data)
    {
        var escaped = new StringBuilder();
        byte sum = 0;
        foreach (var value in data)
            sum += (byte)value;
        escaped.Append('$').Append(data).Append(CultureInfo.InvariantCulture, $"#{sum:x2}");
        return escaped.ToString();
    }

    private string Say(string bytes)
    {
        _wire.Take();
        _server.OnReceived(Encoding.Latin1.GetBytes(bytes));
        return _wire.Take();
    }

    // The reply's data, without what carries it.
    private string Ask(string data)
    {
        var reply = Say(Packet(data));
        var start = reply.LastIndexOf('$');
        return start < 0 ? "" : reply[(start + 1)..reply.LastIndexOf('#')];
    }

    /// <summary>Keeps what is sent.</summary>
    private sealed class Wire() : Chardev("gdb", "wire")
    {
        private readonly object _lock = new();
        private readonly StringBuilder _sent = new();

        public override void Write(ReadOnlySpan<byte> bytes)
        {
            lock (_lock)
            {
                _sent.Append(Encoding.Latin1.GetString(bytes));
                Monitor.PulseAll(_lock);
            }
        }

        public override void Start() { }

        public string Take()
        {
            lock (_lock)
            {
                var text = _sent.ToString();
                _sent.Clear();
                return text;
            }
        }

        /// <summary>Returns when a packet was sent, and takes it.</summary>
        public string Await()
        {
            lock (_lock)
            {
                while (!_sent.ToString().Contains('#', StringComparison.Ordinal))
                    Monitor.Wait(_lock);
                return Take();
            }
        }
    }
}
