using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Platform;

namespace Gauntlet.Vmm.Boot;

/// <summary>The differentiated description of a PC: sleep states, the PCI root with its windows and interrupt routing, what sits at fixed addresses.</summary>
/// <remarks>
/// ACPI Specification 6.4, 5.8.1 (_PIC), 6.2.13 (_PRT), 6.4 (resources), 7.4.2 (\_Sx); PCI Firmware Specification 3.0, 4 (4.1.2: configuration space in
/// memory is told as a motherboard resource).
/// </remarks>
internal static class Dsdt
{
    private const int SlotCount = 32, PinCount = 4;

    // Windows behind the root: what the board gives base address registers, and where a guest may move them.
    private const uint MemoryEnd = 0xfebfffff;
    private const ushort PortStart = 0x0d00, PortEnd = 0xffff, LowPortEnd = 0x0cf7;

    // Resource types of the address space descriptors.
    private const byte MemoryType = 0, PortType = 1, BusType = 2;

    /// <summary>Memory that 256 buses' configuration space takes.</summary>
    private const uint EcamBytes = 256 << 20;

    /// <summary>The table's body, without its header.</summary>
    public static byte[] Body(AcpiPlatform platform)
    {
        var aml = new AmlWriter();
        Sleep("\\_S3", AcpiPm.SuspendSleepType);
        Sleep("\\_S5", AcpiPm.SoftOffSleepType);
        if (platform.ApicInputOf is not null)
        {
            // The system says which controllers it uses before it asks for routing: 1 for the IOAPIC.
            aml.Name("\\PICF").Integer(0);
            aml.Method("\\_PIC", 1, body => body.StoreArgument("\\PICF"));
        }
        aml.Scope("\\_SB", system =>
        {
            system.Device("PCI0", root => WriteRoot(root, platform));
            if (platform.EcamAddress is { } ecam)
            {
                system.Device("MCFG", device =>
                {
                    device.Name("_HID").EisaId("PNP0C02");
                    device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Memory((uint)ecam, EcamBytes)));
                });
            }
            if (platform.HasHpet)
            {
                system.Device("HPET", device =>
                {
                    device.Name("_HID").EisaId("PNP0103");
                    device.Name("_UID").Integer(0);
                    device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Memory(AcpiTables.HpetAddress, AcpiTables.HpetBytes)));
                });
            }
        });
        return aml.ToArray();

        // The value for PM1a; there is no PM1b.
        void Sleep(string name, ulong type) => aml.Name(name).Package(4, values => values.Integer(type).Integer(type).Integer(0).Integer(0));
    }

    private static void WriteRoot(AmlWriter root, AcpiPlatform platform)
    {
        // With configuration space in memory it is a PCI Express root, which can be driven as a PCI root.
        root.Name("_HID").EisaId(platform.EcamAddress is null ? "PNP0A03" : "PNP0A08");
        if (platform.EcamAddress is not null)
            root.Name("_CID").EisaId("PNP0A03");
        root.Name("_UID").Integer(0);
        root.Name("_CRS").Buffer(Windows(platform.PciWindow));
        if (platform.ApicInputOf is not { } apicInputOf)
        {
            WriteRoutes(root.Name("_PRT"), platform.InterruptOf);
            return;
        }
        WriteRoutes(root.Name("PICR"), platform.InterruptOf);
        WriteRoutes(root.Name("APIR"), apicInputOf);
        root.Method("_PRT", 0, body => body.If("\\PICF", then => then.Return("APIR")).Return("PICR"));
    }

    // Slot 0 is the host bridge.
    private static void WriteRoutes(AmlWriter aml, Func<int, int, int> interruptOf) => aml.Package((SlotCount - 1) * PinCount, routes =>
    {
        for (var slot = 1; slot < SlotCount; slot++)
        {
            for (var pin = 0; pin < PinCount; pin++)
            {
                var (address, gsi) = ((uint)slot << 16 | 0xffff, interruptOf(slot, pin + 1));
                var index = pin;
                routes.Package(4, route => route.Integer(address).Integer((ulong)index).Integer(0).Integer((ulong)gsi));
            }
        }
    });

    // 6.4.3.5: bus numbers, the configuration ports as consumed, ports on both sides of them, memory; then the end tag.
    private static byte[] Windows(uint memoryStart)
    {
        var bytes = new List<byte>();
        Word(BusType, 0, 0, 0xff);
        bytes.AddRange([0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8]);
        Word(PortType, 3, 0, LowPortEnd);
        Word(PortType, 3, PortStart, PortEnd);
        var dword = new byte[26];
        (dword[0], dword[1], dword[3], dword[4], dword[5]) = (0x87, 23, MemoryType, 0xc, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(dword.AsSpan(10), memoryStart);
        BinaryPrimitives.WriteUInt32LittleEndian(dword.AsSpan(14), MemoryEnd);
        BinaryPrimitives.WriteUInt32LittleEndian(dword.AsSpan(22), MemoryEnd - memoryStart + 1);
        bytes.AddRange(dword);
        bytes.AddRange([0x79, 0]);
        return [.. bytes];

        void Word(byte type, byte flags, ushort first, ushort last)
        {
            var word = new byte[16];
            (word[0], word[1], word[3], word[4], word[5]) = (0x88, 13, type, 0xc, flags);
            BinaryPrimitives.WriteUInt16LittleEndian(word.AsSpan(8), first);
            BinaryPrimitives.WriteUInt16LittleEndian(word.AsSpan(10), last);
            BinaryPrimitives.WriteUInt16LittleEndian(word.AsSpan(14), (ushort)(last - first + 1));
            bytes.AddRange(word);
        }
    }
}
