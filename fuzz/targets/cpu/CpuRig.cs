using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>
/// One vCPU of an accelerator with memory of its own, that runs programs one after the other, each from the same memory. An exception ends a program: every handler
/// is a HLT, by whose address its vector is known.
/// </summary>
/// <remarks>
/// Selectors, gates' privileges and control registers are those that a Linux process sees, so that the host's CPU can be asked the same. Pages of the program are the
/// user's, all others the supervisor's; what is behind them is not there.
/// </remarks>
public sealed unsafe class CpuRig : IDisposable
{
    /// <summary>All of it is compared.</summary>
    public const int RamBytes = 0x40000;

    private const ulong PageTables = 0x1000, Gdt = 0x5000, Idt64 = 0x6000, Tss = 0x7000, Handlers = 0x8000, Idt32 = 0x9000, KernelStack = 0xc000;
    private const ushort KernelCode64 = 0x10, KernelData = 0x18, UserCode32 = 0x23, UserData = 0x2b, UserCode64 = 0x33, KernelCode32 = 0x38, TssSelector = 0x40;
    private const int GdtLimit = 0x4f, Vectors = 256, HandlerBytes = 16, Page = CpuProgram.PageBytes;
    private const byte Hlt = 0xf4;

    // A program has two dozen instructions: one that ran this many goes round. One that repeats a string instruction counts as one for ever, and soon leaves memory.
    private const long MostInstructions = 100_000;
    private const int MostAccesses = 4_096;
    private const int MostLooks = 100;
    private static readonly TimeSpan LooksApart = TimeSpan.FromMilliseconds(20);

    private readonly IAccelerator _accelerator;
    private readonly GuestRam _ram = new("cpu.ram", 0, RamBytes);
    private readonly IVcpu _vcpu;
    private readonly CountingIo _io = new();
    private readonly byte[] _fresh = new byte[RamBytes];
    private readonly X86State _reset;
    private readonly Thread _watchdog;
    private readonly ManualResetEventSlim _end = new();
    private volatile int _running;

    /// <param name="model">As after <c>-cpu</c>.</param>
    /// <param name="apic">For an accelerator that wants one.</param>
    public CpuRig(IAccelerator accelerator, string model, ILocalApic? apic = null)
    {
        _accelerator = accelerator;
        accelerator.SetMemory([_ram]);
        _vcpu = accelerator.CreateVcpu(new VcpuSetup(0, 1, model, _io, apic));
        _io.TooMany = _vcpu.Kick;
        Fill();
        _fresh.CopyTo(new Span<byte>(_ram.HostPointer, RamBytes));
        _vcpu.Reset();
        _vcpu.GetState(out _reset);
        _watchdog = new Thread(Watch) { IsBackground = true, Name = "cpu watchdog" };
        _watchdog.Start();
    }

    /// <summary>After a run: what memory holds.</summary>
    public ReadOnlySpan<byte> Ram => new(_ram.HostPointer, RamBytes);

    /// <summary>Runs a program from fresh memory until it halts, faults or cannot go on.</summary>
    public CpuOutcome Run(in CpuProgram program)
    {
        Restore(program.Code);
        var state = StateFor(program.Mode);
        program.SetRegisters(ref state);
        if (program.Mode == CpuMode.Real16)
            state.Gpr[4] &= 0xffff;
        _vcpu.SetState(state);
        _io.Begin();
        _running++;
        var stop = _vcpu.Run();
        _running++;
        _vcpu.GetState(out state);
        return new CpuOutcome(stop, state, VectorOf(state), _io.Hash, stop == VcpuStop.Failed ? _vcpu.Failure : null);
    }

    public void Dispose()
    {
        _end.Set();
        _watchdog.Join();
        _vcpu.Dispose();
        _accelerator.Dispose();
        _ram.Dispose();
        _end.Dispose();
    }

    /// <summary>A quadword of the stack that an exception of privilege level 3 was pushed on, from its top down: 1 is SS, 2 RSP, 3 RFLAGS, 4 CS, 5 RIP, 6 the error code.</summary>
    public ulong Pushed(int index) => *(ulong*)(_ram.HostPointer + KernelStack - (ulong)index * 8);

    // Odd while a program runs. What counts is how far it came, not the time: the host may be busy, or the code that runs it still being compiled.
    private void Watch()
    {
        var counting = _vcpu as TcgVcpu;
        var (last, looks, from) = (0, 0, 0L);
        while (!_end.Wait(LooksApart))
        {
            var now = _running;
            if (now != last || (now & 1) == 0)
                (last, looks, from) = (now, 0, counting?.Instructions ?? 0);
            else if (++looks >= MostLooks || counting is null || counting.Instructions - from >= MostInstructions)
                _vcpu.Kick();
        }
    }

    private void Restore(ReadOnlySpan<byte> code)
    {
        var ram = new Span<byte>(_ram.HostPointer, RamBytes);
        var observer = _accelerator as IGuestMemoryObserver;
        for (var page = 0; page < RamBytes; page += Page)
        {
            var fresh = _fresh.AsSpan(page, Page);
            var now = ram.Slice(page, Page);
            if (page != (int)CpuProgram.CodeAddress && now.SequenceEqual(fresh))
                continue;
            fresh.CopyTo(now);
            if (page == (int)CpuProgram.CodeAddress)
                code.CopyTo(now);
            // Written behind the vCPU's back.
            observer?.OnGuestMemoryWritten((ulong)page, Page);
        }
    }

    private static int VectorOf(in X86State state)
    {
        var linear = state.Rip + ((state.Cs.Attributes & 0x2000) == 0 ? state.Cs.Base : 0);
        return linear >= Handlers && linear < Handlers + Vectors * HandlerBytes && (linear & 15) == 1 ? (int)(linear - Handlers) / HandlerBytes : -1;
    }

    private X86State StateFor(CpuMode mode)
    {
        var state = _reset;
        state.Rip = CpuProgram.CodeAddress;
        if (mode == CpuMode.Real16)
        {
            state.Cs = new X86Segment(0x1000, 0x10000, 0xffff, 0x9b);
            state.Ds = state.Es = new X86Segment(0x2000, 0x20000, 0xffff, 0x93);
            state.Ss = new X86Segment(0x3000, 0x30000, 0xffff, 0x93);
            state.Fs = state.Gs = new X86Segment(0x2100, 0x21000, 0xffff, 0x93);
            state.Idtr = new X86Table(0, 0x3ff);
            state.Cr4 = 0x600;
            state.Rip = 0;
            return state;
        }
        var isUser = mode is CpuMode.User64 or CpuMode.Compatibility32;
        var isLong = mode != CpuMode.Protected32;
        // PG AM WP NE ET MP PE, as Linux sets them; PAE OSFXSR OSXMMEXCPT; SCE LME LMA NXE.
        state.Cr0 = isLong ? 0x80050033 : 0x50033;
        state.Cr4 = isLong ? 0x620UL : 0x600;
        state.Cr3 = isLong ? PageTables : 0;
        state.Efer = isLong ? 0xd01UL : 0;
        state.Cs = mode switch
        {
            CpuMode.User64 => new X86Segment(UserCode64, 0, uint.MaxValue, 0xa0fb),
            CpuMode.Kernel64 => new X86Segment(KernelCode64, 0, uint.MaxValue, 0xa09b),
            CpuMode.Compatibility32 => new X86Segment(UserCode32, 0, uint.MaxValue, 0xc0fb),
            _ => new X86Segment(KernelCode32, 0, uint.MaxValue, 0xc09b),
        };
        var data = isUser ? new X86Segment(UserData, 0, uint.MaxValue, 0xc0f3) : new X86Segment(KernelData, 0, uint.MaxValue, 0xc093);
        state.Ss = data;
        state.Ds = state.Es = state.Fs = state.Gs = mode == CpuMode.User64 ? new X86Segment(0, 0, 0, X86Segment.Unusable) : data;
        state.Tr = new X86Segment(TssSelector, Tss, 0x67, 0x8b);
        state.Ldtr = new X86Segment(0, 0, 0, X86Segment.Unusable);
        state.Gdtr = new X86Table(Gdt, GdtLimit);
        state.Idtr = isLong ? new X86Table(Idt64, 0xfff) : new X86Table(Idt32, 0x7ff);
        return state;
    }

    private void Fill()
    {
        fixed (byte* fresh = _fresh)
        {
            var at = fresh;
            void Quad(ulong address, ulong value) => *(ulong*)(at + address) = value;
            // Accessed and dirty from the start: a run changes only what it writes.
            const ulong Present = 0x63, User = 4;
            Quad(PageTables, PageTables + 0x1000 | Present | User);
            Quad(PageTables + 0x1000, PageTables + 0x2000 | Present | User);
            Quad(PageTables + 0x2000, PageTables + 0x3000 | Present | User);
            for (var page = 0UL; page < RamBytes / Page; page++)
            {
                var isUser = page is CpuProgram.CodeAddress >> 12 or CpuProgram.DataAddress >> 12 or (CpuProgram.DataAddress >> 12) + 1 or CpuProgram.StackAddress >> 12;
                // As a process has them: data is not executable.
                var isData = page is >= CpuProgram.DataAddress >> 12 and <= CpuProgram.StackAddress >> 12;
                Quad(PageTables + 0x3000 + 8 * page, page << 12 | Present | (isUser ? User : 0) | (isData ? 1UL << 63 : 0));
            }
            Quad(Gdt + KernelCode64, 0x00af9b000000ffff);
            Quad(Gdt + KernelData, 0x00cf93000000ffff);
            Quad(Gdt + (UserCode32 & ~7), 0x00cffb000000ffff);
            Quad(Gdt + (UserData & ~7), 0x00cff3000000ffff);
            Quad(Gdt + (UserCode64 & ~7), 0x00affb000000ffff);
            Quad(Gdt + KernelCode32, 0x00cf9b000000ffff);
            Quad(Gdt + TssSelector, 0x00008b0000000067 | Tss << 16);
            Quad(Tss + 4, KernelStack);
            // The I/O map lies outside: no port is the user's.
            *(ushort*)(fresh + Tss + 102) = 0x68;
            for (var vector = 0UL; vector < Vectors; vector++)
            {
                var handler = Handlers + HandlerBytes * vector;
                // INT3 and INTO are the user's.
                var gate = vector is 3 or 4 ? 0xee00UL : 0x8e00UL;
                Quad(Idt64 + 16 * vector, handler | (ulong)KernelCode64 << 16 | gate << 32);
                Quad(Idt32 + 8 * vector, handler | (ulong)KernelCode32 << 16 | gate << 32);
                *(uint*)(fresh + 4 * vector) = (uint)(Handlers >> 4) << 16 | (uint)(HandlerBytes * vector);
                fresh[handler] = Hlt;
            }
        }
        _fresh.AsSpan((int)CpuProgram.CodeAddress, Page).Fill(Hlt);
        CpuProgram.Data.CopyTo(_fresh.AsSpan((int)CpuProgram.DataAddress));
    }

    /// <summary>No devices: what was accessed goes into a sum, reads give its low bits.</summary>
    private sealed class CountingIo : IVcpuIo
    {
        private int _left;

        public ulong Hash { get; private set; }

        /// <summary>Called at the access after <see cref="MostAccesses"/> of a run.</summary>
        public Action? TooMany { get; set; }

        public void Begin() => (Hash, _left) = (0, MostAccesses);

        public uint ReadPort(ushort port, int size) => (uint)Mix(port, size, 1) & (uint)(ulong.MaxValue >> (64 - size * 8));

        public void WritePort(ushort port, int size, uint value) => Mix(port, size, value);

        public ulong ReadMmio(ulong address, int size) => Mix(address, size, 3) & ulong.MaxValue >> (64 - size * 8);

        public void WriteMmio(ulong address, int size, ulong value) => Mix(address, size, value & ulong.MaxValue >> (64 - size * 8));

        private ulong Mix(ulong address, int size, ulong value)
        {
            Hash = (Hash ^ address * 31 ^ (ulong)size << 60 ^ value) * 0x9e3779b97f4a7c15;
            Hash ^= Hash >> 29;
            if (--_left == 0)
                TooMany?.Invoke();
            return Hash;
        }
    }
}
