using System.Buffers.Binary;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Machines;

/// <summary>Translates a linear address as the vCPU would read it, without setting accessed bits: for reports (SDM Vol. 3A, chapter 4).</summary>
public static class X86PageWalk
{
    private const ulong Cr0Paging = 1UL << 31, Cr4Pse = 1 << 4, Cr4Pae = 1 << 5, Cr4La57 = 1 << 12, EferLongMode = 1 << 10;
    private const ulong Present = 1, LargePage = 1 << 7;
    private const ulong AddressMask = 0x000f_ffff_ffff_f000;

    /// <summary>False when nothing is mapped there.</summary>
    public static bool TryTranslate(GuestMemory memory, in X86State state, ulong linear, out ulong physical)
    {
        physical = linear;
        if ((state.Cr0 & Cr0Paging) == 0)
            return true;
        if ((state.Cr4 & Cr4Pae) == 0)
            return TryTranslate32(memory, in state, (uint)linear, out physical);
        var levels = (state.Efer & EferLongMode) == 0 ? 3 : (state.Cr4 & Cr4La57) != 0 ? 5 : 4;
        var table = levels == 3 ? state.Cr3 & 0xffff_ffe0 : state.Cr3 & AddressMask;
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        for (var level = levels; level > 0; level--)
        {
            var shift = 12 + 9 * (level - 1);
            // Three levels: the topmost table has four entries.
            var index = linear >> shift & (levels == 3 && level == 3 ? 3UL : 511UL);
            if (!memory.TryRead(table + index * 8, bytes))
                return false;
            var entry = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            if ((entry & Present) == 0)
                return false;
            table = entry & AddressMask;
            if (level == 1 || (level is 2 or 3 && !(levels == 3 && level == 3) && (entry & LargePage) != 0))
            {
                var offsetMask = (1UL << shift) - 1;
                physical = (table & ~offsetMask) | (linear & offsetMask);
                return true;
            }
        }
        return false;
    }

    private static bool TryTranslate32(GuestMemory memory, in X86State state, uint linear, out ulong physical)
    {
        physical = 0;
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        if (!memory.TryRead((state.Cr3 & 0xffff_f000) + (linear >> 22) * 4, bytes))
            return false;
        var directory = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if ((directory & Present) == 0)
            return false;
        if ((directory & LargePage) != 0 && (state.Cr4 & Cr4Pse) != 0)
        {
            // PSE-36: bits 13 to 20 of the entry are address bits 32 to 39.
            physical = (directory & 0xffc0_0000) | (ulong)(directory >> 13 & 0xff) << 32 | (linear & 0x3f_ffff);
            return true;
        }
        if (!memory.TryRead((directory & 0xffff_f000) + (linear >> 12 & 0x3ff) * 4, bytes))
            return false;
        var entry = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        physical = (entry & 0xffff_f000) | (linear & 0xfff);
        return (entry & Present) != 0;
    }
}
