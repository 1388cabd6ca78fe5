namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>What SMSW, SLDT, STR, SGDT and SIDT read.</summary>
public enum SystemValue
{
    MachineStatus,
    LdtSelector,
    TaskSelector,
    GdtLimit,
    IdtLimit,
    GdtBase,
    IdtBase,
}

// Control, debug and model-specific registers, CPUID (SDM Vol. 3A, 2.5; Vol. 4).
public sealed unsafe partial class X86Core
{
    private const uint TscDeadline = 0x6e0, PerformanceCounters = 4;
    private const ulong PerformanceMask = (1ul << 48) - 1;
    private const ulong ApicBaseX2 = 1ul << 10;

    private readonly Func<ulong> _readTsc;

    // IA32_MTRR_PHYSBASE0 (0x200) to MTRRfix4K_F8000 (0x26f).
    private readonly ulong[] _mtrrs = new ulong[0x70];

    // PerfEvtSel0-3 and PerfCtr0-3 of AMD's family 15, which CPUID says this is (BKDG for family 0Fh, 13.2): nothing is counted.
    private readonly ulong[] _performance = new ulong[8];

    // Without a modelled APIC the base MSR is plain storage.
    private ulong _apicBase = 0xfee00900;

    /// <summary>Guest TSC minus the clock's.</summary>
    internal ulong TscOffset { get; set; }

    internal ulong Tsc => _readTsc() + TscOffset;

    internal ulong ApicBase
    {
        get => Setup.Apic?.BaseMsr ?? _apicBase;
        set
        {
            if (Setup.Apic is { } apic)
                apic.TryWriteBaseMsr(value);
            else
                _apicBase = value;
        }
    }

    internal ulong Cpuid()
    {
        var (eax, ebx, ecx, edx) = Model.Cpuid((uint)Gpr(0), (uint)Gpr(1), Index);
        if ((uint)Gpr(0) == 1)
        {
            if ((S->Cr4 & Control.OSXSAVE) != 0)
                ecx |= 1u << 27;
            // A switched-off APIC is no feature (SDM Vol. 3A, 11.4.3).
            if ((ApicBase & 0x800) == 0)
                edx &= ~(1u << 9);
        }
        (Gpr(0), Gpr(3), Gpr(1), Gpr(2)) = (eax, ebx, ecx, edx);
        return 0;
    }

    internal ulong ReadTsc(bool withAux)
    {
        if ((S->Cr4 & Control.TSD) != 0 && Cpl != 0)
            return RaiseGp();
        var tsc = Tsc;
        (Gpr(0), Gpr(2)) = ((uint)tsc, tsc >> 32);
        if (withAux)
            Gpr(1) = (uint)S->TscAux;
        return 0;
    }

    // AMD64 Architecture Programmer's Manual, volume 3, RDPMC: user code only with CR4.PCE; ECX numbers the counters.
    internal ulong ReadPerformanceCounter()
    {
        var which = (uint)Gpr(1);
        if ((Cpl != 0 && (S->Cr4 & Control.PCE) == 0) || which >= PerformanceCounters)
            return RaiseGp();
        var count = _performance[PerformanceCounters + which] & PerformanceMask;
        (Gpr(0), Gpr(2)) = ((uint)count, count >> 32);
        return 0;
    }

    internal ulong ReadSystemValue(SystemValue which)
    {
        if (Cpl != 0 && (S->Cr4 & Control.UMIP) != 0)
            return RaiseGp();
        return which switch
        {
            SystemValue.MachineStatus => S->Cr0,
            SystemValue.LdtSelector => Seg(X86Seg.Ldtr).Selector,
            SystemValue.TaskSelector => Seg(X86Seg.Tr).Selector,
            SystemValue.GdtLimit => S->Gdtr.Limit,
            SystemValue.IdtLimit => S->Idtr.Limit,
            SystemValue.GdtBase => S->Gdtr.Base,
            _ => S->Idtr.Base,
        };
    }

    internal ulong LoadTable(ushort limit, ulong address, bool interrupts)
    {
        if (LongMode && !IsCanonical(address))
            return RaiseGp();
        if (interrupts)
            S->Idtr = new X86Table(address, limit);
        else
            S->Gdtr = new X86Table(address, limit);
        return 0;
    }

    /// <summary>LAR, LSL, VERR, VERW by number; bit 32 of the result: the selector is fine.</summary>
    internal ulong InspectSelector(ushort selector, int op)
    {
        const uint ForLar = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12, ForLarLong = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12;
        const uint ForLsl = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11, ForLslLong = 1 << 2 | 1 << 9 | 1 << 11;
        var system = op switch { 0 => LongMode ? ForLarLong : ForLar, 1 => LongMode ? ForLslLong : ForLsl, _ => 0u };
        if (!TryInspect(selector, system, out var descriptor))
            return 0;
        var seg = Decode(selector, descriptor);
        const ulong Fine = 1ul << 32;
        return op switch
        {
            0 => Fine | descriptor >> 32 & 0xf0ff00,
            1 => Fine | seg.Limit,
            2 => (seg.Attributes & 0xa) != 8 ? Fine : 0,
            _ => (seg.Attributes & 0xa) == 2 ? Fine : 0,
        };
    }

    internal ulong ReadControl(int index) => index switch
    {
        0 => S->Cr0,
        2 => S->Cr2,
        3 => S->Cr3,
        4 => S->Cr4,
        _ => Setup.Apic?.Cr8 ?? _cr8,
    };

    // Without a modelled APIC.
    private ulong _cr8;

    internal ulong WriteControl(int index, ulong value)
    {
        switch (index)
        {
            case 0:
                return WriteCr0(value);
            case 2:
                S->Cr2 = value;
                return 0;
            case 3:
                return WriteCr3(value);
            case 4:
                return WriteCr4(value);
            default:
                if (value > 15)
                    return RaiseGp();
                if (Setup.Apic is { } apic)
                    apic.Cr8 = (byte)value;
                else
                    _cr8 = value;
                // A lower priority may let a waiting interrupt in.
                Request(RequestInterrupt);
                return 0;
        }
    }

    private ulong WriteCr0(ulong value)
    {
        const ulong Known = Control.PE | Control.MP | Control.EM | Control.TS | Control.ET | Control.NE | Control.WP | Control.AM | Control.NW | Control.CD | Control.PG;
        if (value >> 32 != 0 || (value & Control.PG) != 0 && (value & Control.PE) == 0 || (value & Control.NW) != 0 && (value & Control.CD) == 0)
            return RaiseGp();
        value = value & Known | Control.ET;
        var changed = value ^ S->Cr0;
        if ((changed & Control.PG) != 0)
        {
            if ((value & Control.PG) != 0)
            {
                if ((S->Efer & Control.EferLme) != 0)
                {
                    if ((S->Cr4 & Control.PAE) == 0 || (Seg(X86Seg.Cs).Attributes & 0x2000) != 0)
                        return RaiseGp();
                    S->Efer |= Control.EferLma;
                }
                else if ((S->Cr4 & Control.PAE) != 0 && !TryLoadPdptes(S->Cr3))
                    return RaiseGp();
            }
            else
            {
                if (Code64 || (S->Cr4 & Control.PCIDE) != 0)
                    return RaiseGp();
                S->Efer &= ~Control.EferLma;
            }
        }
        S->Cr0 = value;
        if ((changed & (Control.PG | Control.WP | Control.PE)) != 0)
            FlushTlb();
        return 0;
    }

    private ulong WriteCr3(ulong value)
    {
        if ((S->Cr4 & Control.PCIDE) != 0)
            value &= ~(1ul << 63);
        if (LongMode && (value >> PhysicalBits) != 0)
            return RaiseGp();
        if ((S->Cr0 & Control.PG) != 0 && (S->Cr4 & Control.PAE) != 0 && !LongMode && !TryLoadPdptes(value))
            return RaiseGp();
        S->Cr3 = value;
        // Dropping more than asked for (other PCIDs, global pages) is always allowed (SDM Vol. 3A, 4.10.4.1).
        FlushTlb();
        return 0;
    }

    private ulong WriteCr4(ulong value)
    {
        var allowed = Control.VME | Control.PVI | Control.TSD | Control.DE | Control.PSE | Control.PAE | Control.MCE | Control.PGE | Control.PCE | Control.OSFXSR
            | Control.OSXMMEXCPT | Allow(X86Feature.Umip, Control.UMIP) | Allow(X86Feature.Fsgsbase, Control.FSGSBASE) | Allow(X86Feature.Pcid, Control.PCIDE)
            | Allow(X86Feature.Smep, Control.SMEP) | Allow(X86Feature.Smap, Control.SMAP);
        // Virtual-8086 extensions are not advertised.
        allowed &= ~(Control.VME | Control.PVI);
        if ((value & ~allowed) != 0 || LongMode && (value & Control.PAE) == 0)
            return RaiseGp();
        var changed = value ^ S->Cr4;
        if ((changed & value & Control.PCIDE) != 0 && (!LongMode || (S->Cr3 & 0xfff) != 0))
            return RaiseGp();
        const ulong Paging = Control.PSE | Control.PAE | Control.PGE | Control.SMEP;
        if ((S->Cr0 & Control.PG) != 0 && (value & Control.PAE) != 0 && !LongMode && (changed & Paging) != 0 && !TryLoadPdptes(S->Cr3))
            return RaiseGp();
        S->Cr4 = value;
        if ((changed & (Paging | Control.SMAP | Control.PCIDE)) != 0)
            FlushTlb();
        return 0;
    }

    private ulong Allow(X86Feature feature, ulong bits) => Model.Has(feature) ? bits : 0;

    internal ulong LoadMachineStatus(ulong value)
    {
        if (Cpl != 0)
            return RaiseGp();
        // PE can be set, not cleared.
        return WriteCr0(S->Cr0 & ~(Control.MP | Control.EM | Control.TS) | value & 0xe | value & Control.PE);
    }

    internal ulong InvalidatePcid(ulong type, ulong pcid, ulong linear)
    {
        if (Cpl != 0 || type > 3 || (pcid >> 12) != 0 || (S->Cr4 & Control.PCIDE) == 0 && type <= 1 && pcid != 0 || type == 0 && !IsCanonical(linear))
            return RaiseGp();
        FlushTlb();
        return 0;
    }

    internal ulong ReadDebug(int index)
    {
        index = DebugRegister(index);
        return index < 0 ? 0 : S->Dr[index];
    }

    internal ulong WriteDebug(int index, ulong value)
    {
        index = DebugRegister(index);
        if (index < 0)
            return 0;
        if (index >= 6 && value >> 32 != 0)
            return RaiseGp();
        S->Dr[index] = index switch
        {
            6 => value & 0xe00f | 0xffff0ff0,
            7 => value & 0xffff2bff | 0x400,
            _ => value,
        };
        // Which pages are watched is in the TLB.
        FlushTlb();
        return 0;
    }

    /// <summary>DR4 and DR5 are DR6 and DR7 unless CR4.DE is set; -1 with an exception pending.</summary>
    private int DebugRegister(int index)
    {
        if (index is 4 or 5)
        {
            if ((S->Cr4 & Control.DE) != 0)
            {
                Raise(Vector.UD);
                return -1;
            }
            index += 2;
        }
        if ((S->Dr[7] & 0x2000) != 0)
        {
            NoteInDr6(0x2000);
            Raise(Vector.DB);
            return -1;
        }
        return index;
    }

    internal ulong ReadMsr()
    {
        if (Cpl != 0 || !TryReadMsr((uint)Gpr(1), out var value))
            return RaiseGp();
        (Gpr(0), Gpr(2)) = ((uint)value, value >> 32);
        return 0;
    }

    internal ulong WriteMsr()
    {
        if (Cpl != 0 || !TryWriteMsr((uint)Gpr(1), Gpr(2) << 32 | (uint)Gpr(0)))
            return RaiseGp();
        return 0;
    }

    private bool TryReadMsr(uint msr, out ulong value)
    {
        value = 0;
        switch (msr)
        {
            case 0x10:
                value = Tsc;
                return true;
            case 0x17 or 0x8b or 0x179 or 0x17a or 0x17b:
                return true;
            case 0x1b:
                value = ApicBase;
                return true;
            case 0xfe when Model.Has(X86Feature.Mtrr):
                // Eight variable ranges, fixed ranges, write combining.
                value = 0x508;
                return true;
            case 0x174:
                value = S->SysenterCs;
                return true;
            case 0x175:
                value = S->SysenterEsp;
                return true;
            case 0x176:
                value = S->SysenterEip;
                return true;
            case 0x1a0:
                value = S->MiscEnable;
                return true;
            case 0x277 when Model.Has(X86Feature.Pat):
                value = S->Pat;
                return true;
            case 0x2ff when Model.Has(X86Feature.Mtrr):
                value = S->MtrrDefType;
                return true;
            case >= 0x200 and <= 0x20f or 0x250 or 0x258 or 0x259 or >= 0x268 and <= 0x26f when Model.Has(X86Feature.Mtrr):
                value = _mtrrs[msr - 0x200];
                return true;
            case TscDeadline:
                if (Setup.Apic is not { } timer || !timer.TryReadMsr(msr, out value))
                    return false;
                // 0 is no time: not armed.
                value = value == 0 ? 0 : value + TscOffset;
                return true;
            case >= 0x800 and <= 0x8ff:
                return Setup.Apic?.TryReadMsr(msr, out value) ?? false;
            case 0xc0000080:
                value = S->Efer;
                return true;
            case 0xc0000081:
                value = S->Star;
                return true;
            case 0xc0000082 when Model.Has(X86Feature.Lm):
                value = S->Lstar;
                return true;
            case 0xc0000083 when Model.Has(X86Feature.Lm):
                value = S->Cstar;
                return true;
            case 0xc0000084 when Model.Has(X86Feature.Lm):
                value = S->Sfmask;
                return true;
            case 0xc0000100 when Model.Has(X86Feature.Lm):
                value = Seg(X86Seg.Fs).Base;
                return true;
            case 0xc0000101 when Model.Has(X86Feature.Lm):
                value = Seg(X86Seg.Gs).Base;
                return true;
            case 0xc0000102 when Model.Has(X86Feature.Lm):
                value = S->KernelGsBase;
                return true;
            case 0xc0000103 when Model.Has(X86Feature.Rdtscp) || Model.Has(X86Feature.Rdpid):
                value = S->TscAux;
                return true;
            case >= 0xc0010000 and <= 0xc0010007:
                value = _performance[msr - 0xc0010000];
                return true;
            // HWCR
            case 0xc0010015:
                return true;
            default:
                return false;
        }
    }

    private bool TryWriteMsr(uint msr, ulong value)
    {
        switch (msr)
        {
            case 0x10:
                TscOffset = value - _readTsc();
                return true;
            // EXTD is reserved without x2APIC (SDM Vol. 3A, 11.12.1).
            case 0x1b when (value & ApicBaseX2) == 0 || Model.Has(X86Feature.X2Apic):
                if (Setup.Apic is { } apic)
                    return apic.TryWriteBaseMsr(value);
                _apicBase = value;
                return true;
            case 0x8b or 0x17a or 0x17b:
                return true;
            case 0x174:
                S->SysenterCs = value;
                return true;
            case 0x175 when IsCanonical(value):
                S->SysenterEsp = value;
                return true;
            case 0x176 when IsCanonical(value):
                S->SysenterEip = value;
                return true;
            case 0x1a0:
                S->MiscEnable = value;
                return true;
            case 0x277 when Model.Has(X86Feature.Pat):
                // Memory types 0, 1, 4, 5, 6, 7 only.
                for (var i = 0; i < 64; i += 8)
                    if ((value >> i & 0xff) is not (0 or 1 or >= 4 and <= 7))
                        return false;
                S->Pat = value;
                return true;
            case 0x2ff when Model.Has(X86Feature.Mtrr):
                if ((value & ~0xcfful) != 0 || (value & 0xff) is not (0 or 1 or >= 4 and <= 6))
                    return false;
                S->MtrrDefType = value;
                return true;
            case >= 0x200 and <= 0x20f or 0x250 or 0x258 or 0x259 or >= 0x268 and <= 0x26f when Model.Has(X86Feature.Mtrr):
                _mtrrs[msr - 0x200] = value;
                return true;
            case TscDeadline:
                // The APIC compares with the clock, not with this CPU's counter; what that shows of the time before the clock began is past.
                return Setup.Apic?.TryWriteMsr(msr, value == 0 ? 0 : (ulong)Math.Max((long)(value - TscOffset), 1)) ?? false;
            case >= 0x800 and <= 0x8ff:
                return Setup.Apic?.TryWriteMsr(msr, value) ?? false;
            case 0xc0000080:
                return TryWriteEfer(value);
            case 0xc0000081:
                S->Star = value;
                return true;
            case 0xc0000082 when Model.Has(X86Feature.Lm) && IsCanonical(value):
                S->Lstar = value;
                return true;
            case 0xc0000083 when Model.Has(X86Feature.Lm) && IsCanonical(value):
                S->Cstar = value;
                return true;
            case 0xc0000084 when Model.Has(X86Feature.Lm):
                S->Sfmask = (uint)value;
                return true;
            case 0xc0000100 when Model.Has(X86Feature.Lm) && IsCanonical(value):
                Seg(X86Seg.Fs).Base = value;
                return true;
            case 0xc0000101 when Model.Has(X86Feature.Lm) && IsCanonical(value):
                Seg(X86Seg.Gs).Base = value;
                return true;
            case 0xc0000102 when Model.Has(X86Feature.Lm) && IsCanonical(value):
                S->KernelGsBase = value;
                return true;
            case 0xc0000103 when (Model.Has(X86Feature.Rdtscp) || Model.Has(X86Feature.Rdpid)) && value >> 32 == 0:
                S->TscAux = value;
                return true;
            case >= 0xc0010000 and <= 0xc0010007:
                _performance[msr - 0xc0010000] = value;
                return true;
            default:
                return false;
        }
    }

    private bool TryWriteEfer(ulong value)
    {
        var allowed = Control.EferSce | Allow(X86Feature.Lm, Control.EferLme | Control.EferLma) | Allow(X86Feature.Nx, Control.EferNxe);
        if ((value & ~allowed) != 0)
            return false;
        // LMA is read-only: writes are ignored. LME cannot change while paging is on.
        value = value & ~Control.EferLma | S->Efer & Control.EferLma;
        var changed = value ^ S->Efer;
        if ((changed & Control.EferLme) != 0 && (S->Cr0 & Control.PG) != 0)
            return false;
        S->Efer = value;
        if ((changed & Control.EferNxe) != 0)
            FlushTlb();
        return true;
    }
}
