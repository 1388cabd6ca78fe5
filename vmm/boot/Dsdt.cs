using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Pci;

namespace Gauntlet.Vmm.Boot;

/// <summary>The differentiated description of a <c>pc</c>: soft off, and the PCI root with its windows and interrupt routing.</summary>
/// <remarks>ACPI Specification 6.4, 6.2.13 (_PRT), 6.4 (resources), 7.4.2 (\_Sx); PCI Firmware Specification 3.0, 4.</remarks>
internal static class Dsdt
{
    private const int SlotCount = 32, PinCount = 4;

    // Windows behind the root: what PcBoard gives base address registers, and where a guest may move them.
    private const uint MemoryStart = 0xe0000000, MemoryEnd = 0xfebfffff;
    private const ushort PortStart = 0x0d00, PortEnd = 0xffff, LowPortEnd = 0x0cf7;

    // Resource types of the address space descriptors.
    private const byte MemoryType = 0, PortType = 1, BusType = 2;

    /// <summary>The table's body, without its header.</summary>
    /// <param name="interruptOf">The global system interrupt of a PIRQ line, 0 to 3.</param>
    public static byte[] Body(Func<int, int> interruptOf)
    {
        var aml = new AmlWriter();
        aml.Name("\\_S5").Package(4, values => values.Integer(0).Integer(0).Integer(0).Integer(0));
        aml.Scope("\\_SB", system => system.Device("PCI0", root =>
        {
            root.Name("_HID").EisaId("PNP0A03");
            root.Name("_UID").Integer(0);
            root.Name("_CRS").Buffer(Windows());
            root.Name("_PRT").Package(SlotCount * PinCount - PinCount, routes =>
            {
                for (var slot = 1; slot < SlotCount; slot++)
                {
                    for (var pin = 0; pin < PinCount; pin++)
                    {
                        var (address, gsi) = ((uint)slot << 16 | 0xffff, interruptOf(PciInterruptRouter.LineOf(slot, pin + 1)));
                        var index = pin;
                        routes.Package(4, route => route.Integer(address).Integer((ulong)index).Integer(0).Integer((ulong)gsi));
                    }
                }
            });
        }));
        return aml.ToArray();
    }

    // 6.4.3.5: bus numbers, the configuration ports as consumed, ports on both sides of them, memory; then the end tag.
    private static byte[] Windows()
    {
        var bytes = new List<byte>();
        Word(BusType, 0, 0, 0xff);
        bytes.AddRange([0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8]);
        Word(PortType, 3, 0, LowPortEnd);
        Word(PortType, 3, PortStart, PortEnd);
        var dword = new byte[26];
        (dword[0], dword[1], dword[3], dword[4], dword[5]) = (0x87, 23, MemoryType, 0xc, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(dword.AsSpan(10), MemoryStart);
        BinaryPrimitives.WriteUInt32LittleEndian(dword.AsSpan(14), MemoryEnd);
        BinaryPrimitives.WriteUInt32LittleEndian(dword.AsSpan(22), MemoryEnd - MemoryStart + 1);
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
