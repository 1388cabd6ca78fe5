using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// 32-bit protected mode with flat segments, paging off, interrupts off: where multiboot (3.2) and other protocols enter.
/// </summary>
public static class FlatProtectedMode
{
    // Access byte in bits 0-7, AVL L D/B G in bits 12-15 (SDM Vol. 3A, 3.4.5): present, ring 0, accessed; 4-KiB granular, 32-bit.
    private const uint CodeAttributes = 0xc09b, DataAttributes = 0xc093, BusyTss32 = 0x008b, LdtAttributes = 0x0082;
    private const uint FlatLimit = 0xffffffff;
    private const ushort CodeSelector = 0x08, DataSelector = 0x10;

    // PE and ET.
    private const ulong Cr0 = 0x11;
    private const ulong RflagsReserved = 2;

    /// <summary>Sets segments, control registers, RIP and RFLAGS; clears the general registers.</summary>
    public static void Enter(ref X86State state, uint entry)
    {
        var data = new X86Segment(DataSelector, 0, FlatLimit, DataAttributes);
        state.Gpr = default;
        state.Cs = new X86Segment(CodeSelector, 0, FlatLimit, CodeAttributes);
        (state.Ds, state.Es, state.Fs, state.Gs, state.Ss) = (data, data, data, data, data);
        state.Tr = new X86Segment(0, 0, 0xffff, BusyTss32);
        state.Ldtr = new X86Segment(0, 0, 0xffff, LdtAttributes);
        state.Gdtr = new X86Table(0, 0);
        state.Idtr = new X86Table(0, 0);
        (state.Cr0, state.Cr3, state.Cr4, state.Efer) = (Cr0, 0, 0, 0);
        state.Rip = entry;
        state.Rflags = RflagsReserved;
        state.Activity = X86Activity.Running;
    }
}
