namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// Segments and descriptors (SDM Vol. 3A, chapters 3.4, 3.5 and 5).
public sealed unsafe partial class X86Core
{
    /// <summary>Reads a system structure: 1, 2, 4 or 8 bytes with supervisor privilege. False: an exception is pending.</summary>
    internal bool TryReadSystem(ulong linear, int size, out ulong value)
    {
        ulong read = 0;
        var done = Load(LongMode ? linear : (uint)linear, size, SystemMmuIndex, &read);
        value = read;
        return done;
    }

    internal bool TryWriteSystem(ulong linear, int size, ulong value) => Store(LongMode ? linear : (uint)linear, size, SystemMmuIndex, value);

    /// <summary>
    /// A stack that an instruction or event works on before it commits: the stack pointer register changes only by <see cref="Commit"/>.
    /// </summary>
    internal struct Stack
    {
        private readonly X86Core _core;
        private readonly int _mmu;
        private readonly ulong _base, _mask;
        private readonly X86SegmentCache _ss;
        private readonly bool _checked;
        private readonly int _faultVector;
        private readonly int _faultError;

        /// <summary>The current one.</summary>
        public Stack(X86Core core, int mmu)
        {
            _core = core;
            _mmu = mmu;
            _ss = core.Seg(X86Seg.Ss);
            _checked = !core.Code64;
            _base = _checked ? _ss.Base : 0;
            _mask = core.Code64 ? ulong.MaxValue : (_ss.Attributes & 0x4000) != 0 ? uint.MaxValue : 0xffffu;
            Pointer = core.Gpr(4) & _mask;
            _faultVector = Vector.SS;
        }

        /// <summary>An inner level's, in legacy modes: faults on it are #SS with its selector.</summary>
        public Stack(X86Core core, int mmu, in X86SegmentCache ss, ulong pointer, int cpl)
        {
            _core = core;
            _mmu = cpl == 3 ? MmuUser : mmu;
            _ss = ss;
            _checked = true;
            _base = ss.Base;
            _mask = (ss.Attributes & 0x4000) != 0 ? uint.MaxValue : 0xffffu;
            Pointer = pointer & _mask;
            _faultVector = Vector.SS;
            _faultError = ss.Selector & 0xfffc;
        }

        /// <summary>A 64-bit one.</summary>
        public Stack(X86Core core, int mmu, ulong pointer)
        {
            _core = core;
            _mmu = mmu;
            _mask = ulong.MaxValue;
            Pointer = pointer;
            _faultVector = Vector.SS;
        }

        public ulong Pointer { get; private set; }

        public bool Push(ulong value, int size)
        {
            var pointer = (Pointer - (uint)size) & _mask;
            if (!TryLinear(pointer, size, out var linear) || !_core.Store(linear, size, _mmu | StackAccess, value))
                return false;
            Pointer = pointer;
            return true;
        }

        /// <summary>Whether a write at the pointer, of this many bytes, would not fault; if it would, the fault is pending.</summary>
        public readonly bool CanWrite(int size) => TryLinear(Pointer, size, out var linear) && _core.Probe(linear, size, MemoryAccess.Write, _mmu | StackAccess);

        public bool Pop(int size, out ulong value)
        {
            value = 0;
            ulong read;
            if (!TryLinear(Pointer, size, out var linear) || !_core.Load(linear, size, _mmu | StackAccess, &read))
                return false;
            value = read;
            Pointer = (Pointer + (uint)size) & _mask;
            return true;
        }

        public void Skip(ulong bytes) => Pointer = (Pointer + bytes) & _mask;

        /// <summary>Puts the pointer into RSP, ESP or SP.</summary>
        public readonly void Commit()
        {
            ref var rsp = ref _core.Gpr(4);
            rsp = _mask == 0xffff ? rsp & ~0xfffful | Pointer : Pointer;
        }

        private readonly bool TryLinear(ulong pointer, int size, out ulong linear)
        {
            linear = _checked ? (uint)(_base + pointer) : pointer;
            if (!_checked || IsInside(_ss, pointer, size))
                return true;
            return _core.Refuse(_faultVector, _faultError);
        }
    }

    /// <summary>An offset range is within the segment's limit, expand-down segments included.</summary>
    internal static bool IsInside(in X86SegmentCache seg, ulong offset, int size)
    {
        var last = offset + (uint)(size - 1);
        if ((seg.Attributes & 0x1c) == 0x14)
            return offset > seg.Limit && last <= ((seg.Attributes & 0x4000) != 0 ? uint.MaxValue : 0xffffu);
        return last <= seg.Limit;
    }

    /// <summary>
    /// Linear address of an access through a segment that is not flat, after limit and type checks (legacy modes); 0 with an exception pending.
    /// </summary>
    internal ulong CheckSegment(X86Seg index, ulong offset, int size, bool write)
    {
        ref var seg = ref Seg(index);
        // Bits: 8 code, 2 writable or readable.
        var allowed = seg.Usable && (!ProtectedMode || Virtual8086
            || (write ? (seg.Attributes & 0xa) == 2 : (seg.Attributes & 0xa) != 8));
        if (allowed && IsInside(seg, offset, size))
            return (uint)(seg.Base + offset);
        Raise(index == X86Seg.Ss ? Vector.SS : Vector.GP, 0);
        return 0;
    }

    internal static X86SegmentCache Decode(ushort selector, ulong descriptor)
    {
        var limit = (uint)(descriptor & 0xffff | descriptor >> 32 & 0xf0000);
        var attributes = (uint)(descriptor >> 40) & 0xf0ff;
        return new X86SegmentCache
        {
            Selector = selector,
            Base = descriptor >> 16 & 0xffffff | descriptor >> 32 & 0xff000000,
            Limit = (attributes & 0x8000) != 0 ? limit << 12 | 0xfff : limit,
            Attributes = attributes,
        };
    }

    /// <summary>A descriptor from GDT or LDT; outside the table: <paramref name="vector"/> with the selector.</summary>
    /// <param name="external">EXT bit of the error code.</param>
    internal bool TryReadDescriptor(ushort selector, out ulong descriptor, int vector = Vector.GP, int external = 0)
    {
        descriptor = 0;
        if (!TryFindDescriptor(selector, 8, out var address))
            return Refuse(vector, selector & 0xfffc | external);
        return TryReadSystem(address, 8, out descriptor);
    }

    private bool TryFindDescriptor(ushort selector, int size, out ulong address)
    {
        uint offset = selector & 0xfff8u, last = offset + (uint)size - 1;
        if ((selector & 4) == 0)
        {
            address = S->Gdtr.Base + offset;
            return last <= S->Gdtr.Limit;
        }
        ref var ldt = ref Seg(X86Seg.Ldtr);
        address = ldt.Base + offset;
        return ldt.Usable && (ldt.Selector & 0xfffc) != 0 && last <= ldt.Limit;
    }

    internal bool TrySetAccessed(ushort selector, ref X86SegmentCache seg, ulong descriptor)
    {
        if ((seg.Attributes & 1) != 0)
            return true;
        seg.Attributes |= 1;
        return !TryFindDescriptor(selector, 8, out var address) || TryWriteSystem(address + 5, 1, (descriptor >> 40 & 0xff) | 1);
    }

    /// <summary>Real mode: only selector and base change; limit and attributes stay what they were ("unreal" mode lives on that).</summary>
    internal void SetRealSegment(X86Seg index, ushort selector)
    {
        ref var seg = ref Seg(index);
        seg.Selector = selector;
        seg.Base = (ulong)selector << 4;
        if (Virtual8086)
        {
            seg.Limit = 0xffff;
            seg.Attributes = 0xf3;
        }
        else if (index == X86Seg.Cs && !ProtectedMode)
            seg.Attributes = seg.Attributes & ~0xffu | 0x93;
    }

    /// <summary>MOV or POP to a data segment register or SS, LDS and the like. False: an exception is pending.</summary>
    internal bool TryLoadSegment(X86Seg index, ushort selector)
    {
        if (!ProtectedMode || Virtual8086)
        {
            SetRealSegment(index, selector);
            return true;
        }
        if ((selector & 0xfffc) == 0)
        {
            if (index == X86Seg.Ss && (!Code64 || Cpl == 3 || (selector & 3) != Cpl))
                return Refuse(Vector.GP, 0);
            Seg(index) = new X86SegmentCache { Selector = selector, Attributes = X86Segment.Unusable | (index == X86Seg.Ss ? (uint)Cpl << 5 : 0) };
            return true;
        }
        if (!TryReadDescriptor(selector, out var descriptor))
            return false;
        var seg = Decode(selector, descriptor);
        int rpl = selector & 3, dpl = seg.Dpl;
        var error = selector & 0xfffc;
        if ((seg.Attributes & 0x10) == 0)
            return Refuse(Vector.GP, error);
        if (index == X86Seg.Ss)
        {
            if (rpl != Cpl || dpl != Cpl || (seg.Attributes & 0xa) != 2)
                return Refuse(Vector.GP, error);
            if (!seg.Present)
                return Refuse(Vector.SS, error);
        }
        else
        {
            // Code must be readable; data and nonconforming code must not be more privileged than CPL and RPL.
            if ((seg.Attributes & 0xa) == 8 || (seg.Attributes & 0xc) != 0xc && (dpl < rpl || dpl < Cpl))
                return Refuse(Vector.GP, error);
            if (!seg.Present)
                return Refuse(Vector.NP, error);
        }
        if (!TrySetAccessed(selector, ref seg, descriptor))
            return false;
        Seg(index) = seg;
        return true;
    }

    /// <summary>LLDT and LTR: a system descriptor, of 16 bytes in long mode.</summary>
    internal bool TryLoadSystemSegment(X86Seg index, ushort selector)
    {
        var error = selector & 0xfffc;
        if (error == 0)
        {
            if (index == X86Seg.Tr)
                return Refuse(Vector.GP, 0);
            Seg(index) = new X86SegmentCache { Selector = selector, Attributes = X86Segment.Unusable };
            return true;
        }
        if ((selector & 4) != 0 || !TryFindDescriptor(selector, LongMode ? 16 : 8, out var address))
            return Refuse(Vector.GP, error);
        if (!TryReadSystem(address, 8, out var descriptor))
            return false;
        var seg = Decode(selector, descriptor);
        var type = seg.Attributes & 0x1f;
        if (index == X86Seg.Ldtr ? type != 2 : !(type == 9 || type == 1 && !LongMode))
            return Refuse(Vector.GP, error);
        if (!seg.Present)
            return Refuse(Vector.NP, error);
        if (LongMode)
        {
            if (!TryReadSystem(address + 8, 8, out var high))
                return false;
            if ((high >> 40 & 0x1f) != 0)
                return Refuse(Vector.GP, error);
            seg.Base |= high << 32;
            if (!IsCanonical(seg.Base))
                return Refuse(Vector.GP, error);
        }
        if (index == X86Seg.Tr)
        {
            seg.Attributes |= 2;
            if (!TryWriteSystem(address + 5, 1, (descriptor >> 40 & 0xff) | 2))
                return false;
        }
        Seg(index) = seg;
        return true;
    }

    /// <summary>LAR, LSL, VERR, VERW: whether the selector names something that CPL may see, and its descriptor.</summary>
    /// <param name="system">Bit t set: system descriptors of type t count.</param>
    internal bool TryInspect(ushort selector, uint system, out ulong descriptor)
    {
        descriptor = 0;
        if ((selector & 0xfffc) == 0 || !TryFindDescriptor(selector, 8, out var address))
            return false;
        if (!TryReadSystem(address, 8, out descriptor))
            return false;
        var seg = Decode(selector, descriptor);
        if ((seg.Attributes & 0x10) == 0)
        {
            if ((system >> (int)(seg.Attributes & 0xf) & 1) == 0)
                return false;
        }
        else if ((seg.Attributes & 0xc) == 0xc)
            return true;
        return seg.Dpl >= Cpl && seg.Dpl >= (selector & 3);
    }
}
