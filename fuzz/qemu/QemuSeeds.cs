using System.Buffers.Binary;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// First programs for devices that do next to nothing until a driver has built rings for them in memory: what a driver does to start them, and some requests. What
/// random accesses seldom bring together is here as the data sheets have it; the mutations break it. A device without one starts from random programs.
/// </summary>
internal sealed class QemuSeeds
{
    private const uint Arena = (uint)QemuPrograms.Arena, Page = 0x1000;

    private static readonly (string Device, Action<QemuSeeds> Write)[] ByDevice =
    [
        ("nvme", Nvme), ("nvme", NvmeVectors), ("ich9-ahci", Ahci), ("megasas", seed => Megasas(seed, 0)), ("megasas-gen2", seed => Megasas(seed, 1)), ("mptsas1068", Mptsas), ("pvscsi", Pvscsi), ("sdhci-pci", Sdhci),
        ("vmxnet3", Vmxnet3), ("e1000", E1000), ("e1000e", E1000), ("e1000e", Throttling), ("i82550", Eepro100), ("tulip", Tulip),
        ("nec-usb-xhci", Xhci), ("qemu-xhci", Xhci), ("ich9-usb-ehci1", Ehci), ("usb-ehci", Ehci), ("pci-ohci", Ohci), ("piix3-usb-uhci", Uhci), ("intel-hda", Hda),
    ];

    private readonly Dictionary<int, (AddressSpace Space, ulong Base)> _bars = [];
    private readonly List<Operation> _program = [];
    private readonly QemuDevice _device;

    private QemuSeeds(QemuDevice device)
    {
        _device = device;
        foreach (var (register, value) in ConfigWrites(device.Setup).Where(write => write.Register is >= 0x10 and < 0x28))
        {
            // The upper half of a wide one is zero.
            if (value != 0)
                _bars[(register - 0x10) / 4] = (value < 0x10000 ? AddressSpace.Port : AddressSpace.Mmio, value);
        }
    }

    /// <summary>None for a device that is not known, or whose BARs are not where its data sheet has them.</summary>
    public static IReadOnlyList<IReadOnlyList<Operation>> For(QemuDevice device)
    {
        var seeds = new List<IReadOnlyList<Operation>>();
        foreach (var (_, write) in ByDevice.Where(entry => entry.Device == device.Name))
        {
            var seed = new QemuSeeds(device);
            try
            {
                write(seed);
            }
            catch (KeyNotFoundException)
            {
                continue;
            }
            seeds.Add(seed._program);
        }
        return seeds;
    }

    // What the setup wrote, by the register of the first function that it names.
    private static IEnumerable<(int Register, ulong Value)> ConfigWrites(IReadOnlyList<Operation> setup)
    {
        foreach (var write in setup.Where(static operation => operation.Kind == OperationKind.PciWrite))
        {
            if (write.Address >> 8 == setup[0].Address >> 8)
                yield return ((int)write.Address & byte.MaxValue, write.Value);
        }
    }

    private void Bar(int number, uint register, ulong value, int size = 4)
    {
        var (space, start) = _bars[number];
        _program.Add(Operation.Write(space, start + register, size, value));
    }

    private void Read(int number, uint register)
    {
        var (space, start) = _bars[number];
        _program.Add(Operation.Read(space, start + register, 4));
    }

    private void Memory(uint at, params ReadOnlySpan<uint> words)
    {
        Span<byte> bytes = stackalloc byte[words.Length * 4];
        for (var i = 0; i < words.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * 4)..], words[i]);
        _program.Add(Operation.WriteMemory(at, bytes));
    }

    // MSI-X instead of the pin (PCI Local Bus Specification 3.0, 6.8.2.3).
    private void EnableMsiX()
    {
        const int Enable = 0x8000;
        var capability = _device.Capabilities.FirstOrDefault(static each => each.Id == PciCapability.MsiX);
        if (capability.Offset != 0)
            _program.Add(Operation.PciWrite(capability.Function, capability.Offset + 2, 2, Enable));
    }

    private void Pause() => _program.Add(QemuPrograms.Pause);

    // NVM Express 1.4, 3.1 (registers), 5 (admin commands), 6 (I/O commands).
    private static void Nvme(QemuSeeds s)
    {
        const uint Admin = Arena, AdminDone = Arena + Page, IoDone = Arena + 2 * Page, Io = Arena + 3 * Page, Data = Arena + 4 * Page;
        s.Bar(0, 0x14, 0);
        s.Bar(0, 0x24, 0x000f000f);
        s.Bar(0, 0x28, Admin, 8);
        s.Bar(0, 0x30, AdminDone, 8);
        s.Bar(0, 0x14, 0x00460001);
        s.Memory(Admin, 0x00010005, 0, 0, 0, 0, 0, IoDone, 0, 0, 0, 0x00070001, 3);
        s.Memory(Admin + 64, 0x00020001, 0, 0, 0, 0, 0, Io, 0, 0, 0, 0x00070001, 0x00010001);
        s.Memory(Admin + 128, 0x00030006, 1, 0, 0, 0, 0, Data, 0);
        s.Memory(Admin + 192, 0x0004000c);
        s.Memory(Admin + 256, 0x00050009, 1, 0, 0, 0, 0, Data, 0, 0, 0, 7, 1);
        s.Memory(Admin + 320, 0x00060002, ~0u, 0, 0, 0, 0, Data, 0, 0, 0, 0x007f0002);
        s.Bar(0, 0x1000, 6);
        s.Memory(Io, 0x00010002, 1, 0, 0, 0, 0, Data, 0, Data + Page, 0, 0, 0, 1);
        s.Memory(Io + 64, 0x00020001, 1, 0, 0, 0, 0, Data, 0, Data + Page, 0, 0, 0, 1);
        s.Memory(Io + 128, 0x00030019, 1, 0, 0, 0, 0, Data, 0, 0, 0, 0, 0, 0);
        s.Memory(Io + 192, 0x00040009, 1, 0, 0, 0, 0, Data, 0, 0, 0, 0, 4);
        s.Memory(Io + 256, 0x00050005, 1, 0, 0, 0, 0, Data, 0, 0, 0, 0, 0, 0);
        s.Bar(0, 0x1008, 5);
        s.Pause();
    }

    // The same with a completion queue that interrupts by a vector of its own.
    private static void NvmeVectors(QemuSeeds s)
    {
        const uint Vector = 40;
        s.EnableMsiX();
        s.Bar(0, 0x14, 0);
        s.Bar(0, 0x24, 0x000f000f);
        s.Bar(0, 0x28, Arena, 8);
        s.Bar(0, 0x30, Arena + Page, 8);
        s.Bar(0, 0x14, 0x00460001);
        s.Memory(Arena, 0x00010005, 0, 0, 0, 0, 0, Arena + 2 * Page, 0, 0, 0, 0x00070001, Vector << 16 | 3);
        s.Memory(Arena + 64, 0x00020001, 0, 0, 0, 0, 0, Arena + 3 * Page, 0, 0, 0, 0x00070001, 0x00010001);
        s.Bar(0, 0x1000, 2);
        s.Pause();
        s.Memory(Arena + 3 * Page, 0x00010002, 1, 0, 0, 0, 0, Arena + 4 * Page, 0, Arena + 5 * Page, 0, 0, 0, 0, 1);
        s.Bar(0, 0x1008, 1);
        s.Pause();
        s.Bar(0, 0x100c, 1);
    }

    // Serial ATA AHCI 1.3.1, 3.1.2, 3.3 (registers), 4.2 (command list, tables).
    private static void Ahci(QemuSeeds s)
    {
        s.Bar(5, 4, 0x80000002);
        for (var port = 0u; port < 2; port++)
        {
            var (list, received, table) = (Arena + 4 * port * Page, Arena + (4 * port + 1) * Page, Arena + (4 * port + 2) * Page);
            uint[] commands = port == 0 ? [0x25, 0x60, 0x35, 0xec] : [0xa0, 0xa1, 0xa0, 0xec];
            for (var slot = 0u; slot < commands.Length; slot++)
            {
                s.Memory(list + 32 * slot, 5 | (port == 1 ? 0x20u : 0) | 0x00010000, 0, table + 0x100 * slot, 0);
                s.Memory(table + 0x100 * slot, 0x8027 | commands[slot] << 16 | 1u << 24, 0x40000000, 0, 8);
                s.Memory(table + 0x100 * slot + 0x40, 0x00000028, 0, 0x00000100);
                s.Memory(table + 0x100 * slot + 0x80, Arena + 0x8000, 0, 0, 0xfff);
            }
            var at = 0x100 + 0x80 * port;
            s.Bar(5, at, list);
            s.Bar(5, at + 4, 0);
            s.Bar(5, at + 8, received);
            s.Bar(5, at + 0xc, 0);
            s.Bar(5, at + 0x14, ~0u);
            s.Bar(5, at + 0x18, 0x10);
            s.Bar(5, at + 0x18, 0x11);
            s.Bar(5, at + 0x38, 1);
            s.Pause();
            s.Bar(5, at + 0x34, 2);
            s.Bar(5, at + 0x38, 0xe);
        }
        s.Pause();
    }

    // Linux, drivers/scsi/megaraid/megaraid_sas.h: frames, posted to the inbound queue port.
    private static void Megasas(QemuSeeds s, int bar)
    {
        const uint Queues = Arena + Page, Data = Arena + 4 * Page;
        s.Memory(Arena, 0, 0, 0, 0, 0, 0x20, Queues, 0);
        s.Memory(Queues, 0, 0x40, Arena + 2 * Page, 0, Arena + 3 * Page, 0, Arena + 3 * Page + 8, 0);
        s.Bar(bar, 0x40, Arena);
        // A direct command, a SCSI command, a read, an abort.
        s.Memory(Arena + 0x100, 0x00000005, 0x01000000, 1, 0, 0x00100000, 0x800, 0x01010000, 0, 0, 0, Data, 0x800);
        s.Bar(bar, 0x40, Arena + 0x100);
        s.Memory(Arena + 0x200, 0x00002003, 0x010a0000, 2, 0, 0x00100000, 0x200, Data + Page, 0, 0x00000028, 0, 0x00000100, 0, Data, 0x200);
        s.Bar(bar, 0x40, Arena + 0x200);
        s.Memory(Arena + 0x300, 0x00002001, 0x01000000, 3, 0, 0x00100000, 1, Data + Page, 0, 0, 0, Data, 0x200);
        s.Bar(bar, 0x40, Arena + 0x300);
        s.Memory(Arena + 0x400, 0x00000006, 0, 4, 0, 0, 0, 2, 0, Arena + 0x200, 0);
        s.Bar(bar, 0x40, Arena + 0x400);
        s.Pause();
    }

    // LSI, Fusion-MPT Device Management: a message through the doorbell, others through the request queue.
    private static void Mptsas(QemuSeeds s)
    {
        foreach (var word in (uint[])[0x02060000, 0x02000004, 0, 0, 0x00800008, 0, 0])
            s.Bar(1, 0, word);
        s.Bar(1, 0x34, 0);
        s.Bar(1, 0x44, Arena + Page);
        s.Bar(1, 0x44, Arena + 2 * Page);
        // SCSI I/O, task management, configuration, port facts.
        s.Memory(Arena, 0, 0x00200a00, 1, 0, 0, 0x02000000, 0x00000028, 0, 0x00000100, 0, 0x200, Arena + 3 * Page, 0xd1000200, Arena + 4 * Page);
        s.Memory(Arena + 0x100, 0, 0x01000300, 2);
        s.Memory(Arena + 0x200, 0x00000001, 0x04000000, 3, 0, 0, 0x00000100, 0, 0xd1000100, Arena + 4 * Page);
        s.Memory(Arena + 0x300, 0, 0x05000000, 4);
        for (var i = 0u; i < 4; i++)
            s.Bar(1, 0x40, Arena + 0x100 * i);
        s.Pause();
    }

    // Linux, drivers/scsi/vmw_pvscsi.h: rings are set up by words to the command port.
    private static void Pvscsi(QemuSeeds s)
    {
        const uint SetupRings = 3, Words = 132, Ring = 0x100, KickIo = 0x4018, KickOther = 0x3014;
        s.Memory(Arena, 1, 0, 3, 0, 3);
        s.Memory(Arena + Page, 1, 0, Arena + 4 * Page, 0, 0x200, 0, 0, 0, 0x00000028, 0, 0x00000100, 0, 0x000a0000, 0x20);
        s.Bar(0, 0, SetupRings);
        for (var word = 0u; word < Words; word++)
        {
            s.Bar(0, 4, word switch { 0 or 1 => 1, 2 => Ring, 4 => Ring + 1, 68 => Ring + 2, _ => 0 });
        }
        s.Bar(0, KickIo, 0);
        s.Bar(0, KickOther, 0);
        s.Pause();
    }

    // SD Host Controller Simplified Specification 3.00, 2.2; Physical Layer Simplified Specification 3.01, 4.7.4.
    private static void Sdhci(QemuSeeds s)
    {
        s.Bar(0, 0x2c, 5, 2);
        s.Bar(0, 0x29, 0xf, 1);
        s.Bar(0, 0x34, ~0u);
        s.Bar(0, 0x38, ~0u);
        foreach (var (command, argument) in ((uint, uint)[])[(0, 0), (0x081a, 0x1aa), (0x371a, 0), (0x2902, 0x40ff8000), (0x0209, 0), (0x031a, 0), (0x071b, 0x45670000)])
        {
            s.Bar(0, 8, argument);
            s.Bar(0, 0xe, command, 2);
        }
        s.Memory(Arena + Page, 0x02000021, Arena + 2 * Page, 0x02000023, Arena + 3 * Page);
        foreach (var (command, mode, dma) in ((uint, uint, uint)[])[(0x123a, 0x37, 0), (0x193a, 0x27, 0), (0x193a, 0x27, 0x10), (0x123a, 0x37, 0x10), (0x193a, 0x26, 0)])
        {
            s.Bar(0, 0, Arena);
            s.Bar(0, 0x58, Arena + Page);
            s.Bar(0, 0x28, dma, 1);
            s.Bar(0, 4, 0x00020200);
            s.Bar(0, 8, 0);
            s.Bar(0, 0xc, mode, 2);
            s.Bar(0, 0xe, command, 2);
            s.Bar(0, 0x20, 0x12345678);
        }
        s.Pause();
    }

    // Linux, drivers/net/vmxnet3/vmxnet3_defs.h: shared area, queue descriptors, rings; activated by a command.
    private static void Vmxnet3(QemuSeeds s)
    {
        const uint Queues = Arena + Page, Ring = Arena + 2 * Page, Done = Arena + 3 * Page, Receive = Arena + 5 * Page, Data = Arena + 6 * Page;
        // Magic, versions, the queues' address and length, MTU, one queue of each kind, interrupts.
        s.Memory(Arena, 0xbabefee1, 0, 1, 2, 1, 1, 0xf, 0, Data, 0, Queues, 0, 0x400, 0x200, 1500, 0x01010010, 0, 0, 0, 0, 0x00000301, 0);
        s.Memory(Queues, 0, 1, 0, 0, Ring, 0, 0, 0, Done, 0, 0, 0, 0, 0, 32, 0, 32, 0, 0);
        s.Memory(Queues + 0x100, 0, 0, 0, 0, Receive, 0, Receive + 0x400, 0, Receive + 0x800, 0, 0, 0, 0, 0, 16, 16, 32, 0, 1);
        Packet(s, Data);
        // Without offload, with a checksum, with segmentation.
        s.Memory(Ring, Data, 0, 0x4000 | 90, 0x3000, Data, 0, 0x4000 | 90 | 50u << 18, 0x3000 | 2 << 10 | 34, Data, 0, 0x4000 | 90 | 20u << 18, 0x3000 | 3 << 10 | 54);
        s.Memory(Receive, Data + Page, 0, 0x80000400, 0, Data + Page, 0, 0x80004400, 0);
        s.Bar(1, 0x10, Arena);
        s.Bar(1, 0x18, 0);
        s.Bar(1, 0x20, 0xcafe0000);
        s.Bar(0, 0x800, 2);
        // Interrupts 0 and 1 are not masked.
        s.Bar(0, 0, 0);
        s.Bar(0, 8, 0);
        s.Bar(0, 0x600, 1);
        s.Read(1, 0x38);
        s.Bar(0, 0x600, 3);
        s.Bar(1, 0x20, 0xcafe0002);
        s.Bar(1, 0x20, 0xcafe0001);
        s.Pause();
    }

    // Intel 82574 data sheet, 7.1 and 7.2 (descriptors), 10.2 (registers); the 82540's are at the same places. Frames are looped back.
    private static void E1000(QemuSeeds s)
    {
        const uint Transmit = Arena + 2 * Page, Receive = Arena + 3 * Page, Data = Arena + 4 * Page;
        Packet(s, Data);
        s.Memory(Receive, Data + Page, 0, 0, 0, Data + Page, 0, 0, 0, Data + Page, 0, 0, 0, Data + Page, 0, 0, 0);
        s.Bar(0, 0x5000, 0x2300);
        s.Bar(0, 0x5008, 0x8000);
        s.Bar(0, 0x5818, 0x00330001);
        s.Bar(0, 0x2800, Receive);
        s.Bar(0, 0x2804, 0);
        s.Bar(0, 0x2808, 0x100);
        s.Bar(0, 0x2810, 0);
        s.Bar(0, 0x2818, 8);
        s.Bar(0, 0x0100, 0x0000803e | 3 << 6);
        s.Memory(Transmit, 0x00210e18, 0x00003222, 0x27000000 | 36, 0x02003600, Data, 0, 0x2f100000 | 90, 0x00000300, Data, 0, 0x0b000000 | 90, 0);
        s.Bar(0, 0x3800, Transmit);
        s.Bar(0, 0x3804, 0);
        s.Bar(0, 0x3808, 0x100);
        s.Bar(0, 0x3810, 0);
        s.Bar(0, 0x0400, 0x0004010a);
        s.Bar(0, 0x3818, 3);
        s.Pause();
    }

    // The same, 7.4.4 and 10.2.4: all causes, the longest intervals between interrupts, each cause once more while a timer runs.
    private static void Throttling(QemuSeeds s)
    {
        s.Bar(0, 0xc4, 0xffff);
        for (var vector = 0u; vector < 5; vector++)
            s.Bar(0, 0xe8 + 4 * vector, 0xffff);
        s.Bar(0, 0xe4, 0x000cba98);
        s.Bar(0, 0xd0, ~0u);
        s.Bar(0, 0xc8, 0x01f00004);
        s.Read(0, 0xc0);
        s.Bar(0, 0xc8, 0x01f00004);
        s.Pause();
        s.Read(0, 0xc0);
    }

    // Intel 8255x Open Source Software Developer Manual, 6.4 (command blocks).
    private static void Eepro100(QemuSeeds s)
    {
        s.Bar(0, 4, 0);
        s.Bar(0, 2, 0x60, 1);
        s.Bar(0, 4, Arena + 3 * Page);
        s.Bar(0, 2, 0x40, 1);
        s.Memory(Arena, 0x00010000, Arena + 0x40, 0x00525400);
        s.Memory(Arena + 0x40, 0x00020000, Arena + 0x80, 0x00080816, 0, 0x00000020, 0, 0x0000ff00, 0x00f22e40);
        s.Memory(Arena + 0x80, 0x00030000, Arena + 0xc0, 0x005e0006, 1);
        s.Memory(Arena + 0xc0, 0x000c0000, Arena + 0x100, Arena + 0x800, 0x01000000, Arena + Page, 90);
        s.Memory(Arena + 0x100, 0x80040000, Arena, ~0u, 0x0100805a);
        s.Memory(Arena + 0x800, Arena + Page, 90);
        Packet(s, Arena + Page);
        s.Memory(Arena + 2 * Page, 0, Arena + 2 * Page, ~0u, 0x06000000);
        s.Bar(0, 4, Arena + 2 * Page);
        s.Bar(0, 2, 1, 1);
        s.Bar(0, 4, Arena);
        s.Bar(0, 2, 0x10, 1);
        s.Pause();
    }

    // Intel 21143 hardware reference, 3.2 (CSRs), 4.2 (descriptor lists).
    private static void Tulip(QemuSeeds s)
    {
        Packet(s, Arena + 2 * Page);
        s.Memory(Arena, 0x80000000, 0x01000400, Arena + 3 * Page, 0, 0x80000000, 0x02000400, Arena + 3 * Page, 0);
        s.Memory(Arena + Page, 0x80000000, 0x08000000 | 192, Arena + 2 * Page, 0, 0x80000000, 0x60000000 | 90, Arena + 2 * Page, 0, 0x80000000, 0x62000000 | 90 | 90 << 11, Arena + 2 * Page, Arena + 2 * Page);
        s.Bar(1, 0x18, Arena);
        s.Bar(1, 0x20, Arena + Page);
        s.Bar(1, 0x30, 0x02002002 | 1 << 10);
        s.Bar(1, 0x08, 1);
        s.Bar(1, 0x10, 1);
        s.Pause();
    }

    // Extensible Host Controller Interface 1.2, 4.2 (initialization), 6.2 and 6.4 (contexts, TRBs).
    private static void Xhci(QemuSeeds s)
    {
        const uint Commands = Arena + Page, Segments = Arena + 2 * Page, Events = Arena + 3 * Page, Input = Arena + 4 * Page, Slot = Arena + 5 * Page, Transfers = Arena + 6 * Page;
        s.Memory(Arena, 0, 0, Slot, 0, Slot + 0x800, 0);
        s.Memory(Segments, Events, 0, 16, 0);
        s.Bar(0, 0x70, Arena);
        s.Bar(0, 0x74, 0);
        s.Bar(0, 0x58, Commands | 1);
        s.Bar(0, 0x5c, 0);
        s.Bar(0, 0x78, 8);
        s.Bar(0, 0x1028, 1);
        s.Bar(0, 0x1030, Segments);
        s.Bar(0, 0x1034, 0);
        s.Bar(0, 0x1038, Events);
        s.Bar(0, 0x103c, 0);
        s.Bar(0, 0x1020, 2);
        s.Bar(0, 0x40, 5);
        foreach (var port in (uint[])[0, 1, 4, 5])
            s.Bar(0, 0x440 + 0x10 * port, 0x210);
        // The slot and its control endpoint; then a bulk pair as well.
        s.Memory(Input, 0, 3, 0, 0, 0, 0, 0, 0, 0x08300000, 0x00050000, 0, 0, 0, 0, 0, 0, 0, 0x00400026, Transfers | 1, 0, 8);
        s.Memory(Input + 0x400, 0, 0x19, 0, 0, 0, 0, 0, 0, 0x20300000, 0x00050000, 0, 0);
        s.Memory(Input + 0x400 + 0x80, 0, 0x02000016, Transfers + 0x401, 0, 0x200, 0, 0, 0, 0, 0x02000036, Transfers + 0x801, 0, 0x200);
        s.Memory(Commands, 0, 0, 0, 9 << 10 | 1, Input, 0, 0, 1u << 24 | 11 << 10 | 1, Input + 0x400, 0, 0, 1u << 24 | 12 << 10 | 1, 0, 0, 0, 9 << 10 | 1);
        s.Bar(0, 0x2000, 0);
        // GET_DESCRIPTOR on the control endpoint, a transfer on each of the others.
        s.Memory(Transfers, 0x01000680, 0x00120000, 8, 3 << 16 | 2 << 10 | 0x41, Arena + 7 * Page, 0, 18, 1 << 16 | 3 << 10 | 1, 0, 0, 0, 4 << 10 | 0x21);
        s.Memory(Transfers + 0x400, Arena + 7 * Page, 0, 31, 1 << 10 | 0x21);
        s.Memory(Transfers + 0x800, Arena + 7 * Page, 0, 0x200, 1 << 10 | 0x21);
        Wrapper(s, Arena + 7 * Page);
        s.Bar(0, 0x2004, 1);
        s.Bar(0, 0x2004, 3);
        s.Bar(0, 0x2004, 4);
        s.Pause();
    }

    // Enhanced Host Controller Interface 1.0, 2.3 (registers), 3.5 and 3.6 (qTDs, queue heads).
    private static void Ehci(QemuSeeds s)
    {
        s.Bar(0, 0x60, 1);
        s.Bar(0, 0x64, 0x1100);
        s.Bar(0, 0x64, 0x1000);
        s.Bar(0, 0x68, 0x1100);
        s.Bar(0, 0x68, 0x1000);
        s.Memory(Arena, (Arena + 0x80) | 2, 0x0040e000, 0x40000000, 0, Arena + Page, 1, 0);
        s.Memory(Arena + 0x80, Arena | 2, 0x02006200, 0x40000000, 0, Arena + Page + 0x100, 1, 0);
        s.Memory(Arena + Page, Arena + Page + 0x40, 1, 0x00080e80, Arena + 2 * Page);
        s.Memory(Arena + Page + 0x40, Arena + Page + 0x80, 1, 0x80400d80, Arena + 3 * Page);
        s.Memory(Arena + Page + 0x80, 1, 1, 0x80000c80, 0);
        s.Memory(Arena + Page + 0x100, 1, 1, 0x001f0c80, Arena + 4 * Page);
        s.Memory(Arena + 2 * Page, 0x01000680, 0x00120000);
        Wrapper(s, Arena + 4 * Page);
        s.Memory(Arena + 5 * Page, Arena | 2, Arena + 6 * Page, Arena + 6 * Page + 0x41, 1);
        s.Memory(Arena + 6 * Page, 1, 0x80000000 | 0x00400000, 0, 0, 0, 0, 0, 0, 0, Arena + 3 * Page, 0x00400000);
        s.Bar(0, 0x34, Arena + 5 * Page);
        s.Bar(0, 0x38, Arena);
        s.Bar(0, 0x28, 0x3f);
        s.Bar(0, 0x20, 0x00010031);
        s.Pause();
        s.Pause();
    }

    // OpenHCI 1.0a, 7 (registers), 4.2 and 4.3 (EDs, TDs).
    private static void Ohci(QemuSeeds s)
    {
        s.Bar(0, 0x18, Arena);
        s.Bar(0, 0x20, Arena + Page);
        s.Bar(0, 0x28, Arena + Page + 0x20);
        s.Memory(Arena + Page, 0x00400000, Arena + 2 * Page + 0x60, Arena + 2 * Page, 0);
        s.Memory(Arena + Page + 0x20, 0x00400080, Arena + 2 * Page + 0xa0, Arena + 2 * Page + 0x80, 0);
        s.Memory(Arena + 2 * Page, 0xf2000000, Arena + 3 * Page, Arena + 2 * Page + 0x20, Arena + 3 * Page + 7);
        s.Memory(Arena + 2 * Page + 0x20, 0xf3140000, Arena + 4 * Page, Arena + 2 * Page + 0x40, Arena + 4 * Page + 0x3f);
        s.Memory(Arena + 2 * Page + 0x40, 0xf3080000, 0, Arena + 2 * Page + 0x60, 0);
        s.Memory(Arena + 2 * Page + 0x80, 0xf0080000, Arena + 5 * Page, Arena + 2 * Page + 0xa0, Arena + 5 * Page + 30);
        s.Memory(Arena + 3 * Page, 0x01000680, 0x00120000);
        Wrapper(s, Arena + 5 * Page);
        s.Bar(0, 0x10, 0x8000007f);
        s.Bar(0, 0x34, 0x27782edf);
        s.Bar(0, 0x54, 0x102);
        s.Bar(0, 0x54, 0x10);
        s.Bar(0, 0x58, 0x102);
        s.Bar(0, 0x58, 0x10);
        s.Bar(0, 4, 0xbc);
        s.Bar(0, 8, 6);
        s.Pause();
        s.Pause();
    }

    // Universal Host Controller Interface 1.1, 2.1 (registers), 3.1 to 3.3 (frame list, TDs, queue heads).
    private static void Uhci(QemuSeeds s)
    {
        List<uint> frames = [.. Enumerable.Repeat((Arena + Page) | 2, 32)];
        s.Memory(Arena, [.. frames]);
        s.Memory(Arena + Page, 1, Arena + 2 * Page);
        s.Memory(Arena + 2 * Page, (Arena + 2 * Page + 0x20) | 4, 0x18800000, 0x00e0002d, Arena + 3 * Page);
        s.Memory(Arena + 2 * Page + 0x20, (Arena + 2 * Page + 0x40) | 4, 0x18800000, 0x02280069, Arena + 4 * Page);
        s.Memory(Arena + 2 * Page + 0x40, 1, 0x19800000, 0xffe800e1, 0);
        s.Memory(Arena + 3 * Page, 0x01000680, 0x00120000);
        s.Bar(4, 0x10, 0x200, 2);
        s.Bar(4, 0x10, 4, 2);
        s.Bar(4, 0x12, 0x200, 2);
        s.Bar(4, 0x12, 4, 2);
        s.Bar(4, 8, Arena);
        s.Bar(4, 6, 0, 2);
        s.Bar(4, 4, 0xf, 2);
        s.Bar(4, 0, 0xc1, 2);
        s.Pause();
        s.Pause();
    }

    // High Definition Audio Specification 1.0a, 3.3 (registers), 4.4 (CORB, RIRB), 3.6.3 (buffer descriptor list).
    private static void Hda(QemuSeeds s)
    {
        s.Bar(0, 8, 1);
        s.Memory(Arena, 0, 0x000f0000, 0x000f0004, 0x00270610, 0x00270500, 0x0022b011, 0x00370740, 0x002003b0);
        s.Bar(0, 0x40, Arena);
        s.Bar(0, 0x50, Arena + Page);
        s.Bar(0, 0x5a, 1, 2);
        s.Bar(0, 0x5c, 7, 1);
        s.Bar(0, 0x4c, 2, 1);
        s.Bar(0, 0x48, 7, 2);
        s.Memory(Arena + 2 * Page, Arena + 3 * Page, 0, 0x400, 1, Arena + 4 * Page, 0, 0x400, 1);
        foreach (var stream in (uint[])[0x80, 0x100])
        {
            s.Bar(0, stream + 0x18, Arena + 2 * Page);
            s.Bar(0, stream + 8, 0x800);
            s.Bar(0, stream + 0xc, 1, 2);
            s.Bar(0, stream + 0x12, 0x11, 2);
            s.Bar(0, stream, 0x10001e);
        }
        s.Pause();
    }

    // Ethernet, IPv4 and TCP headers with some data, 90 bytes in all.
    private static void Packet(QemuSeeds s, uint at) =>
        s.Memory(at, 0x12005452, 0x52565434, 0x12005400, 0x00455634, 0x00004c00, 0x06400000, 0x000a0000, 0x000a0202, 0x0e000302, 0x00000e00, 0x00000100, 0x10500000, 0x00000020, 0x41410000, 0x41414141, 0x41414141, 0x41414141);

    // USB Mass Storage Class, Bulk-Only Transport 1.0, 5.1: a command block wrapper with READ(10).
    private static void Wrapper(QemuSeeds s, uint at) => s.Memory(at, 0x43425355, 1, 0x200, 0x280a0080, 0, 0x01, 0, 0);
}
