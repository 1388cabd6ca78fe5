using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>The local APIC's registers by their offsets in the xAPIC page (SDM Vol. 3A, table 11-1). An x2APIC's MSR is 0x800 + offset / 16 (table 11-6).</summary>
internal static class LocalApicRegisters
{
    public const uint Id = 0x020, Version = 0x030, Tpr = 0x080, Apr = 0x090, Ppr = 0x0a0, Eoi = 0x0b0, Rrd = 0x0c0, Ldr = 0x0d0, Dfr = 0x0e0, Svr = 0x0f0;
    public const uint Isr = 0x100, Tmr = 0x180, Irr = 0x200, Esr = 0x280, Cmci = 0x2f0, IcrLow = 0x300, IcrHigh = 0x310;
    public const uint LvtTimer = 0x320, LvtThermal = 0x330, LvtPerformance = 0x340, LvtLint0 = 0x350, LvtLint1 = 0x360, LvtError = 0x370;
    public const uint TimerInitialCount = 0x380, TimerCurrentCount = 0x390, TimerDivide = 0x3e0, SelfIpi = 0x3f0;

    public static IReadOnlyList<Register> All { get; } = Build();

    private static List<Register> Build()
    {
        const RegisterAccess Read = RegisterAccess.Read, Write = RegisterAccess.Write, Both = RegisterAccess.ReadWrite;
        var registers = new List<Register>
        {
            new("ID", Id, 4, Both),
            new("VERSION", Version, 4, Read, LocalApic.VersionValue),
            new("TPR", Tpr, 4, Both, 0),
            new("APR", Apr, 4, Read, 0),
            new("PPR", Ppr, 4, Read, 0),
            new("EOI", Eoi, 4, Write),
            new("RRD", Rrd, 4, Read, 0),
            new("LDR", Ldr, 4, Both, 0),
            new("DFR", Dfr, 4, Both, 0xffffffff),
            new("SVR", Svr, 4, Both, 0xff),
        };
        AddBank("ISR", Isr);
        AddBank("TMR", Tmr);
        AddBank("IRR", Irr);
        registers.AddRange(
        [
            new("ESR", Esr, 4, Both, 0, "a write shows the errors since the last write"),
            new("CMCI", Cmci, 4, Both, 0x10000),
            new("ICR_LOW", IcrLow, 4, Both, 0),
            new("ICR_HIGH", IcrHigh, 4, Both, 0),
            new("LVT_TIMER", LvtTimer, 4, Both, 0x10000),
            new("LVT_THERMAL", LvtThermal, 4, Both, 0x10000),
            new("LVT_PMC", LvtPerformance, 4, Both, 0x10000),
            new("LVT_LINT0", LvtLint0, 4, Both, 0x10000),
            new("LVT_LINT1", LvtLint1, 4, Both, 0x10000),
            new("LVT_ERROR", LvtError, 4, Both, 0x10000),
            new("TIMER_ICR", TimerInitialCount, 4, Both, 0),
            new("TIMER_CCR", TimerCurrentCount, 4, Read, 0),
            new("TIMER_DCR", TimerDivide, 4, Both, 0),
        ]);
        return registers;

        void AddBank(string name, uint offset)
        {
            for (var i = 0u; i < 8; i++)
                registers.Add(new Register($"{name}{i}", offset + i * 16, 4, Read, 0));
        }
    }
}
