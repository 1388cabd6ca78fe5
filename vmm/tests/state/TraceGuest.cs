using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.State;

/// <summary>
/// A whole <c>pc</c> with a guest that has something to do everywhere (integer, x87, memory, PIC, interrupts, CMOS, UART, PIT) and tells what it finds, value by
/// value, at port 0x80. Virtual time stands still, so that nothing but the guest's own state decides what it tells. Run on the caller's thread.
/// </summary>
internal sealed class TraceGuest : IDisposable
{
    public const int Turns = 60;

    private const byte TracePort = 0x80;
    private const byte Vector = 0x25;

    // What the guest writes to.
    private const uint Scratch = 0x4000, Walk = 0x30000, Stack = 0x28000;

    /// <summary>A guest that has not come as far by then waits for something that does not come.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly PcBoard _board;
    private readonly Tracer _tracer = new();
    private readonly bool _hasX87;

    public TraceGuest(string accelerator, IReadOnlyDictionary<string, string>? properties = null, string cpuModel = "qemu64", ulong ramBytes = 2 << 20, bool withTestDevice = true)
    {
        // Some hosts' KVM emulates all that a guest does in ring 0, and knows no x87 then.
        _hasX87 = accelerator != "kvm";
        var choice = new AcceleratorChoice(accelerator, properties ?? new Dictionary<string, string>());
        _board = new PcBoard(new PcConfig { Accelerators = [choice], CpuModel = cpuModel, RamBytes = ramBytes, StartUtc = DateTime.UnixEpoch, SerialPorts = [NullSerialBackend.Instance] }, _ => { });
        if (withTestDevice)
            _board.AddPcTestDev();
        Machine.Bus.MapPorts(_tracer, 0, TracePort);
        _board.Complete(new LongModeProgram(WriteProgram));
        _tracer.Vcpu = Machine.Vcpus[0];
        Machine.ResetStandingStill();
    }

    public Machine Machine => _board.Machine;

    public IReadOnlyList<uint> Trace => _tracer.Values;

    /// <summary>Runs until the trace has this many values, or the guest has told that it is done.</summary>
    public void RunTo(int values)
    {
        _tracer.StopAt = values;
        var vcpu = Machine.Vcpus[0];
        var isLate = false;
        using var watchdog = new Timer(_ =>
        {
            Volatile.Write(ref isLate, true);
            vcpu.Kick();
        }, null, s_patience, Timeout.InfiniteTimeSpan);
        while (_tracer.Values.Count < values && !_tracer.IsDone)
        {
            var stop = vcpu.Run();
            Assert.True(stop == VcpuStop.Kicked, $"{stop}: {vcpu.Failure}; {string.Join("; ", vcpu.RecentExits)}");
            if (Volatile.Read(ref isLate))
                Assert.Fail(Stuck());
        }
    }

    private string Stuck()
    {
        var vcpu = Machine.Vcpus[0];
        vcpu.GetState(out var state);
        return $"stuck after {_tracer.Values.Count} values, {state.Activity} at 0x{state.Rip:x}, RFLAGS 0x{state.Rflags:x}; {string.Join("; ", vcpu.RecentExits)}";
    }

    /// <summary>Begins a new trace.</summary>
    public void Forget() => _tracer.Values.Clear();

    public void RunToEnd() => RunTo(int.MaxValue);

    public byte[] Save()
    {
        using var stream = new MemoryStream();
        lock (Machine.Bus.DeviceLock)
            MachineSnapshot.Write(Machine, new MachineRunState(true), stream);
        return stream.ToArray();
    }

    public MachineRunState Load(byte[] snapshot)
    {
        lock (Machine.Bus.DeviceLock)
            return MachineSnapshot.Read(Machine, new MemoryStream(snapshot), static () => { });
    }

    public void Dispose() => _board.Dispose();

    /// <summary>
    /// Long mode from the first instruction, the first 2 MiB mapped as they are: other modes some hosts' KVM emulates, not always well.
    /// </summary>
    private sealed class LongModeProgram(Action<Assembler> program) : IBootProgram
    {
        private const uint Tables = 0x10000, Gdt = 0x14000, Idt = 0x15000, Handler = 0x16000, Entry = 0x17000, Tss = 0x18000;
        private const ulong Present = 7, LargePage = 0x80;

        public void Start(GuestMemory memory, ref X86State state)
        {
            Put(memory, Tables, Tables + 0x1000 | Present);
            Put(memory, Tables + 0x1000, Tables + 0x2000 | Present);
            Put(memory, Tables + 0x2000, Present | LargePage);
            Put(memory, Gdt, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x0000890000000067 | (ulong)Tss << 16, 0);
            Put(memory, Idt + 16 * Vector, Handler & 0xffff | 8UL << 16 | 0x8e00UL << 32 | (ulong)(Handler >> 16) << 48, 0);
            Assemble(memory, Handler, WriteHandler);
            Assemble(memory, Entry, program);
            state.Cr0 = 0x80000031;
            state.Cr3 = Tables;
            state.Cr4 = 0x620;
            state.Efer = 0x500;
            state.Cs = new X86Segment(8, 0, uint.MaxValue, 0xa09b);
            state.Ss = state.Ds = state.Es = state.Fs = state.Gs = new X86Segment(0x10, 0, uint.MaxValue, 0xc093);
            state.Tr = new X86Segment(0x18, Tss, 0x67, 0x8b);
            state.Gdtr = new X86Table(Gdt, 0x27);
            state.Idtr = new X86Table(Idt, 16 * (Vector + 1) - 1);
            state.Rip = Entry;
            state.Gpr[4] = Stack;
            state.Rflags = 2;
            state.Activity = X86Activity.Running;
        }

        private static void Put(GuestMemory memory, uint address, params ReadOnlySpan<ulong> values) => Assert.True(memory.TryLoad(address, MemoryMarshal.AsBytes(values)));

        private static void Assemble(GuestMemory memory, uint address, Action<Assembler> program)
        {
            var assembler = new Assembler(64);
            program(assembler);
            var stream = new MemoryStream();
            assembler.Assemble(new StreamCodeWriter(stream), address);
            Assert.True(memory.TryLoad(address, stream.ToArray()));
        }
    }

    // An interrupt: tells its number, and acknowledges.
    private static void WriteHandler(Assembler c)
    {
        c.push(rax);
        c.inc(__dword_ptr[Scratch]);
        c.mov(eax, __dword_ptr[Scratch]);
        c.or(eax, 0x40000000);
        c.@out(TracePort, eax);
        c.mov(al, 0x20);
        c.@out(0x20, al);
        c.pop(rax);
        c.iretq();
    }

    private void WriteProgram(Assembler c)
    {
        var (turn, isEven) = (c.CreateLabel(), c.CreateLabel());
        // The test device's interrupt 5 is vector 0x25.
        foreach (var (port, value) in ((byte, byte)[])[(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xdf)])
        {
            c.mov(al, value);
            c.@out(port, al);
        }
        if (_hasX87)
        {
            c.fninit();
            c.fld1();
        }
        c.mov(ecx, Turns);
        c.mov(ebx, 12345);
        c.mov(__dword_ptr[Scratch], 0);

        c.Label(ref turn);
        // A linear congruential generator carries all earlier turns along.
        c.imul(ebx, ebx, 1664525);
        c.add(ebx, 1013904223);
        c.mov(eax, ebx);
        c.@out(TracePort, eax);
        // Memory: a walk over 32 KiB, each place read, changed and told.
        c.mov(edi, ebx);
        c.and(edi, 0x7ffc);
        c.rol(__dword_ptr[rdi + Walk], 3);
        c.xor(__dword_ptr[rdi + Walk], ebx);
        c.mov(eax, __dword_ptr[rdi + Walk]);
        c.@out(TracePort, eax);
        c.mov(__dword_ptr[Scratch + 8], ecx);
        if (_hasX87)
        {
            // A sum that never ends.
            c.fild(__dword_ptr[Scratch + 8]);
            c.fld1();
            c.fdivrp(st1, st0);
            c.faddp(st1, st0);
            c.fst(__dword_ptr[Scratch + 8]);
        }
        // XMM1 holds what the turn before left there.
        c.movdqu(__xmmword_ptr[Scratch + 0x20], xmm1);
        c.mov(eax, __dword_ptr[Scratch + 8]);
        c.add(__dword_ptr[Scratch + 0x24], eax);
        c.add(eax, __dword_ptr[Scratch + 0x24]);
        c.movdqu(xmm1, __xmmword_ptr[Scratch + 0x20]);
        c.@out(TracePort, eax);
        // CMOS RAM and the UART's scratch register.
        c.mov(al, 0x40);
        c.@out(0x70, al);
        c.@in(al, 0x71);
        c.add(al, bl);
        c.@out(0x71, al);
        c.mov(dx, 0x3ff);
        c.@out(dx, al);
        c.@in(al, dx);
        c.movzx(eax, al);
        c.@out(TracePort, eax);
        // Odd turns leave an interrupt pending over the next value.
        c.test(ecx, 1);
        c.jz(isEven);
        c.mov(dx, 0x2005);
        c.mov(al, 1);
        c.@out(dx, al);
        c.pushfq();
        c.pop(rax);
        c.@out(TracePort, eax);
        // Not a window of one instruction, which a KVM that emulates may overlook.
        c.sti();
        c.hlt();
        c.cli();
        c.mov(dx, 0x2005);
        c.xor(al, al);
        c.@out(dx, al);
        c.Label(ref isEven);
        c.dec(ecx);
        c.jnz(turn);
        c.mov(eax, unchecked((int)Tracer.Done));
        c.@out(TracePort, eax);
        c.hlt();
    }

    private sealed class Tracer : IPortDevice
    {
        public const uint Done = 0xdeadd00d;

        public List<uint> Values { get; } = [];

        public int StopAt { get; set; }

        public IVcpu? Vcpu { get; set; }

        public bool IsDone => Values.Count > 0 && Values[^1] == Done;

        public string Name => "tracer";

        public IReadOnlyList<RegisterMap> Regions { get; } = [new("trace", AddressSpace.Port, 4, [new("VALUE", 0, 4)])];

        public uint ReadPort(int region, uint offset, int size) => 0;

        public void WritePort(int region, uint offset, int size, uint value)
        {
            Values.Add(value);
            if (Values.Count >= StopAt || value == Done)
                Vcpu!.Kick();
        }
    }
}
