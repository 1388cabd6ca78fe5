using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Iced.Intel;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>Ports and devices that remember; memory from 0xf0000000 on reads as its own address.</summary>
internal sealed class FakeIo : IVcpuIo
{
    public List<string> Log { get; } = [];

    public uint PortValue { get; set; } = 0x12345678;

    public Action<ulong>? OnMmioWrite { get; set; }

    public uint ReadPort(ushort port, int size)
    {
        Log.Add($"in{size} {port:x}");
        return PortValue & (size == 4 ? uint.MaxValue : (1u << (size * 8)) - 1);
    }

    public void WritePort(ushort port, int size, uint value) => Log.Add($"out{size} {port:x} {value:x}");

    public ulong ReadMmio(ulong address, int size)
    {
        Log.Add($"read{size} {address:x}");
        return size == 8 ? address : address & (1ul << (size * 8)) - 1;
    }

    public void WriteMmio(ulong address, int size, ulong value)
    {
        Log.Add($"write{size} {address:x} {value & (size == 8 ? ulong.MaxValue : (1ul << (size * 8)) - 1):x}");
        OnMmioWrite?.Invoke(address);
    }
}

/// <summary>
/// vCPUs of the translator with 8 MiB of RAM and nothing else. <see cref="LongMode"/> gives flat 64-bit code at ring 0 with the first GiB
/// mapped one to one by 2-MiB pages (tables from 0x1000), a GDT at 0x5000, an IDT at 0x6000 whose handlers halt with the vector in RAX's place: each
/// vector's handler is at 0x8000 + 16 * vector.
/// </summary>
internal sealed unsafe class TcgRig : IDisposable
{
    public const ulong CodeAddress = 0x10000, DataAddress = 0x20000, StackTop = 0x70000, Gdt = 0x5000, Idt = 0x6000, Handlers = 0x8000, PageTables = 0x1000, Tss = 0x7000;
    public const ushort Code64 = 0x08, Data = 0x10, Code32 = 0x18, UserData = 0x23, UserCode64 = 0x2b, TssSelector = 0x30, Code16 = 0x40;

    private readonly GuestRam _ram = new("test.ram", 0, 8 << 20);
    private readonly TcgAccelerator _accelerator;

    /// <param name="options">Null: the host's best back end.</param>
    public TcgRig(int vcpus = 1, string model = "max", Func<int, ILocalApic?>? apic = null, TcgOptions? options = null)
    {
        _accelerator = new TcgAccelerator(new ManualClock(DateTime.UnixEpoch), options);
        _accelerator.SetMemory([_ram]);
        Vcpus = new IVcpu[vcpus];
        for (var i = 0; i < vcpus; i++)
            Vcpus[i] = _accelerator.CreateVcpu(new VcpuSetup(i, vcpus, model, Io, apic?.Invoke(i)));
    }

    public FakeIo Io { get; } = new();

    public IVcpu[] Vcpus { get; }

    public IVcpu Vcpu => Vcpus[0];

    public TcgAccelerator Accelerator => _accelerator;

    public Span<byte> Ram => new(_ram.HostPointer, (int)_ram.Length);

    public ulong ReadQword(ulong address) => *(ulong*)(_ram.HostPointer + address);

    public void Write(ulong address, ulong value) => *(ulong*)(_ram.HostPointer + address) = value;

    public void Load(ulong address, ReadOnlySpan<byte> bytes) => bytes.CopyTo(Ram[(int)address..]);

    /// <summary>Assembles at an address; the bytes are loaded there.</summary>
    public byte[] Assemble(int bitness, Action<Assembler> program, ulong at = CodeAddress)
    {
        var assembler = new Assembler(bitness);
        program(assembler);
        var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), at);
        Load(at, stream.ToArray());
        return stream.ToArray();
    }

    public X86State LongMode()
    {
        Write(PageTables, PageTables + 0x1000 | 7);
        Write(PageTables + 0x1000, PageTables + 0x2000 | 7);
        for (var i = 0ul; i < 512; i++)
            Write(PageTables + 0x2000 + 8 * i, i << 21 | 0x87);
        ulong[] gdt =
        [
            0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff,
            0x0000890000000067 | Tss << 16, 0, 0x00009b000000ffff,
        ];
        for (var i = 0; i < gdt.Length; i++)
            Write(Gdt + 8 * (ulong)i, gdt[i]);
        for (var vector = 0ul; vector < 256; vector++)
        {
            var handler = Handlers + 16 * vector;
            Write(Idt + 16 * vector, handler & 0xffff | (ulong)Code64 << 16 | 0x8e00ul << 32 | handler >> 16 << 48);
            Write(Idt + 16 * vector + 8, 0);
            Load(handler, [0xf4, 0xeb, 0xfd]);
        }
        Write(Tss + 4, 0x60000);
        Vcpu.Reset();
        Vcpu.GetState(out var state);
        state.Cr0 = 0x80000033;
        state.Cr3 = PageTables;
        state.Cr4 = 0x620;
        state.Efer = 0xd01;
        state.Cs = new X86Segment(Code64, 0, uint.MaxValue, 0xa09b);
        state.Ss = state.Ds = state.Es = state.Fs = state.Gs = new X86Segment(Data, 0, uint.MaxValue, 0xc093);
        state.Tr = new X86Segment(TssSelector, Tss, 0x67, 0x8b);
        state.Gdtr = new X86Table(Gdt, 0x47);
        state.Idtr = new X86Table(Idt, 0xfff);
        state.Rip = CodeAddress;
        state.Gpr[4] = StackTop;
        state.Rflags = 2;
        return state;
    }

    /// <summary>32-bit protected mode without paging, flat; the same GDT.</summary>
    public X86State ProtectedMode()
    {
        var state = LongMode();
        state.Cr0 = 0x33;
        state.Cr4 = 0x600;
        state.Efer = 0;
        state.Cs = new X86Segment(Code32, 0, uint.MaxValue, 0xc09b);
        return state;
    }

    public X86State RealMode()
    {
        Vcpu.Reset();
        Vcpu.GetState(out var state);
        state.Cs = new X86Segment(0x1000, 0x10000, 0xffff, 0x93);
        state.Ds = state.Es = new X86Segment(0x2000, 0x20000, 0xffff, 0x93);
        state.Ss = new X86Segment(0x6000, 0x60000, 0xffff, 0x93);
        state.Idtr = new X86Table(0, 0x3ff);
        state.Rip = 0;
        state.Gpr[4] = 0xfff0;
        return state;
    }

    /// <summary>Runs from a state until HLT, which every program ends with.</summary>
    public X86State RunToHalt(in X86State state)
    {
        Vcpu.SetState(state);
        var stop = Vcpu.Run();
        Assert.True(stop == VcpuStop.Halted, $"{stop}: {Vcpu.Failure} {string.Join("; ", Vcpu.RecentExits)}");
        Vcpu.GetState(out var after);
        return after;
    }

    /// <summary>The vector whose handler of <see cref="LongMode"/> the vCPU halted in; -1 elsewhere.</summary>
    public static int VectorOf(in X86State state) => state.Rip >= Handlers && state.Rip < Handlers + 0x1000 ? (int)(state.Rip - Handlers) / 16 : -1;

    public void Dispose()
    {
        foreach (var vcpu in Vcpus)
            vcpu.Dispose();
        _accelerator.Dispose();
        _ram.Dispose();
    }
}
