using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Devices.Timer;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>ACPI fixed hardware, the keyboard controller, fw_cfg, and the test devices.</summary>
public sealed class PlatformTests
{
    private readonly ManualClock _clock = Rig.NewClock();
    private readonly RecordingLine _irq = new();
    private readonly RecordingMachine _machine = new();

    [Fact]
    public void The_pm_timer_counts_3579545_a_second_in_24_bits()
    {
        var pm = new AcpiPm(_irq, _clock, _machine);
        _clock.Advance(Rig.Second);
        Assert.Equal(3_579_545u, pm.ReadPort(0, 8, 4));
        _clock.Advance(4 * Rig.Second);
        Assert.Equal(5u * 3_579_545 & 0xffffff, pm.ReadPort(0, 8, 4));
    }

    [Fact]
    public void The_power_button_is_an_event_and_an_sci_where_it_is_enabled()
    {
        var pm = new AcpiPm(_irq, _clock, _machine);
        pm.PressPowerButton();
        Assert.Equal((1u << 8, false), (pm.ReadPort(0, 0, 2), _irq.Level));
        pm.WritePort(0, 2, 2, 1 << 8);
        Assert.True(_irq.Level);
        pm.WritePort(0, 0, 2, 1 << 8);
        Assert.False(_irq.Level);
    }

    [Fact]
    public void Without_fixed_hardware_the_power_button_is_an_event_that_reading_answers()
    {
        var ged = new AcpiGed(_irq, _machine);
        ged.PressPowerButton();
        Assert.True(_irq.Level);
        Assert.Equal(2u, ged.ReadMmio(AcpiGed.EventRegion, 0, 4));
        Assert.False(_irq.Level);
        Assert.Equal(0u, ged.ReadMmio(AcpiGed.EventRegion, 0, 4));
    }

    [Fact]
    public void Without_fixed_hardware_the_sleep_control_register_switches_off_and_the_reset_register_resets()
    {
        var ged = new AcpiGed(_irq, _machine);
        ged.WriteMmio(AcpiGed.SleepRegion, AcpiGed.SleepControlOffset, 1, AcpiGed.SoftOffSleepType << 2);
        ged.WriteMmio(AcpiGed.SleepRegion, AcpiGed.SleepControlOffset, 1, 1 << 5 | 1 << 2);
        ged.WriteMmio(AcpiGed.SleepRegion, AcpiGed.ResetOffset, 1, 0x41);
        Assert.Equal((0, 0), (_machine.PowerOffs, _machine.Resets));
        ged.WriteMmio(AcpiGed.SleepRegion, AcpiGed.SleepControlOffset, 1, 1 << 5 | AcpiGed.SoftOffSleepType << 2);
        ged.WriteMmio(AcpiGed.SleepRegion, AcpiGed.ResetOffset, 1, AcpiGed.ResetValue);
        Assert.Equal((1, 1), (_machine.PowerOffs, _machine.Resets));
    }

    [Fact]
    public void A_suspended_machine_is_woken_by_an_alarm_that_is_enabled_and_finds_that_it_was()
    {
        var pm = new AcpiPm(_irq, _clock, _machine);
        var rtc = new Mc146818(new RecordingLine(), _clock, pm.RtcAlarm);
        pm.WritePort(0, 4, 2, 1 << 13 | AcpiPm.SuspendSleepType << 10);
        Assert.Equal((1, 0, 0), (_machine.Suspends, _machine.Wakes, _machine.PowerOffs));
        foreach (var (register, value) in ((byte, byte)[])[(1, 0xc0), (3, 0xc0), (5, 0xc0), (0xb, 0x22)])
        {
            rtc.Out(0, 0, register);
            rtc.Out(0, 1, value);
        }
        _clock.Advance(2 * Rig.Second);
        Assert.Equal(0, _machine.Wakes);
        pm.WritePort(0, 2, 2, 1 << 10);
        rtc.Out(0, 0, 0xc);
        rtc.In(0, 1);
        _clock.Advance(2 * Rig.Second);
        Assert.Equal(1, _machine.Wakes);
        pm.Reset();
        pm.NoteWake();
        Assert.Equal(1u << 15 | 1u << 10, pm.ReadPort(0, 0, 2));
    }

    [Fact]
    public void A_panic_is_told_once_by_port_or_by_memory()
    {
        var (port, memory) = (new PvPanic(_machine), new PvPanicPci(_machine));
        Assert.Equal((3u, 3ul), (port.ReadPort(0, 0, 1), memory.ReadMmio(0, 0, 1)));
        port.WritePort(0, 0, 1, 1);
        memory.WriteMmio(0, 0, 1, 2);
        port.WritePort(0, 0, 1, 4);
        Assert.Equal([false, true], _machine.Panics);
    }

    [Fact]
    public void The_pm_timers_top_bit_sets_its_status_and_with_enable_the_sci()
    {
        var pm = new AcpiPm(_irq, _clock, _machine);
        pm.WritePort(0, 2, 2, 1);
        _clock.Advance(2 * Rig.Second);
        Assert.False(_irq.Level);
        _clock.Advance(Rig.Second);
        Assert.True(_irq.Level);
        Assert.Equal(1u, pm.ReadPort(0, 0, 2) & 0xffff);
        pm.WritePort(0, 0, 2, 1);
        Assert.False(_irq.Level);
        Assert.Equal(0u, pm.ReadPort(0, 0, 2) & 0xffff);
    }

    [Fact]
    public void Sleep_enable_with_s5s_type_powers_off_and_with_another_does_not()
    {
        var pm = new AcpiPm(_irq, _clock, _machine);
        Assert.Equal(1u, pm.ReadPort(0, 4, 2));
        pm.WritePort(0, 4, 2, 0x3401);
        Assert.Equal(0, _machine.PowerOffs);
        pm.WritePort(0, 4, 2, 0x2001);
        Assert.Equal(1, _machine.PowerOffs);
    }

    [Fact]
    public void The_keyboard_controller_passes_its_self_test_and_resets_the_machine()
    {
        var controller = new I8042(_irq, _machine);
        controller.Out(I8042.CommandRegion, 0, 0xaa);
        Assert.Equal(1, controller.In(I8042.CommandRegion, 0) & 1);
        Assert.Equal(0x55, controller.In(I8042.DataRegion, 0));
        Assert.Equal(0, controller.In(I8042.CommandRegion, 0) & 1);
        controller.Out(I8042.CommandRegion, 0, 0xfe);
        Assert.Equal(1, _machine.Resets);
        controller.Out(I8042.SystemControlRegion, 0, 1);
        Assert.Equal(2, _machine.Resets);
    }

    [Fact]
    public void A20_is_one_bit_behind_three_doors()
    {
        var controller = new I8042(_irq, _machine);
        controller.Out(I8042.SystemControlRegion, 0, 0);
        Assert.Equal(0, controller.In(I8042.SystemControlRegion, 0) & 2);
        controller.Out(I8042.CommandRegion, 0, 0xd1);
        controller.Out(I8042.DataRegion, 0, 0x03);
        Assert.Equal(2, controller.In(I8042.SystemControlRegion, 0) & 2);
        controller.Out(I8042.CommandRegion, 0, 0xdd);
        controller.Out(I8042.CommandRegion, 0, 0xd0);
        Assert.Equal(0, controller.In(I8042.DataRegion, 0) & 2);
        Assert.Equal(0, _machine.Resets);
    }

    [Fact]
    public void The_keyboard_answers_its_reset_and_identity_with_an_interrupt_for_each_byte()
    {
        var controller = new I8042(_irq, _machine);
        controller.Out(I8042.DataRegion, 0, 0xff);
        Assert.Equal((0xfa, 0xaa), (controller.In(I8042.DataRegion, 0), controller.In(I8042.DataRegion, 0)));
        Assert.Equal((false, 2), (_irq.Level, _irq.Edges));
        controller.Out(I8042.DataRegion, 0, 0xf2);
        Assert.Equal((0xfa, 0xab, 0x83), (controller.In(I8042.DataRegion, 0), controller.In(I8042.DataRegion, 0), controller.In(I8042.DataRegion, 0)));
    }

    [Fact]
    public void Fw_cfg_gives_an_item_byte_by_byte_from_its_selection_and_zeros_after_its_end()
    {
        var device = new FwCfg();
        device.Add(FwCfg.CpuCountKey, (ushort)0x1234);
        device.WritePort(0, 0, 2, FwCfg.CpuCountKey);
        Assert.Equal((0x34, 0x12, 0), (device.In(0, 1), device.In(0, 1), device.In(0, 1)));
        device.WritePort(0, 0, 2, FwCfg.SignatureKey);
        Assert.Equal("QEMU"u8.ToArray(), Enumerable.Range(0, 4).Select(_ => device.In(0, 1)).ToArray());
        device.WritePort(0, 0, 2, 0x3fff);
        Assert.Equal(0, device.In(0, 1));
    }

    [Fact]
    public void Fw_cfg_lists_its_files_sorted_by_name_with_keys_that_select_them()
    {
        var device = new FwCfg();
        device.AddFile("opt/z", "last"u8.ToArray());
        device.AddFile("etc/a", "first"u8.ToArray());
        device.WritePort(0, 0, 2, FwCfg.FileDirectoryKey);
        var directory = Enumerable.Range(0, 4 + 2 * 64).Select(_ => device.In(0, 1)).ToArray();
        Assert.Equal([0, 0, 0, 2, 0, 0, 0, 5, 0, 0x20, 0, 0, (byte)'e'], directory[..13]);
        device.WritePort(0, 0, 2, 0x21);
        Assert.Equal((byte)'l', device.In(0, 1));
        Assert.Throws<ArgumentException>(() => device.AddFile("opt/z", []));
        Assert.Throws<ArgumentException>(() => device.AddFile(new string('x', 56), []));
    }

    [Theory]
    [InlineData(0u, 1)]
    [InlineData(1u, 3)]
    [InlineData(38u, 77)]
    [InlineData(63u, 127)]
    [InlineData(0xffffffffu, 255)]
    public void A_write_to_isa_debug_exit_is_an_odd_status(uint value, int status)
    {
        new IsaDebugExit(_machine, 4).WritePort(0, 0, 4, value);
        Assert.Equal([status], _machine.Exits);
    }

    [Fact]
    public void Pc_testdevs_latches_are_one_and_its_lines_are_driven_by_level()
    {
        var pic = new I8259(_irq);
        var device = new PcTestDev(new PcInterruptLines(pic, new IoApic(new ApicBus())));
        device.WritePort(PcTestDev.LatchRegion, 0, 4, 0x44332211);
        Assert.Equal(0x22, device.In(PcTestDev.ByteLatchRegion, 1));
        device.Out(PcTestDev.ByteLatchRegion, 3, 0x99);
        Assert.Equal(0x99332211u, device.ReadPort(PcTestDev.LatchRegion, 0, 4));
        pic.Out(I8259.ElcrRegion, 0, 0x10);
        device.Out(PcTestDev.InterruptRegion, 4, 1);
        pic.Out(I8259.MasterRegion, 0, 0x0a);
        Assert.Equal(0x10, pic.In(I8259.MasterRegion, 0));
        device.Out(PcTestDev.InterruptRegion, 4, 0);
        Assert.Equal(0, pic.In(I8259.MasterRegion, 0));
    }

    [Fact]
    public void Pc_testdevs_memory_keeps_what_is_written_at_every_width()
    {
        var bench = DeviceCatalogue.All["pc-testdev"]();
        bench.Bus.WriteMmio(PcTestDev.MemoryAddress + 1, 8, 0x1122334455667788);
        Assert.Equal(0x1122334455667788UL, bench.Bus.ReadMmio(PcTestDev.MemoryAddress + 1, 8));
        Assert.Equal(0x6677UL, bench.Bus.ReadMmio(PcTestDev.MemoryAddress + 2, 2));
        Assert.Equal(0xffffffff_00000000UL, bench.Bus.ReadMmio(PcTestDev.MemoryAddress + 0xfffc, 8));
    }

    // QEMU, docs/specs/fw_cfg.rst, "DMA Interface".
    private sealed class DmaRig
    {
        public const ushort File = 0x20;
        private const ulong Command = 0x1_0000;

        public DmaRig()
        {
            Device = new FwCfg(Memory);
            Device.AddFile("opt/test", "content"u8.ToArray());
        }

        public ArrayMemory Memory { get; } = new(0x20000);

        public FwCfg Device { get; }

        /// <summary>Runs a command and returns what is in its control afterwards.</summary>
        public uint Run(uint control, uint length, ulong address, ulong at = Command)
        {
            if (at < (ulong)Memory.Bytes.Length)
            {
                var command = Memory.Bytes.AsSpan((int)at, 16);
                BinaryPrimitives.WriteUInt32BigEndian(command, control);
                BinaryPrimitives.WriteUInt32BigEndian(command[4..], length);
                BinaryPrimitives.WriteUInt64BigEndian(command[8..], address);
            }
            Device.WritePort(0, 4, 4, BinaryPrimitives.ReverseEndianness((uint)(at >> 32)));
            Device.WritePort(0, 8, 4, BinaryPrimitives.ReverseEndianness((uint)at));
            return at < (ulong)Memory.Bytes.Length ? BinaryPrimitives.ReadUInt32BigEndian(Memory.Bytes.AsSpan((int)at)) : 0;
        }

        public string Text(int address, int count) => Encoding.ASCII.GetString(Memory.Bytes, address, count);
    }

    private const uint Read = 2, Skip = 4, Select = 8, Write = 16, Error = 1;

    [Fact]
    public void Fw_cfg_tells_of_its_dma_by_the_id_and_a_signature()
    {
        var rig = new DmaRig();
        rig.Device.WritePort(0, 0, 2, FwCfg.IdKey);
        Assert.Equal(3, rig.Device.In(0, 1));
        Assert.Equal((0x554d4551u, 0x47464320u), (rig.Device.ReadPort(0, 4, 4), rig.Device.ReadPort(0, 8, 4)));
        var plain = new FwCfg();
        plain.WritePort(0, 0, 2, FwCfg.IdKey);
        Assert.Equal(1, plain.In(0, 1));
    }

    [Fact]
    public void Fw_cfg_dma_selects_skips_and_reads_and_there_are_zeros_past_the_end()
    {
        var rig = new DmaRig();
        rig.Memory.Bytes.AsSpan(0x100, 16).Fill(0xff);
        Assert.Equal(0u, rig.Run((uint)DmaRig.File << 16 | Select | Skip, 3, 0));
        Assert.Equal(0u, rig.Run(Read, 6, 0x100));
        Assert.Equal("tent\0\0", rig.Text(0x100, 6));
        Assert.Equal(0xff, rig.Memory.Bytes[0x106]);
        // What DMA leaves off, the data register goes on with.
        Assert.Equal(0u, rig.Run((uint)DmaRig.File << 16 | Select | Read, 2, 0x100));
        Assert.Equal((byte)'n', rig.Device.In(0, 1));
    }

    [Fact]
    public void Fw_cfg_dma_that_leaves_ram_or_writes_an_item_ends_with_the_error_bit()
    {
        var rig = new DmaRig();
        Assert.Equal(Error, rig.Run((uint)DmaRig.File << 16 | Select | Read, 7, 0x1fffe));
        Assert.Equal(Error, rig.Run((uint)DmaRig.File << 16 | Select | Read, uint.MaxValue, 0x100));
        Assert.Equal(Error, rig.Run((uint)DmaRig.File << 16 | Select | Write, 4, 0x100));
        Assert.Equal(0u, rig.Run((uint)DmaRig.File << 16 | Select | Read, 7, 0x100));
        Assert.Equal("content", rig.Text(0x100, 7));
        // A command that is nowhere is no command.
        rig.Run(Read, 1, 0, at: 0xffff_ffff_ffff_fff8);
    }
}
