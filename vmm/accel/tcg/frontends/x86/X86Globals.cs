using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>The x86-64 guest as IR sees it.</summary>
public static class X86Globals
{
    private const int FirstSegmentBase = 21;

    private static readonly string[] s_names =
    [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rip", "cc_dst", "cc_src", "cc_src2", "cc_op", "es_base", "cs_base", "ss_base", "ds_base", "fs_base", "gs_base",
    ];

    public static readonly IrGuest Guest = new(
        Array.ConvertAll(s_names, Declare), X86Helpers.Declarations, pcGlobal: 16, lazyStateGlobal: 20);

    public static IrValue Rip => IrValue.Global(16);

    public static IrValue CcDst => IrValue.Global(17);

    public static IrValue CcSrc => IrValue.Global(18);

    public static IrValue CcSrc2 => IrValue.Global(19);

    public static IrValue CcOp => IrValue.Global(20);

    /// <param name="index">In encoding order.</param>
    public static IrValue Gpr(int index) => IrValue.Global(index);

    public static IrValue SegmentBase(X86Seg seg) => IrValue.Global(FirstSegmentBase + (int)seg);

    private static IrGlobal Declare(string name)
    {
        var i = Array.IndexOf(s_names, name);
        return new IrGlobal(name, i < FirstSegmentBase ? X86CpuState.OffsetGpr + 8 * i : X86CpuState.OffsetSeg + 24 * (i - FirstSegmentBase));
    }
}
