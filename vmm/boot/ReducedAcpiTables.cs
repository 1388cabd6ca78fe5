using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Platform;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>A virtio device behind registers in memory, as it is told to a kernel.</summary>
/// <param name="Address">Of its registers.</param>
/// <param name="Irq">Its global system interrupt: level triggered, active high.</param>
public sealed record VirtioMmioPlace(uint Address, int Irq);

/// <summary>What a microvm's tables tell of it.</summary>
public sealed record ReducedPlatform
{
    /// <summary>1 to 255.</summary>
    public required int CpuCount { get; init; }

    /// <summary>There is an 8259 pair.</summary>
    public bool HasPic { get; init; }

    /// <summary>There is an MC146818.</summary>
    public bool HasRtc { get; init; }

    /// <summary>Ports and interrupt of the first serial port; null when there is none.</summary>
    public (ushort Port, int Irq)? Serial { get; init; }

    /// <summary>Where the event register, and the sleep registers, of the generic event device are, and its interrupt.</summary>
    public required uint EventAddress { get; init; }

    public required uint SleepAddress { get; init; }

    public required int EventIrq { get; init; }

    public IReadOnlyList<VirtioMmioPlace> Virtio { get; init; } = [];

    /// <summary>The nodes that RAM and CPUs are in; empty: nothing is told of them.</summary>
    public IReadOnlyList<NumaNode> Nodes { get; init; } = [];

    /// <summary>RAM below 4 GiB, of which <see cref="Nodes"/> have theirs.</summary>
    public ulong LowRamBytes { get; init; }
}

/// <summary>The ACPI tables of a machine of the hardware-reduced profile, a microvm: RSDP, RSDT, XSDT, FADT, MADT, DSDT.</summary>
/// <remarks>
/// ACPI Specification 6.4, 4.1 (hardware-reduced ACPI), 5.2.9 (FADT), 5.6.9.2 (_CRS of the event device), 6.4.2 and 6.4.3 (resources). Virtio devices in
/// memory have the ID LNRO0005 (QEMU's, which Linux and others know).
/// </remarks>
public static class ReducedAcpiTables
{
    private const int FadtBytes = 276;

    // Table 5.10: RESET_REG_SUP, HW_REDUCED_ACPI.
    private const uint Flags = 1 << 10 | 1 << 20;

    // 5.2.9.3, IAPC_BOOT_ARCH: no VGA; bit 5, no CMOS RTC.
    private const ushort NoVga = 1 << 2, NoRtc = 1 << 5;

    private const byte ByteAccess = 1;

    /// <summary>Writes them.</summary>
    /// <exception cref="BootException">There is no RAM below 1 MiB, or there are too many CPUs.</exception>
    public static void Write(GuestMemory memory, ReducedPlatform platform)
    {
        var tables = new AcpiTableSet(memory, $"{platform.CpuCount} CPUs");
        var dsdt = tables.Put("DSDT", 2, Description(platform));
        tables.PutListed("FACP", 6, Fadt(dsdt, platform));
        tables.PutListed("APIC", 3, Madt.Body(platform.CpuCount, platform.HasPic, sciIrq: null));
        if (platform.Nodes.Count > 0)
            tables.PutListed("SRAT", 3, Numa.AffinityTable(platform.Nodes, platform.LowRamBytes));
        if (Numa.LocalityTable(platform.Nodes) is { } distances)
            tables.PutListed("SLIT", 1, distances);
        tables.Finish(AcpiTables.RsdpAddress, isExtended: true);
    }

    private static byte[] Fadt(uint dsdt, ReducedPlatform platform)
    {
        const int header = AcpiTableSet.HeaderBytes;
        var fadt = new byte[FadtBytes - header];
        BinaryPrimitives.WriteUInt32LittleEndian(fadt.AsSpan(40 - header), dsdt);
        BinaryPrimitives.WriteUInt16LittleEndian(fadt.AsSpan(109 - header), (ushort)(NoVga | (platform.HasRtc ? 0 : NoRtc)));
        BinaryPrimitives.WriteUInt32LittleEndian(fadt.AsSpan(112 - header), Flags);
        PutRegister(116, AcpiGed.ResetOffset);
        fadt[128 - header] = AcpiGed.ResetValue;
        fadt[131 - header] = 4;
        BinaryPrimitives.WriteUInt64LittleEndian(fadt.AsSpan(140 - header), dsdt);
        PutRegister(244, AcpiGed.SleepControlOffset);
        PutRegister(256, AcpiGed.SleepStatusOffset);
        return fadt;

        // 5.2.3.2: a generic address in memory, 8 bits wide.
        void PutRegister(int offset, int register)
        {
            var address = fadt.AsSpan(offset - header, 12);
            (address[0], address[1], address[2], address[3]) = (0, 8, 0, ByteAccess);
            BinaryPrimitives.WriteUInt64LittleEndian(address[4..], platform.SleepAddress + (uint)register);
        }
    }

    private static byte[] Description(ReducedPlatform platform)
    {
        var aml = new AmlWriter();
        aml.Name("\\_S5").Package(4, values => values.Integer(AcpiGed.SoftOffSleepType).Integer(0).Integer(0).Integer(0));
        aml.Scope("\\_SB", system =>
        {
            system.Device("PWRB", device =>
            {
                device.Name("_HID").EisaId("PNP0C0C");
                device.Name("_UID").Integer(0);
            });
            system.Device("GED", device =>
            {
                device.Name("_HID").Text("ACPI0013");
                device.Name("_UID").Text("GED");
                device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Interrupt(platform.EventIrq)));
                device.MemoryField("EREG", platform.EventAddress, "ESEL");
                device.Method("_EVT", 1, body => body.LoadLocal("ESEL").IfLocalHas(AcpiGed.PowerButtonEvent, then => then.Notify("PWRB", 0x80)));
            });
            if (platform.Serial is { } serial)
            {
                system.Device("COM1", device =>
                {
                    device.Name("_HID").EisaId("PNP0501");
                    device.Name("_UID").Integer(1);
                    device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Ports(serial.Port, 8), AcpiResources.IsaInterrupt(serial.Irq)));
                });
            }
            if (platform.HasRtc)
            {
                system.Device("RTC", device =>
                {
                    device.Name("_HID").EisaId("PNP0B00");
                    device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Ports(0x70, 2), AcpiResources.IsaInterrupt(8)));
                });
            }
            system.Device("FWCF", device =>
            {
                device.Name("_HID").Text("QEMU0002");
                device.Name("_STA").Integer(0xb);
                device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Ports(FwCfg.BasePort, 0xc)));
            });
            for (var i = 0; i < platform.Virtio.Count; i++)
            {
                var (place, number) = (platform.Virtio[i], i);
                system.Device($"VR{number:d2}", device =>
                {
                    device.Name("_HID").Text("LNRO0005");
                    device.Name("_UID").Integer((ulong)number);
                    device.Name("_CCA").Integer(1);
                    device.Name("_CRS").Buffer(AcpiResources.Of(AcpiResources.Memory(place.Address, Devices.Virtio.VirtioMmio.RegionBytes), AcpiResources.Interrupt(place.Irq)));
                });
            }
        });
        return aml.ToArray();
    }
}
