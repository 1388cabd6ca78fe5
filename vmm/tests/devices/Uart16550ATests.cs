using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>PC16550D data sheet.</summary>
public sealed class Uart16550ATests
{
    private const uint Rbr = 0, Thr = 0, Dll = 0, Ier = 1, Dlm = 1, Iir = 2, Fcr = 2, Lcr = 3, Mcr = 4, Lsr = 5, Msr = 6, Scr = 7;

    private readonly ManualClock _clock = Rig.NewClock();
    private readonly RecordingLine _irq = new();
    private readonly Cable _cable = new();
    private readonly Uart16550A _uart;

    public Uart16550ATests()
    {
        _uart = new Uart16550A(_irq, _cable, _clock);
        _uart.Out(0, Mcr, 0x08);
    }

    [Fact]
    public void What_is_written_to_the_holding_register_is_sent_and_the_transmitter_is_empty_again()
    {
        foreach (var value in "hello"u8)
        {
            Assert.Equal(0x60, _uart.In(0, Lsr) & 0x60);
            _uart.Out(0, Thr, value);
        }
        Assert.Equal("hello"u8.ToArray(), _cable.Sent);
    }

    [Fact]
    public void The_divisor_latch_hides_the_data_registers_while_dlab_is_set()
    {
        _uart.Out(0, Lcr, 0x83);
        _uart.Out(0, Dll, 0x34);
        _uart.Out(0, Dlm, 0x12);
        Assert.Equal((0x34, 0x12), (_uart.In(0, Dll), _uart.In(0, Dlm)));
        _uart.Out(0, Lcr, 0x03);
        Assert.Equal(0, _uart.In(0, Ier));
        Assert.Empty(_cable.Sent);
    }

    [Fact]
    public void Enabling_the_transmitter_interrupt_raises_it_at_once_and_reading_iir_clears_it()
    {
        _uart.Out(0, Ier, 0x02);
        Assert.True(_irq.Level);
        Assert.Equal(0x02, _uart.In(0, Iir));
        Assert.False(_irq.Level);
        Assert.Equal(0x01, _uart.In(0, Iir));
        _uart.Out(0, Thr, (byte)'x');
        Assert.True(_irq.Level);
    }

    [Fact]
    public void Received_data_is_told_by_lsr_and_interrupt_and_reading_it_clears_both()
    {
        _uart.Out(0, Ier, 0x01);
        Receive("a"u8);
        Assert.Equal(0x61, _uart.In(0, Lsr));
        Assert.Equal(0x04, _uart.In(0, Iir));
        Assert.True(_irq.Level);
        Assert.Equal((byte)'a', _uart.In(0, Rbr));
        Assert.False(_irq.Level);
        Assert.Equal(0x60, _uart.In(0, Lsr));
    }

    [Theory]
    [InlineData(0x01, 1)]
    [InlineData(0x41, 4)]
    [InlineData(0x81, 8)]
    [InlineData(0xc1, 14)]
    public void The_fifo_interrupts_when_its_trigger_level_is_reached(byte fcr, int level)
    {
        _uart.Out(0, Fcr, fcr);
        _uart.Out(0, Ier, 0x01);
        Receive(new byte[level - 1]);
        Assert.False(_irq.Level);
        Receive(new byte[1]);
        Assert.True(_irq.Level);
        Assert.Equal(0xc4, _uart.In(0, Iir));
    }

    [Fact]
    public void Bytes_below_the_trigger_level_time_out_after_four_character_times()
    {
        _uart.Out(0, Lcr, 0x83);
        _uart.Out(0, Dll, 12);
        _uart.Out(0, Lcr, 0x03);
        _uart.Out(0, Fcr, 0xc1);
        _uart.Out(0, Ier, 0x01);
        Receive("ab"u8);
        // 9600 baud, ten bits a character: 4.17 ms.
        _clock.Advance(4 * Rig.Millisecond);
        Assert.False(_irq.Level);
        _clock.Advance(1 * Rig.Millisecond);
        Assert.True(_irq.Level);
        Assert.Equal(0xcc, _uart.In(0, Iir));
        _uart.In(0, Rbr);
        Assert.False(_irq.Level);
    }

    [Fact]
    public void In_loopback_what_is_sent_comes_back_and_goes_nowhere_else()
    {
        _uart.Out(0, Mcr, 0x18);
        _uart.Out(0, Thr, 0x5a);
        Assert.Equal(0x5a, _uart.In(0, Rbr));
        Assert.Empty(_cable.Sent);
    }

    [Fact]
    public void In_loopback_the_modem_outputs_are_the_modem_inputs()
    {
        _uart.Out(0, Mcr, 0x10);
        _uart.In(0, Msr);
        _uart.Out(0, Mcr, 0x1a);
        // RTS is CTS (bit 4), OUT2 is DCD (bit 7); their deltas are bits 0 and 3.
        Assert.Equal(0x99, _uart.In(0, Msr));
        Assert.Equal(0x90, _uart.In(0, Msr));
    }

    [Fact]
    public void The_trailing_edge_of_ring_is_a_delta_and_its_leading_edge_is_not()
    {
        _uart.Out(0, Mcr, 0x10);
        _uart.In(0, Msr);
        _uart.Out(0, Mcr, 0x14);
        Assert.Equal(0x40, _uart.In(0, Msr));
        _uart.Out(0, Mcr, 0x10);
        Assert.Equal(0x04, _uart.In(0, Msr));
    }

    [Fact]
    public void Without_fifos_a_second_byte_overruns_and_replaces_the_first()
    {
        _uart.Out(0, Mcr, 0x18);
        _uart.Out(0, Ier, 0x04);
        _uart.Out(0, Thr, 1);
        _uart.Out(0, Thr, 2);
        Assert.Equal(0x06, _uart.In(0, Iir));
        Assert.Equal(0x63, _uart.In(0, Lsr));
        Assert.Equal(0x61, _uart.In(0, Lsr));
        Assert.Equal(2, _uart.In(0, Rbr));
    }

    [Fact]
    public void A_full_fifo_keeps_its_sixteen_bytes_and_loses_the_seventeenth()
    {
        _uart.Out(0, Fcr, 0x01);
        _uart.Out(0, Mcr, 0x18);
        for (byte i = 0; i < 17; i++)
            _uart.Out(0, Thr, i);
        Assert.Equal(0x02, _uart.In(0, Lsr) & 0x02);
        for (byte i = 0; i < 16; i++)
            Assert.Equal(i, _uart.In(0, Rbr));
        Assert.Equal(0x60, _uart.In(0, Lsr));
    }

    [Fact]
    public void What_arrives_waits_outside_until_there_is_room()
    {
        _uart.Out(0, Fcr, 0x01);
        var sent = Enumerable.Range(0, 40).Select(i => (byte)i).ToArray();
        Receive(sent);
        var received = new List<byte>();
        while ((_uart.In(0, Lsr) & 1) != 0)
            received.Add(_uart.In(0, Rbr));
        Assert.Equal(sent, received);
    }

    [Fact]
    public void Interrupts_stay_inside_while_out2_is_low()
    {
        _uart.Out(0, Mcr, 0);
        _uart.Out(0, Ier, 0x02);
        Assert.False(_irq.Level);
        Assert.Equal(0x02, _uart.In(0, Iir));
    }

    [Fact]
    public void The_scratch_register_holds_any_byte_and_does_nothing()
    {
        for (var value = 0; value < 256; value++)
        {
            _uart.Out(0, Scr, (byte)value);
            Assert.Equal(value, _uart.In(0, Scr));
        }
        Assert.Equal(0x60, _uart.In(0, Lsr));
    }

    private void Receive(ReadOnlySpan<byte> bytes)
    {
        _cable.Waiting.AddRange(bytes);
        _uart.PollInput();
    }

    private sealed class Cable : ISerialBackend
    {
        public List<byte> Sent { get; } = [];

        public List<byte> Waiting { get; } = [];

        public void Write(byte value) => Sent.Add(value);

        public int Read(Span<byte> destination)
        {
            var count = Math.Min(destination.Length, Waiting.Count);
            for (var i = 0; i < count; i++)
                destination[i] = Waiting[i];
            Waiting.RemoveRange(0, count);
            return count;
        }
    }
}
