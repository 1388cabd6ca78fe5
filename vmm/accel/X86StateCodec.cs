using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Accel;

/// <summary><see cref="X86State"/> as bytes of a snapshot: fields in the order of the structure, what no processor can be in is refused.</summary>
public static unsafe class X86StateCodec
{
    private const int FxsaveBytes = 512, DebugRegisters = 8;

    // SDM Vol. 3A, 2.5 (CR0, CR4), 2.2.1 (EFER); Vol. 1, 3.4.3 (RFLAGS).
    private const ulong ProtectedMode = 1, NotWriteThrough = 1 << 29, CacheDisable = 1 << 30, Paging = 1UL << 31;
    private const ulong PhysicalAddressExtension = 32;
    private const ulong LongModeEnable = 1 << 8, LongModeActive = 1 << 10;
    private const ulong Virtual8086 = 1 << 17;
    private const uint SegmentAttributes = 0x1f0ff;

    public static void Write(StateWriter writer, in X86State state)
    {
        for (var i = 0; i < 16; i++)
            writer.UInt64(state.Gpr[i]);
        writer.UInt64(state.Rip);
        writer.UInt64(state.Rflags);
        foreach (var segment in (ReadOnlySpan<X86Segment>)[state.Es, state.Cs, state.Ss, state.Ds, state.Fs, state.Gs, state.Ldtr, state.Tr])
        {
            writer.UInt16(segment.Selector);
            writer.UInt64(segment.Base);
            writer.UInt32(segment.Limit);
            writer.UInt32(segment.Attributes);
        }
        foreach (var table in (ReadOnlySpan<X86Table>)[state.Gdtr, state.Idtr])
        {
            writer.UInt64(table.Base);
            writer.UInt16(table.Limit);
        }
        foreach (var value in (ReadOnlySpan<ulong>)[state.Cr0, state.Cr2, state.Cr3, state.Cr4, state.Cr8, state.Efer, state.ApicBase, state.Star, state.Lstar,
            state.Cstar, state.Sfmask, state.KernelGsBase, state.SysenterCs, state.SysenterEsp, state.SysenterEip, state.Pat, state.MtrrDefType, state.Tsc,
            state.TscAux, state.MiscEnable])
            writer.UInt64(value);
        for (var i = 0; i < DebugRegisters; i++)
            writer.UInt64(state.Dr[i]);
        fixed (byte* image = state.Fxsave)
            writer.Bytes(new ReadOnlySpan<byte>(image, FxsaveBytes));
        writer.Byte((byte)state.Activity);
        writer.Bool(state.InterruptShadow);
        writer.Bool(state.NmiBlocked);
    }

    /// <exception cref="StateFormatException">Cut off, or a state that no processor can be in.</exception>
    public static void Read(ref StateReader reader, out X86State state)
    {
        state = default;
        for (var i = 0; i < 16; i++)
            state.Gpr[i] = reader.UInt64();
        state.Rip = reader.UInt64();
        state.Rflags = reader.UInt64();
        state.Es = ReadSegment(ref reader);
        state.Cs = ReadSegment(ref reader);
        state.Ss = ReadSegment(ref reader);
        state.Ds = ReadSegment(ref reader);
        state.Fs = ReadSegment(ref reader);
        state.Gs = ReadSegment(ref reader);
        state.Ldtr = ReadSegment(ref reader);
        state.Tr = ReadSegment(ref reader);
        state.Gdtr = new X86Table(reader.UInt64(), reader.UInt16());
        state.Idtr = new X86Table(reader.UInt64(), reader.UInt16());
        (state.Cr0, state.Cr2, state.Cr3, state.Cr4) = (reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64());
        (state.Cr8, state.Efer, state.ApicBase) = (reader.UInt64(), reader.UInt64(), reader.UInt64());
        (state.Star, state.Lstar, state.Cstar, state.Sfmask) = (reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64());
        (state.KernelGsBase, state.SysenterCs, state.SysenterEsp, state.SysenterEip) = (reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64());
        (state.Pat, state.MtrrDefType, state.Tsc) = (reader.UInt64(), reader.UInt64(), reader.UInt64());
        (state.TscAux, state.MiscEnable) = (reader.UInt64(), reader.UInt64());
        for (var i = 0; i < DebugRegisters; i++)
            state.Dr[i] = reader.UInt64();
        var fxsave = reader.Bytes(FxsaveBytes);
        if (fxsave.Length != FxsaveBytes)
            throw new StateFormatException($"an FXSAVE image of {fxsave.Length} bytes, where {FxsaveBytes} were expected");
        fixed (byte* image = state.Fxsave)
            fxsave.CopyTo(new Span<byte>(image, FxsaveBytes));
        var activity = reader.Byte();
        if (activity > (byte)X86Activity.WaitForSipi)
            throw new StateFormatException($"vCPU activity {activity}, which there is not");
        state.Activity = (X86Activity)activity;
        state.InterruptShadow = reader.Bool();
        state.NmiBlocked = reader.Bool();
        Check(state);
    }

    private static X86Segment ReadSegment(ref StateReader reader) =>
        new(reader.UInt16(), reader.UInt64(), reader.UInt32(), reader.UInt32() & SegmentAttributes);

    private static void Check(in X86State state)
    {
        var paging = (state.Cr0 & Paging) != 0;
        var isProtected = (state.Cr0 & ProtectedMode) != 0;
        var longMode = (state.Efer & LongModeActive) != 0;
        var isVirtual8086 = (state.Rflags & Virtual8086) != 0;
        if (state.Cr0 >> 32 != 0 || (paging && !isProtected) || ((state.Cr0 & NotWriteThrough) != 0 && (state.Cr0 & CacheDisable) == 0))
            throw new StateFormatException($"CR0 0x{state.Cr0:x}, which no processor takes");
        if (longMode != (paging && (state.Efer & LongModeEnable) != 0) || (longMode && (state.Cr4 & PhysicalAddressExtension) == 0))
            throw new StateFormatException($"CR0 0x{state.Cr0:x}, CR4 0x{state.Cr4:x} and EFER 0x{state.Efer:x}, which do not go together");
        if (isVirtual8086 && (longMode || !isProtected))
            throw new StateFormatException("virtual-8086 mode outside protected mode");
        if (state.Cr8 > 15)
            throw new StateFormatException($"CR8 0x{state.Cr8:x}: the task priority has four bits");
    }
}
