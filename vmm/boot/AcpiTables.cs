using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// The ACPI tables of a PC (ACPI Specification 6.4, 5.2): RSDP, RSDT, FADT, FACS, MADT and DSDT, and where the machine has what they tell of, MCFG,
/// HPET and SRAT, below 1 MiB.
/// </summary>
public static class AcpiTables
{
    /// <summary>The interrupt that the SCI is wired to, level triggered.</summary>
    public const int SciIrq = 9;

    /// <summary>Where the RSDP is.</summary>
    public const ulong RsdpAddress = 0xf0000;

    /// <summary>Where the high precision event timer's registers are, and how many bytes they take.</summary>
    public const uint HpetAddress = 0xfed00000, HpetBytes = 0x400;

    private const ulong FacsAddress = 0xf0040;
    private const int FadtBytes = 116, WakingVectorOffset = 12;

    // FADT flags (table 5.10): WBINVD, C1 on all processors, sleep button is a control method, RTC wakes from S4; no SLP_BUTTON, no docking.
    private const uint FadtFlags = 1 | 1 << 2 | 1 << 5 | 1 << 7;

    /// <summary>Writes them.</summary>
    /// <exception cref="BootException">There is no RAM below 1 MiB, or there are too many CPUs.</exception>
    public static void Write(GuestMemory memory, AcpiPlatform platform)
    {
        var tables = new AcpiTableSet(memory, $"{platform.CpuCount} CPUs");
        var dsdt = tables.Put("DSDT", 1, Dsdt.Body(platform));
        tables.PutListed("FACP", 1, Fadt(dsdt));
        tables.PutListed("APIC", 3, Madt.Body(platform.CpuCount, hasPic: true, SciIrq));
        if (platform.EcamAddress is { } ecam)
            tables.PutListed("MCFG", 1, Mcfg(ecam));
        if (platform.HasHpet)
            tables.PutListed("HPET", 1, Hpet());
        if (platform.Nodes.Count > 0)
            tables.PutListed("SRAT", 3, Numa.AffinityTable(platform.Nodes, platform.LowRamBytes));
        if (Numa.LocalityTable(platform.Nodes) is { } distances)
            tables.PutListed("SLIT", 1, distances);
        tables.PutFacs(FacsAddress);
        tables.Finish(RsdpAddress, isExtended: false);
    }

    /// <summary>Whether there are tables where <see cref="Write"/> puts them.</summary>
    public static bool ArePresent(GuestMemory memory)
    {
        Span<byte> signature = stackalloc byte[8];
        return memory.TryRead(RsdpAddress, signature) && signature.SequenceEqual("RSD PTR "u8);
    }

    /// <summary>Where the guest wants to be entered when it wakes up (5.2.10, Firmware_Waking_Vector); 0: nowhere.</summary>
    public static uint WakingVectorOf(GuestMemory memory)
    {
        Span<byte> vector = stackalloc byte[sizeof(uint)];
        return memory.TryRead(FacsAddress + WakingVectorOffset, vector) ? BinaryPrimitives.ReadUInt32LittleEndian(vector) : 0;
    }

    // 5.2.9 at ACPI 1.0's length: all that there is fits in it. SMI_CMD 0: always in ACPI mode.
    private static byte[] Fadt(uint dsdt)
    {
        var fadt = new byte[FadtBytes - AcpiTableSet.HeaderBytes];
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

        void Put8(int offset, byte value) => fadt[offset - AcpiTableSet.HeaderBytes] = value;
        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(fadt.AsSpan(offset - AcpiTableSet.HeaderBytes), value);
        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(fadt.AsSpan(offset - AcpiTableSet.HeaderBytes), value);
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
}
