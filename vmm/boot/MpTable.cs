using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>The MP configuration table: processors and interrupt wiring for a kernel that is given no ACPI.</summary>
/// <remarks>Intel MultiProcessor Specification 1.4, 4.1 (floating pointer, in the read-only memory below 1 MiB), 4.2 (header), 4.3 (entries).</remarks>
public static class MpTable
{
    /// <summary>Where the floating pointer is.</summary>
    public const ulong PointerAddress = 0xf0000;

    private const ulong TableAddress = PointerAddress + PointerBytes;
    private const int PointerBytes = 16, HeaderBytes = 44;
    private const byte Revision = 4, LocalApicVersion = 0x14, IoApicVersion = 0x11, IsaBus = 0;
    private const byte ProcessorEntry = 0, BusEntry = 1, IoApicEntry = 2, InterruptEntry = 3, LocalInterruptEntry = 4;
    private const byte Interrupt = 0, NonMaskable = 1, FromPic = 3, AllApics = 0xff;
    private const byte Enabled = 1, Bootstrap = 2, TimerInput = 2, CascadeIrq = 2;
    private const int IsaInterrupts = 16;

    // Table 4-10: polarity and trigger as the bus has them; or active high, level.
    private const ushort Conforming = 0, ActiveHighLevel = 0xd;

    // CPUID leaf 1, EDX: FPU and an APIC on the chip.
    private const uint Features = 0x201;
    private const uint Signature = 0x600;

    /// <summary>Writes it.</summary>
    /// <param name="cpuCount">1 to 255.</param>
    /// <param name="levelTriggered">Interrupts below 16 that are no ISA device's.</param>
    /// <exception cref="BootException">There is no RAM below 1 MiB.</exception>
    public static void Write(GuestMemory memory, int cpuCount, IReadOnlyCollection<int> levelTriggered)
    {
        var entries = new List<byte>();
        var count = 0;
        var ioApicId = (byte)Math.Min(cpuCount, AllApics - 1);
        for (var i = 0; i < cpuCount; i++)
        {
            Add([ProcessorEntry, (byte)i, LocalApicVersion, (byte)(i == 0 ? Enabled | Bootstrap : Enabled)]);
            Put32(Signature);
            Put32(Features);
            entries.AddRange(new byte[8]);
        }
        Add([BusEntry, IsaBus, .. "ISA   "u8]);
        Add([IoApicEntry, ioApicId, IoApicVersion, Enabled]);
        Put32((uint)IoApic.DefaultAddress);
        for (var irq = 0; irq < IsaInterrupts; irq++)
        {
            if (irq == CascadeIrq)
                continue;
            var flags = levelTriggered.Contains(irq) ? ActiveHighLevel : Conforming;
            Add([InterruptEntry, Interrupt, (byte)flags, 0, IsaBus, (byte)irq, ioApicId, irq == 0 ? TimerInput : (byte)irq]);
        }
        Add([LocalInterruptEntry, FromPic, 0, 0, IsaBus, 0, 0, 0]);
        Add([LocalInterruptEntry, NonMaskable, 0, 0, IsaBus, 0, AllApics, 1]);

        var table = new byte[HeaderBytes + entries.Count];
        "PCMP"u8.CopyTo(table);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(4), (ushort)table.Length);
        table[6] = Revision;
        "GAUNTLETGVMM        "u8.CopyTo(table.AsSpan(8));
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(34), (ushort)count);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(36), (uint)LocalApic.DefaultAddress);
        entries.CopyTo(table, HeaderBytes);
        table[7] = ChecksumOf(table);

        var pointer = new byte[PointerBytes];
        "_MP_"u8.CopyTo(pointer);
        BinaryPrimitives.WriteUInt32LittleEndian(pointer.AsSpan(4), (uint)TableAddress);
        (pointer[8], pointer[9]) = (PointerBytes / 16, Revision);
        pointer[10] = ChecksumOf(pointer);
        if (!memory.TryLoad(PointerAddress, pointer) || !memory.TryLoad(TableAddress, table))
            throw new BootException($"the MP table for {cpuCount} CPUs does not fit below 1 MiB");

        void Add(ReadOnlySpan<byte> entry)
        {
            count++;
            foreach (var value in entry)
                entries.Add(value);
        }

        void Put32(uint value)
        {
            for (var i = 0; i < 4; i++)
                entries.Add((byte)(value >> (i * 8)));
        }
    }

    private static byte ChecksumOf(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (var value in bytes)
            sum += value;
        return (byte)-sum;
    }
}
