using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Cpu;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Machines;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>What CPUID announces is there: for each of its feature bits that is set, code that only a CPU with the feature executes.</summary>
public sealed class AnnouncedFeatureTests
{
    private const ulong Cr4De = 8, Cr4Pse = 0x10, Cr4Mce = 0x40, Cr4Pge = 0x80, Cr4Umip = 0x800, Cr4FsGsBase = 0x10000, Cr4Pcide = 0x20000, Cr4Smep = 0x100000;

    /// <summary>By the feature's first name: code, ending in HLT of the caller's, and what must hold behind it.</summary>
    private static readonly Dictionary<string, (Action<Assembler> Code, Func<X86State, bool> Holds)> s_programs = new()
    {
        ["fpu"] = (a => { a.fninit(); a.fld1(); a.fistp(__dword_ptr[rdi]); a.mov(eax, __dword_ptr[rdi]); }, s => s.Gpr[0] == 1),
        ["de"] = SetsControlBit(Cr4De),
        ["pse"] = SetsControlBit(Cr4Pse),
        ["tsc"] = (a => { a.mov(eax, -1); a.mov(edx, -1); a.rdtsc(); }, s => s.Gpr[2] <= uint.MaxValue && (s.Gpr[0] & s.Gpr[2]) != uint.MaxValue),
        ["msr"] = Reads(0xc0000080, value => (value & 0x500) == 0x500),
        // Long mode is PAE.
        ["pae"] = (a => a.mov(rax, cr4), s => (s.Gpr[0] & 0x20) != 0),
        ["mce"] = SetsControlBit(Cr4Mce),
        ["cx8"] = (a => { Zero(a); a.mov(ebx, 7); a.@lock.cmpxchg8b(__qword_ptr[rdi]); a.mov(rax, __qword_ptr[rdi]); }, s => s.Gpr[0] == 7),
        ["apic"] = Reads(0x1b, value => (value & 0x800) != 0),
        ["sep"] = Writes(0x174, 0x1234),
        ["mtrr"] = Reads(0xfe, value => (value & 0xff) <= 10),
        ["pge"] = SetsControlBit(Cr4Pge),
        ["mca"] = Reads(0x179, value => (value & 0xff) <= 32),
        ["cmov"] = (a => { a.mov(ecx, 5); a.cmp(ecx, ecx); a.cmove(eax, ecx); }, s => s.Gpr[0] == 5),
        ["pat"] = Reads(0x277, value => (value & 0xf8f8f8f8f8f8f8f8) == 0),
        // In 32-bit paging only: see Four_mib_pages_reach_above_four_gib.
        ["pse36"] = (_ => { }, _ => true),
        ["clflush"] = (a => { a.clflush(__byte_ptr[rdi]); a.mov(eax, 1); }, s => s.Gpr[0] == 1),
        ["mmx"] = (a => { a.mov(eax, 3); a.movd(mm1, eax); a.paddb(mm1, mm1); a.movd(eax, mm1); a.emms(); }, s => s.Gpr[0] == 6),
        ["fxsr"] = (a => { a.fninit(); a.fxsave(__[rdi]); a.fxrstor(__[rdi]); a.movzx(eax, __word_ptr[rdi]); }, s => s.Gpr[0] == 0x37f),
        ["sse"] = (a => { a.mov(eax, 0x3f800000); a.movd(xmm1, eax); a.addss(xmm1, xmm1); a.movd(eax, xmm1); }, s => s.Gpr[0] == 0x40000000),
        ["sse2"] = (a => { a.mov(eax, 3); a.cvtsi2sd(xmm1, eax); a.mulsd(xmm1, xmm1); a.cvtsd2si(eax, xmm1); }, s => s.Gpr[0] == 9),
        ["pni"] = (a => { a.mov(eax, 2); a.cvtsi2sd(xmm1, eax); a.movddup(xmm1, xmm1); a.haddpd(xmm1, xmm1); a.cvtsd2si(eax, xmm1); }, s => s.Gpr[0] == 4),
        ["cx16"] = (a => { Zero(a); a.mov(rbx, 7); a.@lock.cmpxchg16b(__xmmword_ptr[rdi]); a.mov(rax, __qword_ptr[rdi]); }, s => s.Gpr[0] == 7),
        ["pcid"] = SetsControlBit(Cr4Pcide),
        ["x2apic"] = (a =>
        {
            a.mov(ecx, 0x1b);
            a.rdmsr();
            a.or(eax, 0x400);
            a.wrmsr();
            a.mov(ecx, 0x803);
            a.rdmsr();
        }, s => (s.Gpr[0] & 0xff) >= 0x10),
        ["movbe"] = (a => { a.mov(__dword_ptr[rdi], 0x12345678); a.movbe(eax, __dword_ptr[rdi]); }, s => s.Gpr[0] == 0x78563412),
        ["popcnt"] = (a => { a.mov(eax, 0xf1); a.popcnt(eax, eax); }, s => s.Gpr[0] == 5),
        ["tsc-deadline"] = Reads(0x6e0, value => value == 0),
        ["hypervisor"] = (a => { a.mov(eax, 0x40000000); a.cpuid(); }, s => s.Gpr[0] >= 0x40000000),
        ["fsgsbase"] = (a => { SetControl(a, Cr4FsGsBase); a.mov(ecx, 0x5000); a.wrfsbase(rcx); a.rdfsbase(rax); }, s => s.Gpr[0] == 0x5000),
        // The rig's pages are open to ring 3.
        ["smep"] = (a => { a.and(__byte_ptr[TcgRig.PageTables], 0xfb); a.mov(rax, cr3); a.mov(cr3, rax); SetControl(a, Cr4Smep); }, s => (s.Gpr[0] & Cr4Smep) != 0),
        ["invpcid"] = (a => { a.mov(__qword_ptr[rdi], 0); a.mov(__qword_ptr[rdi + 8], 0); a.mov(eax, 2); a.invpcid(rax, __[rdi]); }, s => s.Gpr[0] == 2),
        ["smap"] = (a => { a.stac(); a.pushfq(); a.pop(rax); a.clac(); }, s => (s.Gpr[0] & 0x40000) != 0),
        ["umip"] = SetsControlBit(Cr4Umip),
        ["rdpid"] = (a => { WriteMsr(a, 0xc0000103, 5); a.rdpid(rax); }, s => s.Gpr[0] == 5),
        ["lahf-lm"] = (a => { a.mov(ah, 0xd7); a.sahf(); a.mov(eax, 0); a.lahf(); }, s => s.Gpr[0] == 0xd700),
        ["abm"] = (a => { a.mov(eax, 1); a.lzcnt(eax, eax); }, s => s.Gpr[0] == 31),
        ["syscall"] = (a =>
        {
            WriteMsr(a, 0xc0000081, (ulong)TcgRig.Code64 << 32);
            var target = a.CreateLabel();
            a.lea(rax, __[target]);
            a.mov(rdx, rax);
            a.shr(rdx, 32);
            a.mov(ecx, -0x3fffff7e);
            a.wrmsr();
            a.mov(eax, 0);
            a.syscall();
            a.ud2();
            a.Label(ref target);
            a.mov(eax, 1);
        }, s => s.Gpr[0] == 1),
        ["nx"] = (a => { a.mov(ecx, -0x3fffff80); a.rdmsr(); a.or(eax, 0x800); a.wrmsr(); a.rdmsr(); }, s => (s.Gpr[0] & 0x800) != 0),
        // The second GiB by one entry: its first bytes are beyond RAM, where a device answers with the address.
        ["pdpe1gb"] = (a => { a.mov(rax, 0x40000087); a.mov(__qword_ptr[TcgRig.PageTables + 0x1008], rax); a.mov(ecx, 0x40001000); a.mov(eax, __dword_ptr[rcx]); }, s => s.Gpr[0] == 0x40001000),
        ["rdtscp"] = (a => { WriteMsr(a, 0xc0000103, 6); a.rdtscp(); }, s => s.Gpr[1] == 6),
        ["lm"] = Reads(0xc0000080, value => (value & 0x400) != 0),
    };

    [Theory]
    [InlineData("qemu64")]
    [InlineData("max")]
    public void Each_announced_feature_is_there(string model)
    {
        var announced = Announced(model);
        Assert.True(announced.Count > 20, $"{model} announces only {string.Join(' ', announced)}");
        foreach (var feature in announced)
        {
            Assert.True(s_programs.TryGetValue(feature, out var program), $"-cpu {model} announces {feature}, which has no program here");
            using var rig = NewRig(model);
            var after = Run(rig, program.Code);
            Assert.True(TcgRig.VectorOf(after) == -1, $"-cpu {model} announces {feature}, its code raises vector {TcgRig.VectorOf(after)}");
            Assert.True(program.Holds(after), $"-cpu {model} announces {feature}, its code leaves RAX 0x{after.Gpr[0]:x}");
        }
    }

    [Fact]
    public void Four_mib_pages_reach_above_four_gib()
    {
        using var rig = NewRig("qemu64");
        var state = rig.ProtectedMode();
        // SDM Vol. 3A, table 4-4: bits 20-13 of the entry are bits 39-32 of the address.
        const ulong directory = TcgRig.PageTables;
        rig.Write(directory, 0x83);
        rig.Write(directory + 4, 0x83 | 1 << 13);
        state.Cr3 = directory;
        state.Cr4 |= Cr4Pse;
        state.Cr0 |= 0x80000000;
        rig.Assemble(32, a =>
        {
            a.mov(eax, __dword_ptr[0x400010]);
            a.hlt();
        });
        rig.RunToHalt(state);
        Assert.Equal(["read4 100000010"], rig.Io.Log);
    }

    private static TcgRig NewRig(string model)
    {
        var clock = new ManualClock(DateTime.UnixEpoch);
        return new TcgRig(1, model, index => new LocalApic(index, new ApicBus(), clock, new Lock(), null));
    }

    private static X86State Run(TcgRig rig, Action<Assembler> code)
    {
        var state = rig.LongMode();
        state.Gpr[7] = TcgRig.DataAddress;
        rig.Assemble(64, a =>
        {
            code(a);
            a.hlt();
        });
        return rig.RunToHalt(state);
    }

    /// <summary>By CPUID itself, as a guest asks.</summary>
    private static List<string> Announced(string model)
    {
        using var rig = NewRig(model);
        var names = new List<string>();
        foreach (var word in CpuFeatures.Words)
        {
            if (word.Function is >= 0x40000000 and < 0x80000000 || Ask(rig, word.Function & 0xffff0000, 0).Gpr[0] < word.Function)
                continue;
            var state = Ask(rig, word.Function, word.Index);
            var value = word.Register switch { CpuidRegister.Eax => state.Gpr[0], CpuidRegister.Ebx => state.Gpr[3], CpuidRegister.Ecx => state.Gpr[1], _ => state.Gpr[2] };
            for (var bit = 0; bit < 32; bit++)
            {
                if ((value >> bit & 1) != 0 && !word.NamesOf(bit).IsEmpty)
                    names.Add(word.NamesOf(bit)[0]);
            }
        }
        return names;
    }

    private static X86State Ask(TcgRig rig, uint function, uint index)
    {
        rig.Accelerator.OnGuestMemoryWritten(TcgRig.CodeAddress, 0x1000);
        return Run(rig, a =>
        {
            a.mov(eax, (int)function);
            a.mov(ecx, (int)index);
            a.cpuid();
        });
    }

    private static void Zero(Assembler a)
    {
        a.mov(__qword_ptr[rdi], 0);
        a.mov(__qword_ptr[rdi + 8], 0);
        a.xor(eax, eax);
        a.xor(edx, edx);
        a.xor(ecx, ecx);
    }

    private static void SetControl(Assembler a, ulong bit)
    {
        a.mov(rax, cr4);
        a.or(rax, (int)bit);
        a.mov(cr4, rax);
        a.mov(rax, cr4);
    }

    private static void WriteMsr(Assembler a, uint msr, ulong value)
    {
        a.mov(ecx, (int)msr);
        a.mov(eax, (int)(uint)value);
        a.mov(edx, (int)(value >> 32));
        a.wrmsr();
    }

    private static (Action<Assembler>, Func<X86State, bool>) SetsControlBit(ulong bit) => (a => SetControl(a, bit), s => (s.Gpr[0] & bit) != 0);

    private static (Action<Assembler>, Func<X86State, bool>) Reads(uint msr, Func<ulong, bool> holds) =>
        (a => { a.mov(ecx, (int)msr); a.rdmsr(); }, s => holds(s.Gpr[2] << 32 | s.Gpr[0]));

    private static (Action<Assembler>, Func<X86State, bool>) Writes(uint msr, ulong value) =>
        (a => { WriteMsr(a, msr, value); a.mov(eax, 0); a.rdmsr(); }, s => (s.Gpr[2] << 32 | s.Gpr[0]) == value);
}
