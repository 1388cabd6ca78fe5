using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Gauntlet.Vmm.Memory;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>A machine of RAM and vCPUs alone, on KVM, for a few instructions at a time.</summary>
public sealed unsafe class KvmGuest : IDisposable
{
    /// <summary>Where code is assembled to.</summary>
    public const ulong CodeAddress = 0x1000;

    /// <summary>Where stacks begin, growing down.</summary>
    public const ulong StackTop = 0x8000;

    /// <summary>No RAM here, but mapped in every mode.</summary>
    public const ulong MmioAddress = 0x40000000;

    private const ulong PageTables = 0x10000, RamBytes = 0x200000;

    /// <summary>A guest that has not ended by itself by then never will.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly KvmAccelerator _accelerator;
    private readonly GuestRam _ram = new("test.ram", 0, RamBytes);
    private readonly List<GuestRam> _layout;

    public KvmGuest(KvmOptions? options = null, int vcpus = 1, string cpuModel = "max", Func<int, ILocalApic>? apicOf = null, IInterruptSource? pic = null, params GuestRam[] more)
    {
        _accelerator = new KvmAccelerator(options ?? new KvmOptions());
        _layout = [_ram, .. more];
        _accelerator.SetMemory(_layout);
        for (var i = 0; i < vcpus; i++)
        {
            Vcpus.Add(_accelerator.CreateVcpu(new VcpuSetup(i, vcpus, cpuModel, Io, apicOf?.Invoke(i), pic)));
            pic?.Connect(Vcpus[i]);
        }
        Io.OnExit = code =>
        {
            ExitCode = code;
            Vcpu.Kick();
        };
    }

    public KvmAccelerator Accelerator => _accelerator;

    /// <summary>As given to the accelerator when it was made.</summary>
    public IReadOnlyList<GuestRam> Layout => _layout;

    public TestIo Io { get; } = new();

    public List<IVcpu> Vcpus { get; } = [];

    public IVcpu Vcpu => Vcpus[0];

    /// <summary>What the guest wrote to the exit port; null before.</summary>
    public uint? ExitCode { get; private set; }

    /// <summary>All of RAM, from address 0.</summary>
    public Span<byte> Ram => new(_ram.HostPointer, (int)RamBytes);

    /// <summary>Assembles to an address.</summary>
    public void Load(ulong address, int bitness, Action<Assembler> write)
    {
        var assembler = new Assembler(bitness);
        write(assembler);
        using var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), address);
        stream.ToArray().CopyTo(Ram[(int)address..]);
    }

    /// <summary>Assembles 16-bit code to <see cref="CodeAddress"/> and puts the vCPU there, in real mode.</summary>
    public void LoadRealMode(Action<Assembler> write)
    {
        Load(CodeAddress, 16, write);
        Vcpu.GetState(out var state);
        var data = new X86Segment(0, 0, 0xffff, 0x93);
        state.Cs = new X86Segment(0, 0, 0xffff, 0x9b);
        state.Ds = state.Es = state.Ss = data;
        state.Rip = CodeAddress;
        state.Gpr[4] = StackTop;
        Vcpu.SetState(state);
    }

    /// <summary>The same in flat 32-bit protected mode, without paging.</summary>
    public void LoadProtectedMode(Action<Assembler> write)
    {
        Load(CodeAddress, 32, write);
        Vcpu.GetState(out var state);
        var data = new X86Segment(0x10, 0, uint.MaxValue, 0xc093);
        state.Cs = new X86Segment(8, 0, uint.MaxValue, 0xc09b);
        state.Ds = state.Es = state.Ss = data;
        state.Cr0 = 0x11;
        state.Rip = CodeAddress;
        state.Gpr[4] = StackTop;
        Vcpu.SetState(state);
    }

    /// <summary>The same in long mode, the first 4 GiB mapped as they are, by pages of 2 MiB.</summary>
    public void LoadLongMode(Action<Assembler> write)
    {
        Load(CodeAddress, 64, write);
        Vcpu.GetState(out var state);
        EnterLongMode(ref state);
        state.Rip = CodeAddress;
        state.Gpr[4] = StackTop;
        Vcpu.SetState(state);
    }

    /// <summary>
    /// As <see cref="LoadLongMode"/>, with the local APIC enabled and a handler for each vector that is given; the code then goes on with interrupts off.
    /// </summary>
    public void LoadWithInterrupts(IReadOnlyDictionary<byte, Action<Assembler>> handlers, Action<Assembler> write)
    {
        const int interruptTable = 0x5000, descriptors = 0x4f00, gateBytes = 16, spuriousEnable = 0x1ff;
        const uint spuriousRegister = 0xfee000f0;
        var handlerAddress = 0x2000;
        foreach (var (vector, handler) in handlers)
        {
            // An interrupt gate to selector 8 (SDM Vol. 3A, 7.14.1).
            var gate = Ram[(interruptTable + vector * gateBytes)..];
            (gate[1], gate[2], gate[5]) = ((byte)(handlerAddress >> 8), 8, 0x8e);
            Load((ulong)handlerAddress, 64, handler);
            handlerAddress += 0x100;
        }
        // 64-bit code at selector 8, and data.
        ((ReadOnlySpan<byte>)[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xaf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]).CopyTo(Ram[descriptors..]);
        LoadLongMode(c =>
        {
            c.mov(edi, spuriousRegister);
            c.mov(__dword_ptr[rdi], spuriousEnable);
            write(c);
        });
        Vcpu.GetState(out var state);
        state.Gdtr = new X86Table(descriptors, 23);
        state.Idtr = new X86Table(interruptTable, 256 * gateBytes - 1);
        Vcpu.SetState(state);
    }

    /// <summary>Runs to the guest's own end, which must be how it stops.</summary>
    public void RunToExit()
    {
        var stop = RunToEnd();
        Assert.True(stop == VcpuStop.Kicked, $"the guest ended with {stop}: {Vcpu.Failure}; its last exits: {string.Join("; ", Vcpu.RecentExits)}");
    }

    /// <summary>Calls Run until something other than a kick stops the vCPU, or the guest has ended itself.</summary>
    public VcpuStop RunToEnd()
    {
        var late = false;
        using var watchdog = new Timer(_ =>
        {
            Volatile.Write(ref late, true);
            Vcpu.Kick();
        }, null, Patience, Timeout.InfiniteTimeSpan);
        while (true)
        {
            var stop = Vcpu.Run();
            if (stop == VcpuStop.Halted)
                Vcpu.WaitWhileHalted();
            else if (stop != VcpuStop.Kicked || ExitCode is not null)
                return stop;
            Assert.False(Volatile.Read(ref late), $"the guest did not end; its last exits: {string.Join("; ", Vcpu.RecentExits)}");
        }
    }

    public void Dispose()
    {
        foreach (var vcpu in Vcpus)
            vcpu.Dispose();
        _accelerator.Dispose();
        foreach (var ram in _layout)
            ram.Dispose();
    }

    private void EnterLongMode(ref X86State state)
    {
        const ulong present = 1, writable = 2, large = 0x80, largePage = 0x200000;
        var tables = (ulong*)(_ram.HostPointer + PageTables);
        tables[0] = PageTables + 0x1000 | present | writable;
        for (var gib = 0UL; gib < 4; gib++)
        {
            tables[512 + gib] = PageTables + 0x2000 + gib * 0x1000 | present | writable;
            for (var i = 0UL; i < 512; i++)
                tables[1024 + gib * 512 + i] = (gib * 512 + i) * largePage | present | writable | large;
        }

        state.Cs = new X86Segment(8, 0, uint.MaxValue, 0xa09b);
        state.Ds = state.Es = state.Ss = new X86Segment(0x10, 0, uint.MaxValue, 0xc093);
        state.Cr3 = PageTables;
        state.Cr4 = 0x620;
        state.Efer = 0x500;
        state.Cr0 = 0x80000011;
    }
}
