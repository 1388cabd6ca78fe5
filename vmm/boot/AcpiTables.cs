using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// The ACPI tables of a PC (ACPI Specification 6.4, 5.2): RSDP, RSDT, FADT, FACS, MADT and DSDT, and where the machine has what they tell of, MCFG and
/// HPET, below 1 MiB.
/// </summary>
public static class AcpiTables
{
    /// <summary>The interrupt that the SCI is wired to, level triggered.</summary>
    public const int SciIrq = 9;

    /// <summary>Where the RSDP is.</summary>
    public const ulong RsdpAddress = 0xf0000;

    /// <summary>Where the high precision event timer's registers are, and how many bytes they take.</summary>
    public const uint HpetAddress = 0xfed00000, HpetBytes = 0x400;

    private const ulong FacsAddress = 0xf0040, TablesAddress = 0xf0100;
    private const int HeaderBytes = 36, FadtBytes = 116, FacsBytes = 64, WakingVectorOffset = 12;

    // FADT flags (table 5.10): WBINVD, C1 on all processors, sleep button is a control method, RTC wakes from S4; no SLP_BUTTON, no docking.
    private const uint FadtFlags = 1 | 1 << 2 | 1 << 5 | 1 << 7;

    /// <summary>Writes them.</summary>
    /// <exception cref="BootException">There is no RAM below 1 MiB, or there are too many CPUs.</exception>
    public static void Write(GuestMemory memory, AcpiPlatform platform)
    {
        var next = TablesAddress;
        var dsdt = Put("DSDT", 1, Dsdt.Body(platform));
        var tables = new List<uint> { Put("FACP", 1, Fadt(dsdt)), Put("APIC", 3, Madt(platform.CpuCount)) };
        if (platform.EcamAddress is { } ecam)
            tables.Add(Put("MCFG", 1, Mcfg(ecam)));
        if (platform.HasHpet)
            tables.Add(Put("HPET", 1, Hpet()));
        var pointers = new byte[tables.Count * sizeof(uint)];
        for (var i = 0; i < tables.Count; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(pointers.AsSpan(i * sizeof(uint)), tables[i]);
        var rsdt = Put("RSDT", 1, pointers);

        var facs = new byte[FacsBytes];
        "FACS"u8.CopyTo(facs);
        BinaryPrimitives.WriteUInt32LittleEndian(facs.AsSpan(4), FacsBytes);
        Load(FacsAddress, facs);

        // 5.2.5.3, revision 0: 20 bytes that sum to 0.
        var rsdp = new byte[20];
        "RSD PTR "u8.CopyTo(rsdp);
        "GAUNTL"u8.CopyTo(rsdp.AsSpan(9));
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), rsdt);
        rsdp[8] = ChecksumOf(rsdp);
        Load(RsdpAddress, rsdp);

        uint Put(string signature, byte revision, ReadOnlySpan<byte> body)
        {
            var table = new byte[HeaderBytes + body.Length];
            System.Text.Encoding.ASCII.GetBytes(signature, table);
            BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(4), (uint)table.Length);
            table[8] = revision;
            "GAUNTLGVMM    "u8.CopyTo(table.AsSpan(10));
            BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(24), 1);
            "GVMM"u8.CopyTo(table.AsSpan(28));
            BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(32), 1);
            body.CopyTo(table.AsSpan(HeaderBytes));
            table[9] = ChecksumOf(table);
            var address = next;
            Load(address, table);
            next = (next + (ulong)table.Length + 15) & ~15UL;
            return (uint)address;
        }

        void Load(ulong address, ReadOnlySpan<byte> bytes)
        {
            if (address + (ulong)bytes.Length > MemoryMap.OneMiB || !memory.TryLoad(address, bytes))
                throw new BootException($"the ACPI tables for {platform.CpuCount} CPUs do not fit below 1 MiB");
        }
    }

    /// <summary>Where the guest wants to be entered when it wakes up (5.2.10, Firmware_Waking_Vector); 0: nowhere.</summary>
    public static uint WakingVectorOf(GuestMemory memory)
    {
        Span<byte> vector = stackalloc byte[sizeof(uint)];
        return memory.TryRead(FacsAddress + WakingVectorOffset, vector) ? BinaryPrimitives.ReadUInt32LittleEndian(vector) : 0;
    }

    private static byte ChecksumOf(ReadOnlySpan<byte> table)
    {
        byte sum = 0;
        foreach (var value in table)
            sum += value;
        return (byte)-sum;
    }

    // 5.2.9 at ACPI 1.0's length: all that there is fits in it. SMI_CMD 0: always in ACPI mode.
    private static byte[] Fadt(uint dsdt)
    {
        var fadt = new byte[FadtBytes - HeaderBytes];
        Put32(36, (uint)FacsAddress);
        Put32(40, dsdt);
        Put16(46, SciIrq);
        Put32(56, AcpiPm.BasePort + AcpiPm.EventOffset);
        Put32(64, AcpiPm.BasePort + AcpiPm.ControlOffset);
        Put32(76, AcpiPm.BasePort + AcpiPm.TimerOffset);
        Put8(88, 4);
        Put8(89, 2);
        Put8(91, 4);
        // No C2 and no C3: latencies above 100 and 1000 µs say so.
        Put16(96, 0xfff);
        Put16(98, 0xfff);
        Put8(108, 0x32);
        Put32(112, FadtFlags);
        return fadt;

        void Put8(int offset, byte value) => fadt[offset - HeaderBytes] = value;
        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(fadt.AsSpan(offset - HeaderBytes), value);
        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(fadt.AsSpan(offset - HeaderBytes), value);
    }

    // PCI Firmware Specification 3.0, 4.1.2: one segment, all of its buses.
    private static byte[] Mcfg(ulong address)
    {
        var body = new byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(8), address);
        body[19] = 0xff;
        return body;
    }

    // IA-PC HPET Specification 1.0a, 3.2.4: the capabilities' low half, where it is, in memory, the shortest period in ticks.
    private static byte[] Hpet()
    {
        var body = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(body, Devices.Timer.Hpet.IdentityLow);
        body[5] = 64;
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(8), HpetAddress);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(17), 100);
        return body;
    }

    // 5.2.12: local APICs, the IOAPIC, the timer's and the SCI's overrides, LINT1 as NMI everywhere.
    private static byte[] Madt(int cpuCount)
    {
        var body = new List<byte>();
        Put32((uint)LocalApic.DefaultAddress);
        Put32(1);
        for (var i = 0; i < cpuCount; i++)
        {
            body.AddRange([0, 8, (byte)i, (byte)i]);
            Put32(1);
        }
        body.AddRange([1, 12, 0, 0]);
        Put32((uint)IoApic.DefaultAddress);
        Put32(0);
        Override(0, 2, 0);
        Override(SciIrq, SciIrq, 0xd);
        body.AddRange([4, 6, 0xff, 0, 0, 1]);
        return [.. body];

        void Override(byte source, uint gsi, byte flags)
        {
            body.AddRange([2, 10, 0, source]);
            Put32(gsi);
            body.AddRange([flags, 0]);
        }

        void Put32(uint value)
        {
            for (var i = 0; i < 4; i++)
                body.Add((byte)(value >> (i * 8)));
        }
    }
}
