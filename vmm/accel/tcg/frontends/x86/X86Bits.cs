namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>RFLAGS (SDM Vol. 1, 3.4.3).</summary>
internal static class Flags
{
    public const uint Fixed1 = 2, TF = 1 << 8, IF = 1 << 9, DF = 1 << 10, IoplShift = 12, Iopl = 3 << 12, NT = 1 << 14, RF = 1 << 16, VM = 1 << 17,
        AC = 1 << 18, VIF = 1 << 19, VIP = 1 << 20, ID = 1 << 21;

    /// <summary>What POPF at CPL 0 can change.</summary>
    public const uint Poppable = CcOp.Status | TF | IF | DF | Iopl | NT | AC | ID;
}

/// <summary>Control registers and EFER (SDM Vol. 3A, 2.5 and 2.2.1).</summary>
internal static class Control
{
    public const ulong PE = 1, MP = 2, EM = 4, TS = 8, ET = 16, NE = 32, WP = 1 << 16, AM = 1 << 18, NW = 1 << 29, CD = 1 << 30, PG = 1ul << 31;

    public const ulong VME = 1, PVI = 2, TSD = 4, DE = 8, PSE = 16, PAE = 32, MCE = 64, PGE = 128, PCE = 256, OSFXSR = 512, OSXMMEXCPT = 1024, UMIP = 2048,
        FSGSBASE = 1 << 16, PCIDE = 1 << 17, OSXSAVE = 1 << 18, SMEP = 1 << 20, SMAP = 1 << 21;

    public const ulong EferSce = 1, EferLme = 1 << 8, EferLma = 1 << 10, EferNxe = 1 << 11;
}

/// <summary>Exception vectors (SDM Vol. 3A, 6.3.1).</summary>
internal static class Vector
{
    public const int DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, TS = 10, NP = 11, SS = 12, GP = 13, PF = 14, MF = 16, AC = 17, MC = 18, XM = 19;
}

/// <summary>What blocks are translated for: bits of <see cref="Blocks.BlockKey.Flags"/>.</summary>
internal static class Mode
{
    /// <summary>Bits 0-1: 0 = 16-bit code, 1 = 32, 2 = 64.</summary>
    public const uint CodeSize = 3;
    public const uint Stack32 = 1 << 2, Protected = 1 << 5, Virtual8086 = 1 << 6, SmapEnforced = 1 << 7;

    /// <summary>Bits 3-4.</summary>
    public const int CplShift = 3;

    /// <summary>Bits 8-13, by <see cref="X86Seg"/>: base 0, limit 4 GiB, readable and writable (CS: readable).</summary>
    public const int FlatShift = 8;
    public const uint SingleStep = 1 << 14, TaskSwitched = 1 << 15, Emulation = 1 << 16, MonitorCoprocessor = 1 << 17, OsFxsr = 1 << 18, CodeLimit = 1 << 19;

    /// <summary>Translate one instruction; never cached.</summary>
    public const uint Alone = 1 << 20;
    public const uint LongActive = 1 << 21, AlignmentChecked = 1 << 22;
}
