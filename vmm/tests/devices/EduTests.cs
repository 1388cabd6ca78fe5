using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>QEMU, docs/specs/edu.rst.</summary>
public sealed class EduTests
{
    private const int MsiCapability = 0x40;

    private readonly ManualClock _clock = Rig.NewClock();
    private readonly ArrayMemory _memory = new(0x10000);
    private readonly RecordingMsi _messages = new();
    private readonly RecordingLine _pin = new();
    private readonly Edu _edu;

    public EduTests()
    {
        _edu = new Edu(new IoBus(), _memory, _clock, _messages, 0xfe000000);
        _edu.Function.ConnectInterrupt(1, _pin, 11);
        _edu.Function.Write(4, 2, 6);
    }

    [Fact]
    public void It_says_what_it_is_and_that_it_lives()
    {
        Assert.Equal(0x010000edu, Read(0));
        Write(4, 0x12345678);
        Assert.Equal(~0x12345678u, Read(4));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(10, 3628800)]
    [InlineData(12, 479001600)]
    [InlineData(13, 1932053504)]
    [InlineData(33, 2147483648)]
    [InlineData(34, 0)]
    [InlineData(uint.MaxValue, 0)]
    public void A_factorial_is_ready_when_the_busy_bit_falls(uint number, uint factorial)
    {
        Write(8, number);
        Assert.Equal(1u, Read(0x20));
        Finish();
        Assert.Equal((0u, factorial), (Read(0x20), Read(8)));
    }

    [Fact]
    public void A_factorial_interrupts_only_when_asked_and_until_it_is_acknowledged()
    {
        Write(8, 3);
        Finish();
        Assert.False(_pin.Level);
        Write(0x20, 0x80);
        Write(8, 3);
        Finish();
        Assert.Equal((true, 1u), (_pin.Level, Read(0x24)));
        Write(0x64, 1);
        Assert.Equal((false, 0u), (_pin.Level, Read(0x24)));
    }

    [Fact]
    public void An_interrupt_is_a_message_where_msi_is_on()
    {
        EnableMsi();
        Write(0x60, 0x40);
        Assert.Equal([(0xfee00000UL, 0x55u)], _messages.Messages);
        Assert.Equal((false, 0x40u), (_pin.Level, Read(0x24)));
    }

    [Fact]
    public void The_pin_falls_silent_when_msi_is_turned_on()
    {
        Write(0x60, 0x40);
        Assert.True(_pin.Level);
        EnableMsi();
        Assert.Equal((false, 0x40u), (_pin.Level, Read(0x24)));
    }

    [Fact]
    public void Dma_goes_to_the_buffer_and_back()
    {
        "through the device"u8.CopyTo(_memory.Bytes.AsSpan(0x1000));
        Dma(source: 0x1000, destination: Edu.BufferAddress + 0x10, 18, 1);
        Dma(source: Edu.BufferAddress + 0x10, destination: 0x2000, 18, 1 | 2 | 4);
        Assert.Equal("through the device"u8.ToArray(), _memory.Bytes[0x2000..0x2012]);
        Assert.Equal((0x100u, true), (Read(0x24), _pin.Level));
    }

    [Theory]
    [InlineData(Edu.BufferAddress + 0xfff, 2ul)]
    [InlineData(Edu.BufferAddress - 1, 2ul)]
    [InlineData(Edu.BufferAddress, 4097ul)]
    [InlineData(Edu.BufferAddress, ulong.MaxValue)]
    [InlineData(ulong.MaxValue, 2ul)]
    public void Dma_that_leaves_the_buffer_moves_nothing_and_ends(ulong inside, ulong count)
    {
        _memory.Bytes.AsSpan().Fill(0x77);
        Dma(source: inside, destination: 0x1000, count, 3);
        Assert.All(_memory.Bytes, value => Assert.Equal(0x77, value));
        Assert.Equal(2ul, _edu.ReadMmio(0, 0x98, 8));
    }

    [Fact]
    public void Dma_drives_28_address_bits_and_only_as_bus_master()
    {
        _memory.Bytes[0x1000] = 0x77;
        Dma(source: 0x1000_1000, destination: Edu.BufferAddress, 1, 1);
        Dma(source: Edu.BufferAddress, destination: 0x2000, 1, 3);
        Assert.Equal(0x77, _memory.Bytes[0x2000]);
        _edu.Function.Write(4, 2, 2);
        Dma(source: Edu.BufferAddress, destination: 0x3000, 1, 3);
        Assert.Equal(0, _memory.Bytes[0x3000]);
    }

    private uint Read(uint offset) => (uint)_edu.ReadMmio(0, offset, 4);

    private void Write(uint offset, uint value) => _edu.WriteMmio(0, offset, 4, value);

    private void Dma(ulong source, ulong destination, ulong count, ulong command)
    {
        _edu.WriteMmio(0, 0x80, 8, source);
        _edu.WriteMmio(0, 0x88, 8, destination);
        _edu.WriteMmio(0, 0x90, 8, count);
        _edu.WriteMmio(0, 0x98, 8, command);
        Assert.Equal(command, _edu.ReadMmio(0, 0x98, 8));
        Finish();
    }

    private void EnableMsi()
    {
        _edu.Function.Write(MsiCapability + 4, 4, 0xfee00000);
        _edu.Function.Write(MsiCapability + 12, 2, 0x55);
        _edu.Function.Write(MsiCapability + 2, 2, 1);
    }

    private void Finish() => _clock.Advance(Rig.Second);
}
