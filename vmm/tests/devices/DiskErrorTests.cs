using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.State;
using Gauntlet.Vmm.Storage;
using Gauntlet.Vmm.Tests.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>What disks do about requests that the host could not carry out, by the wish of their user.</summary>
public sealed class DiskErrorTests
{
    private const byte Busy = 0x80, DataRequest = 8, Failed = 1;
    private const int Sectors = 64;
    private const uint Table = 0x1000, Data = 0x4000;

    private readonly MemoryImage _content = new(Sectors * AtaDisk.SectorBytes);
    private readonly ArrayMemory _memory = new(1 << 20);
    private readonly RecordingLine _irq = new();
    private readonly List<BlockError> _told = [];

    [Theory]
    [InlineData("flush_to_disk", 0xe7)]
    [InlineData("read_aio", 0x20)]
    [InlineData("write_aio", 0x30)]
    [InlineData("read_aio", 0xc8)]
    [InlineData("write_aio", 0xca)]
    public void A_command_is_held_back_while_the_machine_is_stopped_and_then_done(string fails, byte command)
    {
        var (ide, controller) = NewIde(fails, BlockErrorAction.Stop);
        Start(ide, command);
        Assert.Equal(Busy, ide.Status & (Busy | DataRequest | Failed));
        Assert.False(_irq.Level);
        Assert.Equal(new BlockError("disk", "node", fails != "read_aio", BlockErrorAction.Stop), Assert.Single(_told));

        controller.OnResume();
        Assert.True(_irq.Level);
        Finish(ide, command);
        Assert.Single(_told);
    }

    [Theory]
    [InlineData("flush_to_disk", 0xe7)]
    [InlineData("read_aio", 0x20)]
    [InlineData("write_aio", 0x30)]
    [InlineData("write_aio", 0xca)]
    public void A_command_that_is_held_back_is_saved_with_the_machine(string fails, byte command)
    {
        var (_, before) = NewIde(fails, BlockErrorAction.Stop, ide => Start(ide, command));
        var (ide, after) = NewIde("", BlockErrorAction.Stop);
        var state = StateOf(before);
        var reader = new StateReader(state);
        after.Load(ref reader);
        Assert.Equal(Busy, ide.Status & (Busy | DataRequest | Failed));
        after.OnResume();
        Finish(ide, command);
    }

    [Theory]
    [InlineData("flush_to_disk", 0xe7)]
    [InlineData("read_aio", 0xc8)]
    [InlineData("write_aio", 0x30)]
    public void A_guest_is_told_of_an_error_when_nothing_else_is_wished(string fails, byte command)
    {
        var (ide, controller) = NewIde(fails, BlockErrorAction.Report);
        Start(ide, command);
        Assert.Equal(Failed, ide.Status & (Busy | DataRequest | Failed));
        Assert.Equal(BlockErrorAction.Report, Assert.Single(_told).Action);
        controller.OnResume();
        Assert.Equal(Failed, ide.Status & (Busy | DataRequest | Failed));
    }

    [Fact]
    public void An_error_that_is_to_be_ignored_leaves_the_guest_with_zeros()
    {
        var (ide, _) = NewIde("read_aio", BlockErrorAction.Ignore);
        _content.Content.Fill(0x77);
        _memory.Bytes.AsSpan((int)Data, 512).Fill(0x33);
        Start(ide, 0xc8);
        Assert.Equal(0, ide.Status & (Busy | DataRequest | Failed));
        Assert.True(_memory.Bytes.AsSpan((int)Data, 512).IndexOfAnyExcept((byte)0) < 0);
    }

    [Fact]
    public void A_reset_forgets_what_was_held_back()
    {
        var (ide, controller) = NewIde("flush_to_disk", BlockErrorAction.Stop);
        Start(ide, 0xe7);
        ide.Control(4);
        ide.Control(0);
        Assert.Equal(0x50, ide.Status);
        controller.OnResume();
        Assert.Equal(0x50, ide.Status);
        Assert.False(_irq.Level);
    }

    [Fact]
    public void A_request_at_a_breakpoint_waits_and_has_not_failed()
    {
        var image = new BlkDebugImage(_content, []);
        var errors = new BlockErrors("disk") { Breakpoints = image };
        errors.Connect(_told.Add);
        var (ide, controller) = NewIde(new AtaDisk(image, errors: errors));
        image.AddBreakpoint("flush_to_os", "A");
        ide.Command(0xe7);
        Assert.Equal(Busy, ide.Status & (Busy | DataRequest | Failed));
        controller.OnResume();
        Assert.Equal(Busy, ide.Status & (Busy | DataRequest | Failed));
        Assert.False(image.RemoveBreakpoint("B"));
        Assert.True(image.RemoveBreakpoint("A"));
        controller.OnResume();
        Assert.Equal(0x50, ide.Status);
        Assert.Equal(1, _content.Flushes);
        Assert.Empty(_told);
        Assert.False(errors.HasFailed);
    }

    [Fact]
    public void A_sata_disk_carries_its_slot_out_once_more()
    {
        const ulong Hba = 0xfe000000, Port = Hba + 0x100;
        const uint List = 0x1000, Fis = 0x2000, Command = 0x3000;
        var bench = DeviceCatalogue.NewAhci(_memory, _irq, disk: NewDisk("read_aio", BlockErrorAction.Stop));
        bench.Bus.WritePort(0xcf8, 4, 0x80001004);
        bench.Bus.WritePort(0xcfc, 2, 7);
        foreach (var (offset, value) in (ReadOnlySpan<(uint, uint)>)[(0x00, List), (0x08, Fis), (0x18, 0x11)])
            bench.Bus.WriteMmio(Port + offset, 4, value);
        _content.Content.Fill(0x77);
        _memory.Bytes.AsSpan((int)List, 0x3000).Clear();
        // READ DMA EXT of one sector, by one region.
        (_memory.Bytes[List], _memory.Bytes[List + 2], _memory.Bytes[List + 9]) = (5, 1, (byte)(Command >> 8));
        (_memory.Bytes[Command], _memory.Bytes[Command + 1], _memory.Bytes[Command + 2], _memory.Bytes[Command + 7], _memory.Bytes[Command + 12]) = (0x27, 0x80, 0x25, 0x40, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.Bytes.AsSpan((int)Command + 0x80), Data);
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.Bytes.AsSpan((int)Command + 0x8c), 511);
        bench.Bus.WriteMmio(Port + 0x38, 4, 1);
        Assert.Equal(1u, (uint)bench.Bus.ReadMmio(Port + 0x38, 4));
        Assert.Single(_told);

        ((IResumable)bench.Devices[1]).OnResume();
        Assert.Equal(0u, (uint)bench.Bus.ReadMmio(Port + 0x38, 4));
        Assert.Equal(0x50u, (uint)bench.Bus.ReadMmio(Port + 0x20, 4));
        Assert.Equal(0x77, _memory.Bytes[Data]);
        Assert.Single(_told);
    }

    [Theory]
    [InlineData(BlockErrorAction.Report, 1, 1)]
    [InlineData(BlockErrorAction.Ignore, 1, 0)]
    [InlineData(BlockErrorAction.Stop, 0, 0)]
    public void A_virtio_disk_does_as_it_is_told(BlockErrorAction action, int returned, byte status)
    {
        const ulong Header = 0x20000, Status = 0x20100, Buffer = 0x21000;
        var disk = new BlkDebugImage(_content, [new BlkDebugRule("write_aio", Once: true)]);
        var errors = new BlockErrors("disk", "node", write: action);
        errors.Connect(_told.Add);
        VirtioBlk? device = null;
        var rig = new VirtioPciRig((memory, clock) => device = new VirtioBlk(memory, clock, disk, errors: errors));
        var driver = rig.Start();
        BinaryPrimitives.WriteUInt32LittleEndian(rig.Memory.Bytes.AsSpan((int)Header), 1);
        rig.Memory.Bytes.AsSpan((int)Buffer, 512).Fill(0x66);
        rig.Memory.Bytes[Status] = 0xff;
        driver.Add([new(Header, 16, false), new(Buffer, 512, false), new(Status, 1, true)]);
        rig.Notify();
        Assert.Equal(new BlockError("disk", "node", true, action), Assert.Single(_told));
        Assert.Equal(returned == 1, driver.Take() is not null);
        if (returned == 1)
        {
            Assert.Equal((status, 0), (rig.Memory.Bytes[Status], _content.Content[0]));
            return;
        }
        Assert.Equal(0xff, rig.Memory.Bytes[Status]);
        device!.OnResume();
        Assert.NotNull(driver.Take());
        Assert.Equal((0, 0x66), (rig.Memory.Bytes[Status], _content.Content[0]));
        Assert.Single(_told);
    }

    private AtaDisk NewDisk(string fails, BlockErrorAction action)
    {
        var errors = new BlockErrors("disk", "node", action, action);
        errors.Connect(_told.Add);
        return new AtaDisk(new BlkDebugImage(_content, fails.Length == 0 ? [] : [new BlkDebugRule(fails, Once: true)]), errors: errors);
    }

    private (IdeDriver Ide, PiixIde Controller) NewIde(string fails, BlockErrorAction action, Action<IdeDriver>? then = null)
    {
        var (ide, controller) = NewIde(NewDisk(fails, action));
        then?.Invoke(ide);
        return (ide, controller);
    }

    private (IdeDriver Ide, PiixIde Controller) NewIde(AtaDisk disk)
    {
        var bench = DeviceCatalogue.NewIde(_memory, _irq, disk);
        return (new IdeDriver(bench.Bus), (PiixIde)bench.Devices[1]);
    }

    private static byte[] StateOf(ISaveable device)
    {
        var writer = new StateWriter();
        device.Save(writer);
        return writer.Written.ToArray();
    }

    // One sector, 3, whose content is 0x77 on the disk and 0x66 in the guest.
    private void Start(IdeDriver ide, byte command)
    {
        if (command is 0x20 or 0xc8 && _content.Content[0] == 0)
            _content.Content.Fill(0x77);
        ide.SetLba(3, 1);
        ide.Command(command);
        if (command == 0x30)
            ide.WriteData([.. Enumerable.Repeat((byte)0x66, 512)]);
        if (command is not (0xc8 or 0xca))
            return;
        if (command == 0xca)
            _memory.Bytes.AsSpan((int)Data, 512).Fill(0x66);
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.Bytes.AsSpan((int)Table), Data);
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.Bytes.AsSpan((int)Table + 4), 512 | 1u << 31);
        ide.StartDma(Table, toMemory: command == 0xc8);
    }

    private void Finish(IdeDriver ide, byte command)
    {
        switch (command)
        {
            case 0x20:
                Assert.Equal(0x58, ide.Status);
                Assert.Equal(0x77, ide.ReadData(512)[511]);
                break;
            case 0xc8:
                Assert.Equal((0x77, 0x77), (_memory.Bytes[Data], _memory.Bytes[Data + 511]));
                Assert.Equal(0, ide.BusMasterStatus & 1);
                break;
            case 0x30 or 0xca:
                Assert.Equal((0x66, 0x66), (_content.Content[3 * 512], _content.Content[3 * 512 + 511]));
                break;
            default:
                Assert.Equal(1, _content.Flushes);
                break;
        }
        Assert.Equal(0x50, ide.Status);
    }
}
