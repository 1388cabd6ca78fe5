using Gauntlet.Vmm.Devices.Interrupt;

namespace Gauntlet.Vmm.Boot;

/// <summary>The multiple APIC description table: interrupt controllers and how they are wired.</summary>
/// <remarks>ACPI Specification 6.4, 5.2.12.</remarks>
internal static class Madt
{
    // What the override entries' flags are made of (table 5.25): active high, level triggered.
    private const byte ActiveHighLevel = 0xd;

    /// <summary>The table's body: local APICs, the IOAPIC, the timer's override, and one for the SCI where there is one; LINT1 as NMI everywhere.</summary>
    /// <param name="cpuCount">1 to 255.</param>
    /// <param name="hasPic">There is an 8259 pair as well.</param>
    /// <param name="sciIrq">The interrupt of fixed hardware; null for the hardware-reduced profile.</param>
    public static byte[] Body(int cpuCount, bool hasPic, int? sciIrq)
    {
        var body = new List<byte>();
        Put32((uint)LocalApic.DefaultAddress);
        Put32(hasPic ? 1u : 0);
        for (var i = 0; i < cpuCount; i++)
        {
            body.AddRange([0, 8, (byte)i, (byte)i]);
            Put32(1);
        }
        body.AddRange([1, 12, 0, 0]);
        Put32((uint)IoApic.DefaultAddress);
        Put32(0);
        Override(0, 2, 0);
        if (sciIrq is { } sci)
            Override((byte)sci, (uint)sci, ActiveHighLevel);
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
