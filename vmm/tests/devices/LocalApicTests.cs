using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>SDM Vol. 3A, chapter 11.</summary>
public sealed class LocalApicTests
{
    private const ulong Id = 0x20, Version = 0x30, Tpr = 0x80, Ppr = 0xa0, Eoi = 0xb0, Ldr = 0xd0, Dfr = 0xe0, Svr = 0xf0, Esr = 0x280,
        IcrLow = 0x300, IcrHigh = 0x310, LvtTimer = 0x320, Lint0 = 0x350, LvtError = 0x370, InitialCount = 0x380, CurrentCount = 0x390, Divide = 0x3e0;
    private const ulong Enabled = 0x800, X2Apic = 0xc00;

    private readonly ManualClock _clock = Rig.NewClock();
    private readonly ApicBus _bus = new();
    private readonly I8259 _pic;
    private readonly LocalApic[] _apics = new LocalApic[4];
    private readonly Signals[] _signals = new Signals[4];

    public LocalApicTests()
    {
        var intr = new Relay();
        _pic = new I8259(intr);
        var deviceLock = new Lock();
        for (var i = 0; i < _apics.Length; i++)
        {
            _apics[i] = new LocalApic(i, _bus, _clock, deviceLock, _pic);
            _apics[i].Connect(_signals[i] = new Signals());
            Write(i, Svr, 0x1ff);
        }
        intr.Target = _apics[0].Intr;
    }

    // SDM Vol. 3A, 11.5.4: the count starts again by a write to the initial count only.
    [Theory]
    [InlineData(LvtTimer, 0x20040)]
    [InlineData(Divide, 3)]
    public void A_count_that_has_run_out_stays_at_zero_though_its_timer_has_yet_to_fire(ulong register, ulong value)
    {
        const ulong Requested = 0x220;
        Write(0, LvtTimer, 0x40);
        Write(0, Divide, 0xb);
        Write(0, InitialCount, 1_000);
        _clock.Set(_clock.NowNs + 1_500);
        Assert.Equal(0UL, Read(0, CurrentCount));
        Write(0, register, value);
        Assert.Equal((0UL, 1UL), (Read(0, CurrentCount), Read(0, Requested)));
        _clock.Advance(10_000);
        Assert.Equal(0UL, Read(0, CurrentCount));
    }

    [Fact]
    public void After_reset_everything_is_masked_and_the_apic_is_disabled_by_software()
    {
        _apics[1].Reset();
        Assert.Equal(0x01000000UL, Read(1, Id));
        Assert.Equal(0x00050014UL, Read(1, Version));
        Assert.Equal(0xffUL, Read(1, Svr));
        Assert.Equal(0x10000UL, Read(1, LvtTimer));
        Assert.Equal(0x10000UL, Read(1, Lint0));
        Assert.Equal(0xfee00800UL, _apics[1].BaseMsr);
        Assert.Equal(0xfee00900UL, _apics[0].BaseMsr);
    }

    [Fact]
    public void A_fixed_interrupt_waits_in_irr_is_acknowledged_into_isr_and_ended_by_eoi()
    {
        SendSelf(0x51);
        Assert.Equal(1UL << 17, Read(0, 0x200 + 0x20));
        Assert.True(_apics[0].HasInterrupt);
        Assert.Equal(0x51, _apics[0].Acknowledge());
        Assert.Equal(0UL, Read(0, 0x200 + 0x20));
        Assert.Equal(1UL << 17, Read(0, 0x100 + 0x20));
        Assert.Equal(0x50UL, Read(0, Ppr));
        Write(0, Eoi, 0);
        Assert.Equal(0UL, Read(0, 0x100 + 0x20));
        Assert.Equal(-1, _apics[0].Acknowledge());
    }

    [Fact]
    public void A_higher_class_interrupts_one_in_service_and_the_same_class_does_not()
    {
        SendSelf(0x51);
        _apics[0].Acknowledge();
        SendSelf(0x5f);
        Assert.False(_apics[0].HasInterrupt);
        SendSelf(0x60);
        Assert.Equal(0x60, _apics[0].Acknowledge());
        Write(0, Eoi, 0);
        Assert.False(_apics[0].HasInterrupt);
        Write(0, Eoi, 0);
        Assert.Equal(0x5f, _apics[0].Acknowledge());
    }

    [Fact]
    public void The_task_priority_holds_back_its_class_and_below_and_cr8_is_its_upper_half()
    {
        _apics[0].Cr8 = 5;
        Assert.Equal(0x50UL, Read(0, Tpr));
        SendSelf(0x5f);
        Assert.False(_apics[0].HasInterrupt);
        Write(0, Tpr, 0x4f);
        Assert.Equal(4, _apics[0].Cr8);
        Assert.True(_apics[0].HasInterrupt);
    }

    [Theory]
    [InlineData(0xc0000, new[] { 0, 2, 3 })]
    [InlineData(0x80000, new[] { 0, 1, 2, 3 })]
    [InlineData(0x40000, new[] { 1 })]
    public void A_shorthand_reaches_the_ones_it_names(int shorthand, int[] reached)
    {
        Write(1, IcrLow, (ulong)shorthand | 0x41);
        for (var i = 0; i < 4; i++)
            Assert.Equal(reached.Contains(i), _apics[i].HasInterrupt);
    }

    [Fact]
    public void A_physical_destination_is_one_apic_and_255_is_all()
    {
        Send(0, 2, 0x41);
        Assert.Equal([false, false, true, false], Pending);
        Send(0, 0xff, 0x42);
        Assert.Equal([true, true, true, true], Pending);
    }

    [Fact]
    public void A_flat_logical_destination_is_a_set_of_bits()
    {
        for (var i = 0; i < 4; i++)
            Write(i, Ldr, 1UL << (24 + i));
        Send(0, 0x0a, 0x841);
        Assert.Equal([false, true, false, true], Pending);
    }

    [Fact]
    public void A_cluster_destination_is_members_of_one_cluster()
    {
        for (var i = 0; i < 4; i++)
        {
            Write(i, Dfr, 0x0fffffff);
            Write(i, Ldr, (ulong)(i / 2 << 4 | 1 << i % 2) << 24);
        }
        Send(0, 0x13, 0x841);
        Assert.Equal([false, false, true, true], Pending);
    }

    [Fact]
    public void Lowest_priority_goes_to_the_processor_with_the_least_to_do()
    {
        Write(0, Tpr, 0x30);
        Write(1, Tpr, 0x20);
        Write(2, Tpr, 0x10);
        Write(3, Tpr, 0x20);
        Send(0, 0xff, 0x141);
        Assert.Equal([false, false, true, false], Pending);
    }

    [Fact]
    public void Init_resets_the_target_and_start_up_carries_its_vector()
    {
        Write(2, Tpr, 0x20);
        Write(0, IcrHigh, 2UL << 24);
        Write(0, IcrLow, 0x4500);
        Assert.Equal(1, _signals[2].Inits);
        Assert.Equal(0UL, Read(2, Tpr));
        Assert.Equal(0xffUL, Read(2, Svr));
        Write(0, IcrLow, 0x8500);
        Assert.Equal(1, _signals[2].Inits);
        Write(0, IcrLow, 0x4608);
        Assert.Equal([8], _signals[2].StartUps);
        Write(0, IcrLow, 0x400);
        Assert.Equal(1, _signals[2].Nmis);
    }

    [Fact]
    public void A_vector_below_16_is_an_error_of_its_sender_and_shows_after_a_write_to_esr()
    {
        Write(0, LvtError, 0xfe);
        Write(0, IcrHigh, 1UL << 24);
        Write(0, IcrLow, 0x0f);
        Assert.False(_apics[1].HasInterrupt);
        Assert.Equal(0xfe, _apics[0].Acknowledge());
        Assert.Equal(0UL, Read(0, Esr));
        Write(0, Esr, 0);
        Assert.Equal(0x20UL, Read(0, Esr));
        Write(0, Esr, 0);
        Assert.Equal(0UL, Read(0, Esr));
    }

    [Fact]
    public void A_one_shot_timer_counts_down_once()
    {
        Write(0, Divide, 0xb);
        Write(0, LvtTimer, 0x40);
        Write(0, InitialCount, 1_000_000);
        _clock.Advance(400_000);
        Assert.Equal(600_000UL, Read(0, CurrentCount));
        Assert.False(_apics[0].HasInterrupt);
        _clock.Advance(600_000);
        Assert.Equal(0x40, _apics[0].Acknowledge());
        Write(0, Eoi, 0);
        Assert.Equal(0UL, Read(0, CurrentCount));
        _clock.Advance(10_000_000);
        Assert.False(_apics[0].HasInterrupt);
    }

    [Fact]
    public void A_periodic_timer_comes_again_and_again_at_its_divided_rate()
    {
        Write(0, Divide, 0x3);
        Write(0, LvtTimer, 0x20040);
        Write(0, InitialCount, 10_000);
        for (var i = 0; i < 5; i++)
        {
            _clock.Advance(159_999);
            Assert.False(_apics[0].HasInterrupt);
            _clock.Advance(1);
            Assert.Equal(0x40, _apics[0].Acknowledge());
            Write(0, Eoi, 0);
        }
        Write(0, InitialCount, 0);
        _clock.Advance(1_000_000);
        Assert.False(_apics[0].HasInterrupt);
    }

    [Fact]
    public void A_masked_timer_counts_and_does_not_interrupt()
    {
        Write(0, LvtTimer, 0x10040);
        Write(0, InitialCount, 1000);
        _clock.Advance(500);
        Assert.InRange(Read(0, CurrentCount), 1UL, 999UL);
        _clock.Advance(1_000_000);
        Assert.False(_apics[0].HasInterrupt);
    }

    [Fact]
    public void The_tsc_deadline_fires_once_and_its_msr_reads_0_afterwards()
    {
        Write(0, LvtTimer, 0x40040);
        Write(0, InitialCount, 1000);
        Assert.True(_apics[0].TryWriteMsr(0x6e0, 5_000_000));
        Assert.True(_apics[0].TryReadMsr(0x6e0, out var deadline));
        Assert.Equal(5_000_000UL, deadline);
        _clock.Advance(4_999_999);
        Assert.False(_apics[0].HasInterrupt);
        _clock.Advance(1);
        Assert.Equal(0x40, _apics[0].Acknowledge());
        _apics[0].TryReadMsr(0x6e0, out deadline);
        Assert.Equal(0UL, deadline);
    }

    [Fact]
    public void A_deadline_that_has_passed_interrupts_with_the_write()
    {
        Write(0, LvtTimer, 0x40040);
        _clock.Advance(1000);
        Assert.True(_apics[0].TryWriteMsr(0x6e0, 1000));
        Assert.Equal(0x40, _apics[0].Acknowledge());
        _apics[0].TryReadMsr(0x6e0, out var deadline);
        Assert.Equal(0UL, deadline);
    }

    [Fact]
    public void Outside_deadline_mode_the_deadline_cannot_be_set()
    {
        Assert.True(_apics[0].TryWriteMsr(0x6e0, 5));
        Assert.True(_apics[0].TryReadMsr(0x6e0, out var deadline));
        Assert.Equal(0UL, deadline);
    }

    [Theory]
    [InlineData(0xfee00400UL, false)]
    [InlineData(0xfee00800UL, true)]
    [InlineData(0xfee00c00UL, true)]
    [InlineData(0x100_fee0_0800UL, false)]
    [InlineData(0xfee00801UL, false)]
    public void The_base_msr_refuses_what_the_manual_does(ulong value, bool accepted) => Assert.Equal(accepted, _apics[0].TryWriteBaseMsr(value));

    [Fact]
    public void X2apic_mode_is_left_only_by_disabling_and_entered_only_from_xapic()
    {
        Assert.True(_apics[0].TryWriteBaseMsr(LocalApic.DefaultAddress | X2Apic));
        Assert.False(_apics[0].TryWriteBaseMsr(LocalApic.DefaultAddress | Enabled));
        Assert.True(_apics[0].TryWriteBaseMsr(LocalApic.DefaultAddress));
        Assert.False(_apics[0].TryWriteBaseMsr(LocalApic.DefaultAddress | X2Apic));
        Assert.True(_apics[0].TryWriteBaseMsr(LocalApic.DefaultAddress | Enabled));
        Assert.Equal(0xffUL, Read(0, Svr));
    }

    [Fact]
    public void In_x2apic_mode_registers_are_msrs_with_32_bit_ids_and_reserved_bits_fault()
    {
        Assert.True(_apics[2].TryWriteBaseMsr(LocalApic.DefaultAddress | X2Apic));
        Assert.True(_apics[2].TryReadMsr(0x802, out var id));
        Assert.Equal(2UL, id);
        Assert.True(_apics[2].TryReadMsr(0x80d, out var logical));
        Assert.Equal(4UL, logical);
        Assert.False(_apics[2].TryWriteMsr(0x802, 0));
        Assert.False(_apics[2].TryWriteMsr(0x80b, 1));
        Assert.True(_apics[2].TryWriteMsr(0x80b, 0));
        Assert.False(_apics[2].TryReadMsr(0x80b, out _));
        Assert.False(_apics[2].TryReadMsr(0x80e, out _));
        Assert.False(_apics[2].TryWriteMsr(0x808, 0x100));
        Assert.False(_apics[2].TryReadMsr(0x831, out _));
        Assert.False(_apics[2].TryReadMsr(0x82f, out _));
        Assert.False(_apics[2].TryWriteMsr(0x82f, 0));
        Assert.False(_apics[2].TryReadMsr(0x8ff, out _));
        Assert.True(_apics[2].TryWriteMsr(0x83f, 0x77));
        Assert.Equal(0x77, _apics[2].Acknowledge());
        Assert.True(_apics[2].TryWriteMsr(0x830, 1UL << 32 | 0x41));
        Assert.True(_apics[1].HasInterrupt);
        Assert.False(_apics[2].TryRead(LocalApic.DefaultAddress + Id, 4, out _));
    }

    [Fact]
    public void Outside_x2apic_mode_its_msrs_fault()
    {
        Assert.False(_apics[0].TryReadMsr(0x802, out _));
        Assert.False(_apics[0].TryWriteMsr(0x80b, 0));
    }

    [Fact]
    public void Disabling_by_software_masks_the_lvt_and_turns_away_new_interrupts()
    {
        Write(0, LvtTimer, 0x40);
        SendSelf(0x51);
        Write(0, Svr, 0xff);
        Assert.Equal(0x10040UL, Read(0, LvtTimer));
        Send(1, 0, 0x61);
        Assert.Equal(0x51, _apics[0].Acknowledge());
        Assert.Equal(-1, _apics[0].Acknowledge());
    }

    [Fact]
    public void In_virtual_wire_mode_the_pic_interrupts_through_lint0()
    {
        _apics[0].EnterVirtualWireMode();
        _pic.InitializeAsFirmware();
        _pic.Out(I8259.MasterRegion, 1, 0);
        _pic.GetLine(4).Set(true);
        Assert.True(_apics[0].HasInterrupt);
        Assert.Equal(0x0c, _apics[0].Acknowledge());
        Assert.False(_apics[0].HasInterrupt);
    }

    [Fact]
    public void The_page_follows_its_base_and_answers_nowhere_else()
    {
        Assert.True(_apics[0].TryWriteBaseMsr(0x1000_0000 | Enabled));
        Assert.False(_apics[0].TryRead(LocalApic.DefaultAddress, 4, out _));
        Assert.True(_apics[0].TryRead(0x1000_0000 + Version, 4, out var version));
        Assert.Equal(0x00050014UL, version);
    }

    private bool[] Pending => [.. _apics.Select(apic => apic.HasInterrupt)];

    private ulong Read(int cpu, ulong offset) => _apics[cpu].ReadMmio(0, offset, 4);

    private void Write(int cpu, ulong offset, ulong value) => _apics[cpu].WriteMmio(0, offset, 4, value);

    private void Send(int from, ulong destination, ulong command)
    {
        Write(from, IcrHigh, destination << 24);
        Write(from, IcrLow, command);
    }

    private void SendSelf(ulong vector) => Write(0, IcrLow, 0x40000 | vector);

    private sealed class Relay : IIrqLine
    {
        public IIrqLine? Target { get; set; }

        public void Set(bool level) => Target?.Set(level);
    }

    private sealed class Signals : IVcpuSignals
    {
        public int Inits { get; private set; }

        public int Nmis { get; private set; }

        public List<byte> StartUps { get; } = [];

        public void SignalInterrupt() { }

        public void SignalNmi() => Nmis++;

        public void SignalInit() => Inits++;

        public void SignalStartUp(byte vector) => StartUps.Add(vector);

        public void Wake() { }

        public void WaitWhileHalted() { }
    }
}
