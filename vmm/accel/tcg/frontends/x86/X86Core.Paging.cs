namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Paging (SDM Vol. 3A, chapter 4): 32-bit with PSE and PSE-36, PAE, 4-level.
public sealed unsafe partial class X86Core
{
    private const ulong Present = 1, Write = 2, User = 4, Accessed = 0x20, Dirty = 0x40, PageSize = 0x80, NoExecute = 1ul << 63;

    /// <summary>Bits of a physical address: what CPUID 0x80000008 tells.</summary>
    internal const int PhysicalBits = 40;

    private const ulong AddressMask = (1ul << PhysicalBits) - 0x1000;

    private const ulong ReservedAddress = ((1ul << 52) - 1) & ~((1ul << PhysicalBits) - 1);

    /// <summary>The TLB may hold parts of a large page: INVLPG of any of its addresses drops them all.</summary>
    private bool _largePages;

    /// <summary>Set while code is looked at that may never run: a fault then is no exception.</summary>
    private bool _quiet;

    internal static bool IsCanonical(ulong linear) => (ulong)((long)(linear << 16) >> 16) == linear;

    /// <summary>Physical address of code that is only looked at; false when it has none, and nothing is pending.</summary>
    internal bool TryPeekCode(ulong linear, out ulong physical)
    {
        _quiet = true;
        var found = TryTranslateCode(linear, MmuIndex, out physical);
        _quiet = false;
        return found;
    }

    protected override bool TryTranslate(ulong linear, MemoryAccess access, int attributes, out PageTranslation translation)
    {
        if ((S->Cr0 & Control.PG) == 0)
        {
            translation = new PageTranslation(linear & 0xfffff000, true, true, true, IsWatched(linear & 0xfffff000));
            return true;
        }
        translation = default;
        if (LongMode && !IsCanonical(linear))
        {
            if (!_quiet)
                Raise((attributes & StackAccess) != 0 ? Vector.SS : Vector.GP, 0);
            return false;
        }
        int error;
        while (!TryWalk(linear, access, attributes & MmuIndexMask, out translation, out error))
            if (error >= 0)
            {
                if (!_quiet)
                    RaisePageFault(linear, error | PageFaultAccess(access, attributes & MmuIndexMask));
                return false;
            }
        return true;
    }

    private int PageFaultAccess(MemoryAccess access, int mmu)
    {
        var error = (access == MemoryAccess.Write ? 2 : 0) | (mmu >= MmuUser ? 4 : 0);
        var tellsExecute = (S->Cr4 & Control.SMEP) != 0 || (S->Cr4 & Control.PAE) != 0 && (S->Efer & Control.EferNxe) != 0;
        return access == MemoryAccess.Execute && tellsExecute ? error | 16 : error;
    }

    /// <summary>One walk. False with an error of -1: another CPU changed an entry meanwhile, walk again.</summary>
    private bool TryWalk(ulong linear, MemoryAccess access, int mmu, out PageTranslation translation, out int error)
    {
        translation = default;
        const int NotPresent = 0, Protection = 1, Reserved = 9;
        var pae = (S->Cr4 & Control.PAE) != 0;
        var longMode = LongMode;
        var nxe = pae && (S->Efer & Control.EferNxe) != 0;
        var reservedAlways = pae ? ReservedAddress | (nxe ? 0 : NoExecute) : 0;
        // PAE without long mode: bits 62-52 are reserved too (Table 4-8).
        if (pae && !longMode)
            reservedAlways |= 0x7fful << 52;
        var rights = Write | User;
        var noExecute = false;
        var levels = longMode ? 4 : 2;
        var table = longMode ? S->Cr3 & AddressMask : pae ? 0 : S->Cr3 & 0xfffff000;
        if (pae && !longMode)
        {
            var pdpte = S->Pdpte[(linear >> 30) & 3];
            if ((pdpte & Present) == 0)
            {
                error = NotPresent;
                return false;
            }
            table = pdpte & AddressMask;
        }
        Span<ulong> addresses = stackalloc ulong[4];
        Span<ulong> entries = stackalloc ulong[4];
        var used = 0;
        ulong entry;
        int shift;
        for (var level = levels; ; level--)
        {
            shift = pae ? 12 + 9 * (level - 1) : 12 + 10 * (level - 1);
            var size = pae ? 8 : 4;
            var address = table + (linear >> shift & (pae ? 511u : 1023u)) * (uint)size;
            entry = ReadPhysical(address, size);
            addresses[used] = address;
            entries[used++] = entry;
            if ((entry & Present) == 0)
            {
                error = NotPresent;
                return false;
            }
            var large = level > 1 && (entry & PageSize) != 0 && (pae || (S->Cr4 & Control.PSE) != 0);
            if ((entry & ReservedAt(level, large, pae, reservedAlways)) != 0)
            {
                error = Reserved;
                return false;
            }
            rights &= entry;
            noExecute |= nxe && (entry & NoExecute) != 0;
            if (level == 1 || large)
                break;
            table = pae ? entry & AddressMask : entry & 0xfffff000;
        }
        var user = (rights & User) != 0;
        var isUser = mmu >= MmuUser;
        var mayRead = isUser ? user : !(user && mmu == MmuKernelSmap);
        var mayWrite = mayRead && ((rights & Write) != 0 || !isUser && (S->Cr0 & Control.WP) == 0);
        var mayExecute = !noExecute && (isUser ? user : !(user && (S->Cr4 & Control.SMEP) != 0));
        if (access switch { MemoryAccess.Read => !mayRead, MemoryAccess.Write => !mayWrite, _ => !mayExecute })
        {
            error = Protection;
            return false;
        }
        error = -1;
        for (var i = 0; i < used; i++)
        {
            var wanted = entries[i] | Accessed | (i == used - 1 && access == MemoryAccess.Write ? Dirty : 0);
            if (wanted != entries[i] && !TryUpdateEntry(addresses[i], entries[i], wanted, pae))
                return false;
            entries[i] = wanted;
        }
        _largePages |= shift != 12;
        var offsetMask = (1ul << shift) - 1;
        var frame = pae ? entry & AddressMask & ~offsetMask
            : shift == 22 ? entry & 0xffc00000 | (entry >> 13 & 0xff) << 32 : entry & 0xfffff000;
        // A clean page stays unwritable in the TLB, so that its first write comes here and sets the dirty bit.
        var dirty = (entries[used - 1] & Dirty) != 0;
        translation = new PageTranslation((frame | linear & offsetMask) & ~0xffful, mayRead, mayWrite && dirty, mayExecute,
            mmu == MmuUserAligned || IsWatched(linear & ~0xffful));
        return true;
    }

    private ulong ReservedAt(int level, bool large, bool pae, ulong always)
    {
        if (!pae)
            return large ? 1u << 21 : 0;
        if (level == 4)
            return always | PageSize;
        if (level == 3)
            return always | (large ? Model.Has(X86Feature.Page1Gb) ? 0x3fffe000ul : PageSize : 0);
        return always | (level == 2 && large ? 0x1fe000ul : 0);
    }

    /// <summary>Sets accessed and dirty bits as the CPU does, atomically against the guest's other CPUs.</summary>
    private bool TryUpdateEntry(ulong address, ulong old, ulong wanted, bool pae)
    {
        if (Physical.Find(address) is not { } region)
        {
            Io.WriteMmio(address, pae ? 8 : 4, wanted);
            return true;
        }
        if (region.ReadOnly)
            return true;
        if (Physical.TracksWrites)
            region.MarkDirty(address);
        var host = region.Host + (address - region.Start);
        return pae
            ? Interlocked.CompareExchange(ref *(ulong*)host, wanted, old) == old
            : Interlocked.CompareExchange(ref *(uint*)host, (uint)wanted, (uint)old) == (uint)old;
    }

    /// <summary>MOV to CR3 under PAE paging loads the four PDPTEs; false: one has reserved bits set, #GP (SDM Vol. 3A, 4.4.1).</summary>
    internal bool TryLoadPdptes(ulong cr3)
    {
        Span<ulong> entries = stackalloc ulong[4];
        for (var i = 0; i < 4; i++)
        {
            entries[i] = ReadPhysical((cr3 & 0xffffffe0) + (ulong)i * 8, 8);
            if ((entries[i] & Present) != 0 && (entries[i] & (ReservedAddress | 0x1e6 | 0xffful << 52)) != 0)
                return false;
        }
        for (var i = 0; i < 4; i++)
            S->Pdpte[i] = entries[i];
        return true;
    }
}
