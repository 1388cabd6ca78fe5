using System.Buffers.Binary;
using System.Text;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Linux;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Protocols.Hmp;
using Gauntlet.Vmm.Protocols.Qmp;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Readers of what clients, guests' consoles and users of the command line say.</summary>
internal static class ProtocolTargets
{
    private const string Vmm = "Gauntlet.Vmm.";

    private const string QmpCommandsSeed =
        """
        {"execute":"query-status","id":1}
        {"execute":"qom-list","arguments":{"path":"/machine"}}
        {"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"a"}}
        {"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"n","size":512}}
        {"exec-oob":"stop"}
        {'execute': 'human-monitor-command', 'arguments': {'command-line': 'info status'}}

        """;

    private static readonly string[] s_optionSeeds =
    [
        "-device\nvirtio-blk-pci,drive=d,addr=4,serial=x\n-drive\nid=d,file=null-co://,if=none,format=raw\n-netdev\nuser,id=n,hostfwd=tcp::1-:2\n-device\nvirtio-net-pci,netdev=n,mac=52:54:00:12:34:56",
        "-machine\nq35,accel=kvm:tcg\n-m\n1G\n-smp\n2,cores=2\n-cpu\nmax,+avx\n-append\na b\n-rtc\nbase=2026-01-02T03:04:05\n-icount\nshift=3\n-boot\norder=c,menu=on",
        "-chardev\nsocket,id=c,path=s,server=on,wait=off\n-mon\nchardev=c,mode=control\n-serial\nstdio\n-fw_cfg\nname=opt/a,string=b\n-global\nvirtio-blk-pci.x=y\n-blockdev\ndriver=null-co,node-name=b\n-trace\npci_*\n-uuid\n00000000-0000-0000-0000-000000000001",
        "-netdev\nsocket,id=n,listen=:1234\n-object\nfilter-dump,id=f,netdev=n,file=x,maxlen=9\n-blockdev\n{\"driver\":\"null-co\",\"node-name\":\"b\"}\n-overcommit\nmem-lock=off\n-action\npanic=none",
    ];

    private const string TapSeed = "TAP version 14\n1..3\nok 1 - a\nnot ok 2 - b # TODO c\n    ok 1 - inner\n    1..1\nok 3 # SKIP d\n  ---\n  message: x\n  ...\nBail out! e\n";

    private const string KutSeed = "PASS: a: b\nFAIL: c\nSKIP: d (no)\nXFAIL: e\nSUMMARY: 4 tests, 1 unexpected failures\ncpuid 70\nABORT: f\nUnhandled exception 13 #GP at ip 1\nEXIT: STATUS=3\n";

    public static IReadOnlyList<TargetEntry> All { get; } =
    [
        new("qmp", "QMP's JSON and the arguments of its commands, on no machine", NewQmp, Vmm + "Protocols.Qmp."),
        new("hmp", "the monitor's lines, on no machine", NewHmp, Vmm + "Protocols.Hmp.", Vmm + "Protocols.Qmp."),
        new("gdb", "GDB's packets, on a paused machine: a line is a packet's content", static () => new GdbTarget(), Vmm + "Protocols.Gdb."),
        new("options", "gvmm's command line: a line is a word", NewOptions, Vmm + "Program.Options."),
        new("virtqueue", "memory that holds split and packed rings, walked by an entropy device", static () => new RingTarget(), Vmm + "Devices.Virtio."),
        new("simpletrace", "binary traces", static () => new ParserTarget(ReadTrace, static exception => exception is TraceFormatException, Trace()), Vmm + "Tracing."),
        new("matrix-yaml", "matrices", static () => ParserTarget.OfText(static text => MatrixFile.Parse(text, "matrix.yaml"), static exception => exception is UserException,
            "schema: 1\nname: m\nmatrix:\n  vmm: [gvmm, qemu]\n  accel: [kvm, tcg]\n  arch: [x86_64]\n  include:\n    - {vmm: qemu, accel: tcg, arch: arm64, cpu: max}\n  exclude:\n    - {accel: kvm}\nsuites: [smoke]\nvmms:\n  qemu:\n    path: /usr/bin/qemu\n"),
            "Gauntlet.Harness.Matrix.", "Gauntlet.Results.Yaml."),
        new("console", "what guests say: TAP, kvm-unit-tests' lines, kernel panics", static () => new ParserTarget(ReadConsole, static _ => false, Encoding.UTF8.GetBytes("0" + KutSeed), Encoding.UTF8.GetBytes("1" + TapSeed),
            Encoding.UTF8.GetBytes("2booted\nKernel panic - not syncing: VFS\n---[ end Kernel panic\n")), "Gauntlet.Harness.Verdicts."),
        new("l1-agent", "what a nested guest's agent sends: marked output, reports", static () => new ParserTarget(ReadAgent, static _ => false, "\u0003output of a command\nwith MARKER in it"u8.ToArray(), "\u0000MARMARKERrest"u8.ToArray()),
            "Gauntlet.Harness.Nesting.MarkedOutput"),
    ];

    private static QmpContext NewContext() => new() { Quit = static () => { }, DeviceTypes = ["virtio-rng-pci", "virtio-blk-pci"] };

    private static ParserTarget NewQmp() => new(
        static bytes =>
        {
            var session = new QmpSession(new NullChardev("qmp"), new QmpCommands(NewContext()));
            session.OnConnected();
            // Without its negotiation every other command is refused: that, too, once in a while.
            if (bytes is not [0, ..])
                session.OnReceived("{\"execute\":\"qmp_capabilities\"}"u8);
            session.OnReceived(bytes);
            session.OnDisconnected();
        },
        static _ => false, Encoding.UTF8.GetBytes(QmpCommandsSeed));

    private static ParserTarget NewHmp() => ParserTarget.OfText(
        static text =>
        {
            var console = new MonitorConsole(NewContext());
            foreach (var line in text.Split('\n'))
                console.Execute(line);
        },
        static _ => false, "info status\ninfo qtree\nxp /4xw 0x1000\nhelp\nstop\nsystem_powerdown\ndevice_add virtio-rng-pci,id=a\n");

    private static ParserTarget NewOptions() => new(
        static bytes => OptionParser.Parse(Encoding.UTF8.GetString(bytes).Split('\n')),
        static exception => exception is OptionException,
        [.. s_optionSeeds.Select(Encoding.UTF8.GetBytes)]);

    private static void ReadTrace(byte[] bytes)
    {
        var reader = new SimpleTraceReader(new MemoryStream(bytes));
        while (reader.Read() is not null)
        {
        }
    }

    // Header; a name for event 1; the event with a field for each that it is declared with (QEMU, scripts/simpletrace.py).
    private static byte[] Trace()
    {
        var what = TraceEvents.BlockRead;
        var name = Encoding.UTF8.GetBytes(what.Name);
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        foreach (var word in (ulong[])[ulong.MaxValue, 0xf2b177cb0aa429b4, 4, 0, 1])
            writer.Write(word);
        writer.Write(name.Length);
        writer.Write(name);
        foreach (var word in (ulong[])[1, 1, 1_000_000])
            writer.Write(word);
        writer.Write(24 + 8 * what.Fields.Count);
        writer.Write(1);
        foreach (var _ in what.Fields)
            writer.Write(0UL);
        return stream.ToArray();
    }

    private static void ReadConsole(byte[] bytes)
    {
        var convention = bytes is [var first, ..] ? (first % 3) switch { 0 => GuestConvention.KvmUnitTests, 1 => GuestConvention.Tap, _ => GuestConvention.Marker } : GuestConvention.Tap;
        var monitor = new ConsoleMonitor(new Job { Suite = "s", Case = "c", Cell = new Cell("gvmm", "tcg", "x86_64"), Image = "i", Convention = convention, Expect = "booted", Reject = "BUG:" });
        foreach (var line in Encoding.UTF8.GetString(bytes.AsSpan(Math.Min(1, bytes.Length))).Split('\n'))
        {
            monitor.Line(line);
            monitor.ErrorLine(line);
        }
        monitor.Finish();
    }

    // The first byte says in which pieces the rest comes.
    private static void ReadAgent(byte[] bytes)
    {
        if (bytes.Length == 0)
            return;
        var taken = 0;
        var content = bytes.AsSpan(1);
        var output = new MarkedOutput("MARKER"u8.ToArray(), passed => taken += passed.Length);
        for (var (at, size) = (0, 1 + bytes[0]); at < content.Length; at += size)
            output.Append(content.Slice(at, Math.Min(size, content.Length - at)));
        // What comes before the marker is passed on whole, and nothing of what is behind it; of the rest, all but what may yet become one.
        var end = content.IndexOf("MARKER"u8);
        if (output.Ended != (end >= 0) || (end >= 0 ? taken != end : taken > content.Length || taken < content.Length - 5))
            throw new Oracles.OracleException("marked output", $"{taken} of {content.Length} bytes were passed on, the marker is at {end}");
        if (content.Length >= SupervisorReport.Length)
            _ = SupervisorReport.Parse(content[..SupervisorReport.Length]);
    }

    /// <summary>An entropy device whose queue lies in memory that is the input: two bytes of features and ring size, then the rings.</summary>
    private sealed class RingTarget : IFuzzTarget
    {
        private const int RamBytes = 0x2000, HeadBytes = 2;
        private const ulong Descriptors = 0, DriverArea = 0x400, DeviceArea = 0x800;

        private readonly GuestMemory _memory = new([new GuestRam("ram", 0, RamBytes)]);
        private readonly VirtioMmio _transport;
        private readonly ManualClock _clock = new(DateTime.UnixEpoch);

        public RingTarget() => _transport = new VirtioMmio(new VirtioRng(_memory, _clock, CountingEntropy.Instance), new SampledLine());

        public Programs.Grammar? Grammar => null;

        public IReadOnlyList<byte[]> Seeds { get; } = [Ring(isPacked: false), Ring(isPacked: true)];

        public void Run(ReadOnlySpan<byte> input)
        {
            if (input.Length < HeadBytes)
                return;
            _memory.TryClear(0, RamBytes);
            _memory.TryWrite(0, input[HeadBytes..Math.Min(input.Length, HeadBytes + RamBytes)]);
            _clock.Set(0);
            _transport.Reset();
            // Indirect descriptors and event indices; the packed ring, if it is wanted.
            Write(0x70, 3);
            Write(0x24, 0);
            Write(0x20, (uint)(input[0] & 3) << 28);
            Write(0x24, 1);
            Write(0x20, 1 | (input[0] & 4u));
            Write(0x70, 11);
            Write(0x30, 0);
            Write(0x38, 1u << (input[1] & 7));
            Write(0x80, (uint)Descriptors);
            Write(0x90, (uint)DriverArea);
            Write(0xa0, (uint)DeviceArea);
            Write(0x44, 1);
            Write(0x70, 15);
            for (var kick = 0; kick < 3; kick++)
            {
                Write(0x50, 0);
                _clock.Advance(1);
            }
        }

        public void Dispose() => _memory.Dispose();

        private void Write(ulong register, uint value) => _transport.WriteMmio(0, register, 4, value);

        // Eight entries: a chain of two, then an indirect table of two.
        private static byte[] Ring(bool isPacked)
        {
            var bytes = new byte[HeadBytes + 0x500];
            (bytes[0], bytes[1]) = ((byte)(isPacked ? 7 : 3), 3);
            var ram = bytes.AsSpan(HeadBytes);
            var available = isPacked ? 0x80 : 0;
            Entry(ram, 0, 0x1000, 64, 3 | available, 1);
            Entry(ram, 1, 0x1100, 64, 2 | available, 0);
            Entry(ram, 2, 0x480, 32, 4 | available, 0);
            Entry(ram[0x480..], 0, 0x1200, 64, 3, 1);
            Entry(ram[0x480..], 1, 0x1300, 64, 2, 0);
            if (!isPacked)
                new byte[] { 0, 0, 2, 0, 0, 0, 2, 0 }.CopyTo(ram[(int)DriverArea..]);
            return bytes;

            void Entry(Span<byte> table, int index, ulong address, uint length, int flags, ushort next)
            {
                var entry = table[(index * 16)..];
                BinaryPrimitives.WriteUInt64LittleEndian(entry, address);
                BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], length);
                BinaryPrimitives.WriteUInt16LittleEndian(entry[(isPacked ? 14 : 12)..], (ushort)flags);
                BinaryPrimitives.WriteUInt16LittleEndian(entry[(isPacked ? 12 : 14)..], next);
            }
        }
    }
}
