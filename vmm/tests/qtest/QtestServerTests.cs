using System.Text;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Protocols.Qtest;

namespace Gauntlet.Vmm.Tests.Qtest;

public sealed class QtestServerTests
{
    private const string RtcAlarmLine = "IRQ raise 8";

    [Theory]
    [InlineData("outb 0x70 0x0f\noutb 0x71 0x5a\noutb 112 017\ninb 0x71", "OK\nOK\nOK\nOK 0x005a\n")]
    [InlineData("writeb 0x1000 0x11\nwritew 0x1001 0x2233\nreadl 0x1000", "OK\nOK\nOK 0x0000000000223311\n")]
    [InlineData("writeq 0x2000 0x8877665544332211\nreadw 0x2003", "OK\nOK 0x0000000000005544\n")]
    [InlineData("write 0x1000 4 0xdeadbeef\nread 0x1000 5", "OK\nOK 0xdeadbeef00\n")]
    [InlineData("write 0x1000 4 0xde\nread 0x1000 2", "OK\nOK 0xde00\n")]
    [InlineData("b64write 0x1000 3 AQID\nb64read 0x1000 4", "OK\nOK AQIDAA==\n")]
    [InlineData("memset 0x1000 3 0x7f\nmemset 0x9000 0 1\nread 0x0fff 5", "OK\nOK\nOK 0x007f7f7f00\n")]
    [InlineData("read 0xf0000000 2\nreadl 0xf0000000\ninl 0x300", "OK 0xffff\nOK 0x00000000ffffffff\nOK 0xffffffff\n")]
    [InlineData("writel 0xfec00000 1\nreadl 0xfec00010", "OK\nOK 0x0000000000170020\n")]
    [InlineData("endianness", "OK little\n")]
    [InlineData("clock_set 1000\nclock_set 5\nclock_step 500", "OK 1000\nOK 1000\nOK 1500\n")]
    public void Commands_answer_as_the_protocol_says(string lines, string expected) => Assert.Equal(expected, new Rig().Say(lines));

    [Theory]
    [InlineData("", "empty line")]
    [InlineData("frobnicate", "Unknown command 'frobnicate'")]
    [InlineData("inb", "port is missing")]
    [InlineData("inb 0x10000", "port 0x10000 is above 0xffff")]
    [InlineData("inb 08", "not a number")]
    [InlineData("inb 0x", "not a number")]
    [InlineData("outb 1 2 3", "one argument too many")]
    [InlineData("readl 99999999999999999999", "not a number of 64 bits")]
    [InlineData("read 0 0", "size is 0")]
    [InlineData("read 0 0x7fffffffffff", "is above")]
    [InlineData("write 0 1 0x0102", "digits")]
    [InlineData("write 0 1 12", "begin with 0x")]
    [InlineData("write 0 1 0xzz", "not hexadecimal")]
    [InlineData("b64write 0 1 ====", "not base64")]
    [InlineData("clock_step -1", "not a number")]
    [InlineData("clock_step 0x7fffffffffffffff0", "not a number")]
    [InlineData("irq_intercept_in nothing", "Unknown device")]
    [InlineData("irq_intercept_out ioapic", "no output lines")]
    [InlineData("set_irq_in ioapic frob 1 1", "no lines 'frob'")]
    [InlineData("set_irq_in ioapic unnamed-gpio-in 99 1", "above")]
    public void A_line_that_cannot_be_carried_out_is_answered_with_the_reason(string line, string reason)
    {
        var rig = new Rig();
        var reply = rig.Say(line);
        Assert.StartsWith("FAIL ", reply, StringComparison.Ordinal);
        Assert.Contains(reason, reply, StringComparison.Ordinal);
        Assert.Equal("OK little\n", rig.Say("endianness"));
    }

    [Fact]
    public void A_line_may_come_in_pieces_and_many_at_once()
    {
        var rig = new Rig();
        rig.Send("endian");
        Assert.Equal("", rig.Output());
        rig.Send("ness\r\nendianness\nend");
        Assert.Equal("OK little\nOK little\n", rig.Output());
    }

    [Fact]
    public void An_interrupt_of_a_timer_is_told_before_the_step_that_brings_it_about_is_answered()
    {
        var rig = new Rig();
        // Register B: periodic interrupt, 24 h; register A: every 15.625 ms.
        var output = rig.Say("irq_intercept_in ioapic\noutb 0x70 0x0a\noutb 0x71 0x2a\noutb 0x70 0x0b\noutb 0x71 0x42\nclock_step 20000000");
        Assert.Equal($"OK\nOK\nOK\nOK\nOK\n{RtcAlarmLine}\nOK 20000000\n", output);
    }

    [Fact]
    public void Without_an_argument_the_clock_goes_to_the_next_deadline()
    {
        var rig = new Rig();
        var now = rig.Say("outb 0x70 0x0a\noutb 0x71 0x26\noutb 0x70 0x0b\noutb 0x71 0x42\nclock_step").TrimEnd('\n').Split(' ')[^1];
        Assert.InRange(long.Parse(now), 1, 1_000_000);
    }

    [Fact]
    public void Driving_a_line_is_seen_by_the_interrupt_controller()
    {
        var rig = new Rig();
        // OCW3: read the interrupt request register.
        Assert.Equal("OK\nIRQ raise 5\nOK\nOK 0x0020\nIRQ lower 5\nOK\n", rig.Say("irq_intercept_in ioapic\nset_irq_in ioapic unnamed-gpio-in 5 1\ninb 0x20\nset_irq_in ioapic unnamed-gpio-in 5 0"));
    }

    [Fact]
    public void A_reset_is_over_when_its_command_is_answered()
    {
        var rig = new Rig();
        for (var i = 0; i < 20; i++)
            Assert.Equal("OK\nOK\nOK 0x0000\n", rig.Say("outb 0x70 0x0b\noutb 0xcf9 0x06\ninb 0xcf9"));
    }

    [Fact]
    public void Without_a_machine_nothing_answers_but_the_protocol()
    {
        var chardev = new Wire();
        var server = new QtestServer(chardev, new QtestTarget(null, null), log: null);
        server.OnConnected();
        server.OnReceived("endianness\ninb 0x70\nread 0 2\nirq_intercept_in ioapic\nclock_step\n"u8);
        Assert.StartsWith("OK little\nOK 0x00ff\nOK 0xffff\nFAIL Unknown device\nFAIL", chardev.Taken(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_log_has_every_line_in_both_directions()
    {
        var log = new StringWriter();
        var server = new QtestServer(new Wire(), new QtestTarget(null, null), log);
        server.OnReceived("endianness\n"u8);
        Assert.Matches(@"^\[R \+\d+\.\d{6}\] endianness\n\[S \+\d+\.\d{6}\] OK little\n$", log.ToString());
    }

    [Fact]
    public void Any_bytes_are_answered_line_by_line_and_never_break_the_server()
    {
        var rig = new Rig();
        string[] commands = ["inb", "outl", "readq", "writeb", "read", "write", "b64read", "b64write", "memset", "clock_step", "clock_set", "irq_intercept_in", "irq_intercept_out",
            "set_irq_in", "endianness", "", "\0", "é"];
        string[] words = ["0", "0x70", "1", "65535", "0x10000", "0xffffffffffffffff", "-1", "0x", "ioapic", "unnamed-gpio-in", "0xab", "AQ==", "=", "99999999999999999999", "\t", "4096"];
        var line = from command in Gen.Elements(commands) from arguments in Gen.ListOf(Gen.Elements(words)) select command + " " + string.Join(' ', arguments);
        Prop.ForAll(Gen.ListOf(line).ToArbitrary(), lines =>
        {
            var text = string.Concat(lines.Select(one => one + "\n"));
            var replies = rig.Say(text.TrimEnd('\n') is "" ? "endianness" : text[..^1]).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(reply => !reply.StartsWith("IRQ ", StringComparison.Ordinal));
            return replies.All(reply => reply.StartsWith("OK", StringComparison.Ordinal) || reply.StartsWith("FAIL ", StringComparison.Ordinal)) && replies.Any();
        }).Holds(300);
        Assert.Equal("OK little\n", rig.Say("endianness"));
    }

    /// <summary>A pc under qtest, running on a thread of its own until the process ends.</summary>
    private sealed class Rig
    {
        private readonly Wire _wire = new();
        private readonly QtestServer _server;

        public Rig()
        {
            var board = new PcBoard(new PcConfig
            {
                Accelerators = [new AcceleratorChoice("qtest", new Dictionary<string, string>())],
                RamBytes = 2UL << 20,
                StartUtc = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc),
            }, _ => { });
            board.Complete(new NoProgram());
            _server = new QtestServer(_wire, new QtestTarget(board.Machine, board.Lines), log: null);
            new Thread(() => board.Machine.Run()) { IsBackground = true }.Start();
            _server.OnConnected();
        }

        public void Send(string text) => _server.OnReceived(Encoding.UTF8.GetBytes(text));

        public string Output() => _wire.Taken();

        public string Say(string lines)
        {
            Send(lines + "\n");
            return Output();
        }
    }

    private sealed class Wire() : Chardev("wire", "memory")
    {
        private readonly StringBuilder _text = new();

        public override void Write(ReadOnlySpan<byte> bytes) => _text.Append(Encoding.Latin1.GetString(bytes));

        public override void Start() { }

        public string Taken()
        {
            var text = _text.ToString();
            _text.Clear();
            return text;
        }
    }
}
