using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>The machine's IOAPIC beside local APICs in the accelerator.</summary>
public sealed class KernelApicsTests
{
    private const uint Level = 0x8000, Masked = 0x10000;

    private readonly TestSplit _split = new();
    private readonly IoApic _ioApic;

    public KernelApicsTests() => _ioApic = new IoApic(new KernelApics(_split, new Lock()));

    [Fact]
    public void A_message_as_an_MSI_is_the_same_message()
    {
        var messages = from destination in Gen.Choose(0, 255)
                       from logical in Gen.Elements(true, false)
                       from mode in Gen.Elements(Enum.GetValues<DeliveryMode>())
                       from vector in Gen.Choose(0, 255)
                       from level in Gen.Elements(true, false)
                       select new ApicMessage((uint)destination, logical, mode, (byte)vector, level);
        Prop.ForAll(messages.ToArbitrary(), message =>
        {
            var (address, data) = message.ToMsi();
            Assert.Equal(message, ApicMessage.FromMsi(address, data));
        }).Holds();
    }

    [Fact]
    public void An_edge_is_a_message_to_its_destination()
    {
        Redirect(4, 0x51 | 1 << 11 | 1 << 8, destination: 3);
        _ioApic.GetLine(4).Set(true);
        Assert.Equal([(0xfee03004UL, 0x151u)], _split.Messages);
    }

    [Fact]
    public void A_level_is_sent_again_after_its_end_while_it_stays_high()
    {
        Redirect(11, 0x52 | Level);
        _ioApic.GetLine(11).Set(true);
        _split.EndOfInterrupt!(0x51);
        Assert.Single(_split.Messages);
        _split.EndOfInterrupt(0x52);
        Assert.Equal(2, _split.Messages.Count);
        _ioApic.GetLine(11).Set(false);
        _split.EndOfInterrupt(0x52);
        Assert.Equal(2, _split.Messages.Count);
    }

    [Fact]
    public void A_level_that_no_APIC_takes_is_sent_again_at_the_next_chance()
    {
        _split.Takes = false;
        Redirect(11, 0x52 | Level);
        _ioApic.GetLine(11).Set(true);
        _split.Takes = true;
        _ioApic.GetLine(11).Set(true);
        _ioApic.GetLine(11).Set(true);
        Assert.Equal([0xc052u, 0xc052u], _split.Messages.Select(message => message.Data));
    }

    [Fact]
    public void What_an_input_sends_is_told_masked_or_not_and_again_after_a_load_and_a_reset()
    {
        Redirect(11, 0x52 | Level | Masked, destination: 2);
        Assert.Equal((0xfee02000UL, 0xc052u), _split.Inputs[11]);
        var saved = new StateWriter();
        _ioApic.Save(saved);
        _ioApic.Reset();
        Assert.Equal((0xfee00000UL, 0u), _split.Inputs[11]);
        var reader = new StateReader(saved.Written);
        _ioApic.Load(ref reader);
        Assert.Equal((0xfee02000UL, 0xc052u), _split.Inputs[11]);
        Assert.Empty(_split.Messages);
    }

    [Fact]
    public void An_input_in_mode_ExtINT_sends_nothing()
    {
        Redirect(0, 7 << 8);
        _ioApic.GetLine(0).Set(true);
        Assert.Empty(_split.Messages);
    }

    [Fact]
    public void The_PICs_output_tells_every_vCPU_and_the_first_to_acknowledge_has_the_interrupt()
    {
        var intr = new Wire();
        var pic = new I8259(intr);
        var output = new PicOutput(pic, new Lock());
        intr.Target = output;
        pic.InitializeAsFirmware();
        pic.WritePort(I8259.MasterRegion, 1, 1, 0);
        var vcpus = new[] { new TestSignals(), new TestSignals() };
        foreach (var vcpu in vcpus)
            output.Connect(vcpu);
        Assert.Equal(-1, output.Acknowledge());
        pic.GetLine(4).Set(true);
        Assert.All(vcpus, vcpu => Assert.Equal(1, vcpu.Interrupts));
        Assert.True(output.HasInterrupt);
        Assert.Equal(0x0c, output.Acknowledge());
        Assert.False(output.HasInterrupt);
        Assert.Equal(-1, output.Acknowledge());
    }

    private void Redirect(int input, uint low, uint destination = 0)
    {
        _ioApic.WriteMmio(0, 0, 4, 0x11 + (ulong)input * 2);
        _ioApic.WriteMmio(0, 0x10, 4, destination << 24);
        _ioApic.WriteMmio(0, 0, 4, 0x10 + (ulong)input * 2);
        _ioApic.WriteMmio(0, 0x10, 4, low);
    }

    private sealed class Wire : IIrqLine
    {
        public IIrqLine? Target { get; set; }

        public void Set(bool level) => Target?.Set(level);
    }

    private sealed class TestSignals : IVcpuSignals
    {
        public int Interrupts { get; private set; }

        public void SignalInterrupt() => Interrupts++;

        public void SignalNmi() { }

        public void SignalInit() { }

        public void SignalStartUp(byte vector) { }

        public void Wake() { }

        public void WaitWhileHalted() { }
    }

    private sealed class TestSplit : IKernelIrqChip, ISplitIrqChip
    {
        public bool Takes { get; set; } = true;

        public List<(ulong Address, uint Data)> Messages { get; } = [];

        public (ulong Address, uint Data)[] Inputs { get; } = new (ulong, uint)[IoApic.InputCount];

        public ISplitIrqChip? Split => this;

        public bool HasPit => false;

        public Action<byte>? EndOfInterrupt { get; set; }

        public int StateVersion => 1;

        public IIrqLine GetLine(int gsi) => throw new InvalidOperationException();

        public bool SendMsi(ulong address, uint data)
        {
            Messages.Add((address, data));
            return Takes;
        }

        public void SetInput(int input, ulong address, uint data) => Inputs[input] = (address, data);

        public void Reset() { }

        public void Save(StateWriter writer) { }

        public void Load(ref StateReader reader) { }
    }
}
