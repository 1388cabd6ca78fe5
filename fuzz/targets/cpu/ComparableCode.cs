using Iced.Intel;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>What CPUs may do each in its own way in a program.</summary>
/// <param name="Flags">Status flags that may be anything at the end.</param>
/// <param name="HasTwoOperandsInMemory">Which of them faults first is not said.</param>
/// <param name="UsesMmx">Where such an instruction faults, the x87's tags may have changed before.</param>
/// <param name="CallsIndirectly">The return address may be there before the target is found to be none.</param>
internal readonly record struct Freedom(ulong Flags, bool HasTwoOperandsInMemory, bool UsesMmx, bool CallsIndirectly);

/// <summary>Which programs have results that the manual defines, the same on every CPU: what the host's own CPU can be asked about.</summary>
internal static class ComparableCode
{
    private const RflagsBits Status = RflagsBits.OF | RflagsBits.SF | RflagsBits.ZF | RflagsBits.AF | RflagsBits.CF | RflagsBits.PF;

    // What the translator announces with -cpu max; anything else is an invalid opcode to it, and perhaps not to the host.
    private static readonly HashSet<CpuidFeature> Announced =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL8086_ONLY, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486, CpuidFeature.X64,
        CpuidFeature.CMOV, CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387, CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2,
        CpuidFeature.SSE3, CpuidFeature.CX8, CpuidFeature.CMPXCHG16B, CpuidFeature.POPCNT, CpuidFeature.MOVBE, CpuidFeature.LZCNT, CpuidFeature.CLFSH,
        CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE,
    ];

    // What depends on the model, on time, on descriptor tables, on how exact a model computes; what asks the host's kernel for something; what stores the x87's pointers.
    private static readonly HashSet<Mnemonic> Left =
    [
        Mnemonic.Cpuid, Mnemonic.Rdtsc, Mnemonic.Rdtscp, Mnemonic.Rdpmc, Mnemonic.Rdrand, Mnemonic.Rdseed, Mnemonic.Xgetbv, Mnemonic.Xsetbv,
        Mnemonic.Sgdt, Mnemonic.Sidt, Mnemonic.Sldt, Mnemonic.Str, Mnemonic.Smsw, Mnemonic.Lar, Mnemonic.Lsl, Mnemonic.Verr, Mnemonic.Verw,
        Mnemonic.Int, Mnemonic.Syscall, Mnemonic.Sysenter, Mnemonic.Sysret, Mnemonic.Sysretq, Mnemonic.Sysexit, Mnemonic.Sysexitq, Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Iretq,
        Mnemonic.Retf, Mnemonic.Lss, Mnemonic.Lfs, Mnemonic.Lgs, Mnemonic.Monitor, Mnemonic.Mwait, Mnemonic.Fxsave, Mnemonic.Fxsave64, Mnemonic.Fnsave, Mnemonic.Fsave,
        Mnemonic.Fnstenv, Mnemonic.Fstenv, Mnemonic.Rcpps, Mnemonic.Rcpss, Mnemonic.Rsqrtps, Mnemonic.Rsqrtss, Mnemonic.F2xm1, Mnemonic.Fyl2x, Mnemonic.Fyl2xp1, Mnemonic.Fptan,
        Mnemonic.Fpatan, Mnemonic.Fsin, Mnemonic.Fcos, Mnemonic.Fsincos, Mnemonic.Clflushopt, Mnemonic.Clwb, Mnemonic.Int1, Mnemonic.Ud0, Mnemonic.Fstpnce, Mnemonic.Maskmovq, Mnemonic.Maskmovdqu,
    ];

    /// <summary>True when results are defined, but for some flags.</summary>
    /// <param name="code">Of 64 bits.</param>
    /// <param name="masksInvalid">The x87 begins with its invalid operation masked.</param>
    public static bool IsDefined(ReadOnlySpan<byte> code, bool masksInvalid, out Freedom freedom)
    {
        freedom = default;
        var (twice, mmx, calls) = (false, false, false);
        var (starts, targets) = (new HashSet<ulong>(), new List<ulong>());
        var reader = new ByteArrayCodeReader(code.ToArray());
        var decoder = Decoder.Create(64, reader, CpuProgram.CodeAddress);
        var length = code.Length;
        var (loose, hasBranch, ever, reads) = (RflagsBits.None, false, RflagsBits.None, RflagsBits.None);
        while (reader.CanReadByte)
        {
            decoder.Decode(out var instruction);
            // Invalid to the one may be valid to the other; what is cut off at the end is completed by HLTs, which are not looked at.
            if (instruction.IsInvalid)
                return false;
            if (Left.Contains(instruction.Mnemonic) || instruction.Encoding != EncodingKind.Legacy || TouchesSegments(instruction))
                return false;
            foreach (var feature in instruction.CpuidFeatures)
            {
                if (!Announced.Contains(feature))
                    return false;
                mmx |= feature == CpuidFeature.MMX;
            }
            if ((instruction.RflagsRead & loose & Status) != 0 || HasUndefinedResult(instruction))
                return false;
            twice |= instruction.IsStringInstruction && instruction.Mnemonic is (Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Cmpsq);
            mmx |= UsesMmx(instruction);
            calls |= instruction.FlowControl == FlowControl.IndirectCall;
            reads |= instruction.RflagsRead;
            var undefined = instruction.RflagsUndefined;
            if (instruction.Mnemonic is Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fxrstor or Mnemonic.Fxrstor64)
                masksInvalid = false;
            // With an unmasked exception CPUs set the flags, the manual does not.
            if (!masksInvalid && instruction.Mnemonic is (Mnemonic.Fcomi or Mnemonic.Fcomip or Mnemonic.Fucomi or Mnemonic.Fucomip))
                undefined |= Status;
            ever |= undefined;
            starts.Add(instruction.IP);
            if (instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64)
                targets.Add(instruction.NearBranchTarget);
            hasBranch |= instruction.FlowControl is not (FlowControl.Next or FlowControl.Exception or FlowControl.Interrupt);
            var defined = instruction.RflagsWritten | instruction.RflagsCleared | instruction.RflagsSet;
            // A shift by nothing leaves the flags; a repeated comparison of nothing too.
            if (instruction.HasRepPrefix || instruction.HasRepnePrefix || instruction.OpCount > 1 && instruction.Op1Register == Register.CL)
                defined = RflagsBits.None;
            loose = loose & ~defined | undefined;
        }
        // Into the middle of an instruction: others are run than were looked at.
        if (targets.Exists(target => target - CpuProgram.CodeAddress < (ulong)length && !starts.Contains(target)))
            return false;
        // An exception in the middle shows the flags of then.
        freedom = new Freedom(ToRflags(ever), twice, mmx, calls);
        return !hasBranch || (reads & ever & Status) == 0;
    }

    private static bool TouchesSegments(in Instruction instruction)
    {
        for (var i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Register && instruction.GetOpRegister(i).IsSegmentRegister())
                return true;
            if (instruction.GetOpKind(i) is OpKind.FarBranch16 or OpKind.FarBranch32)
                return true;
        }
        return instruction.IsJmpFarIndirect || instruction.IsCallFarIndirect;
    }

    private static bool UsesMmx(in Instruction instruction)
    {
        for (var i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Register && instruction.GetOpRegister(i).IsMM())
                return true;
        }
        return false;
    }

    private static bool HasUndefinedResult(in Instruction instruction) => instruction.Mnemonic switch
    {
        // A source of 0 leaves the destination undefined.
        Mnemonic.Bsf or Mnemonic.Bsr => true,
        // More than 16 places.
        Mnemonic.Shld or Mnemonic.Shrd => instruction.Op0Kind == OpKind.Register ? instruction.Op0Register.GetSize() == 2 : instruction.MemorySize.GetSize() == 2,
        Mnemonic.Bswap => instruction.Op0Register.GetSize() == 2,
        _ => false,
    };

    private static ulong ToRflags(RflagsBits bits) =>
        (bits.HasFlag(RflagsBits.CF) ? 1UL : 0) | (bits.HasFlag(RflagsBits.PF) ? 4UL : 0) | (bits.HasFlag(RflagsBits.AF) ? 0x10UL : 0)
        | (bits.HasFlag(RflagsBits.ZF) ? 0x40UL : 0) | (bits.HasFlag(RflagsBits.SF) ? 0x80UL : 0) | (bits.HasFlag(RflagsBits.OF) ? 0x800UL : 0);
}
