using System.Runtime.InteropServices;
using FsCheck.Fluent;
using Gauntlet.Linux;
using Gauntlet.Vmm.Accel;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>MMX, and what of SSE and SSE2 has MMX registers: every encoding against the host's CPU, and the exceptions of SDM Vol. 1, chapter 9.</summary>
public sealed unsafe class MmxTests : IDisposable
{
    private const int SamplesPerInstruction = 40, DataBytes = 64;
    private const int FxsaveBytes = 512, ComparedBytes = 416;
    private const ulong EM = 4, TS = 8;

    private readonly TcgRig _rig = new(model: "qemu64");
    private readonly HostMmx _host = new();

    public void Dispose()
    {
        _host.Dispose();
        _rig.Dispose();
    }

    [NativeX64Fact]
    public void Every_instruction_does_what_the_host_cpu_does()
    {
        var instructions = All().ToList();
        // 47 of the first Pentium with MMX, and those of SSE and SSE2, in their register and memory forms.
        Assert.True(instructions.Count > 120, $"only {instructions.Count} instructions were made");
        foreach (var instruction in instructions)
            Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), seed => Agree(instruction, seed)).Holds(SamplesPerInstruction);
    }

    [Fact]
    public void With_cr0_em_every_instruction_is_undefined()
    {
        foreach (var instruction in All())
            Assert.Equal((instruction.ToString(), 6), (instruction.ToString(), VectorAfter(instruction, state => state with { Cr0 = state.Cr0 | EM })));
    }

    [Fact]
    public void With_cr0_ts_no_instruction_finds_the_device()
    {
        foreach (var instruction in All())
            Assert.Equal((instruction.ToString(), 7), (instruction.ToString(), VectorAfter(instruction, state => state with { Cr0 = state.Cr0 | TS })));
    }

    [Fact]
    public void An_exception_that_the_x87_has_pending_comes_first()
    {
        foreach (var instruction in All())
        {
            // Zero divide, not masked, with the error summary.
            var vector = VectorAfter(instruction, state =>
            {
                MemoryMarshal.Write(new Span<byte>(state.Fxsave, FxsaveBytes), (ushort)0x37b);
                MemoryMarshal.Write(new Span<byte>(state.Fxsave + 2, 2), (ushort)0x8084);
                return state;
            });
            Assert.Equal((instruction.ToString(), instruction.Mnemonic is (Mnemonic.Cvtpi2ps or Mnemonic.Cvtpi2pd) && instruction.Op1Kind == OpKind.Memory ? -1 : 16), (instruction.ToString(), vector));
        }
    }

    [Fact]
    public void Only_instructions_with_an_xmm_register_need_cr4_osfxsr()
    {
        const ulong osFxsr = 0x200;
        foreach (var instruction in All())
        {
            var usesXmm = Enumerable.Range(0, instruction.OpCount).Any(i => instruction.GetOpKind(i) == OpKind.Register && instruction.GetOpRegister(i).IsXMM());
            Assert.Equal((instruction.ToString(), usesXmm ? 6 : -1), (instruction.ToString(), VectorAfter(instruction, state => state with { Cr4 = state.Cr4 & ~osFxsr })));
        }
    }

    [Fact]
    public void A_store_that_faults_leaves_the_x87_as_it_was()
    {
        const ulong unmapped = 1ul << 32;
        foreach (var instruction in All().Where(i => i.Op0Kind is OpKind.Memory or OpKind.MemorySegRDI))
        {
            var state = Prepared(instruction, state =>
            {
                state.Gpr[7] = unmapped;
                new Span<byte>(state.Fxsave + 32, 128).Fill(0xff);
                MemoryMarshal.Write(new Span<byte>(state.Fxsave + 2, 2), (ushort)0x1800);
                state.Fxsave[4] = 0x18;
                return state;
            });
            var after = _rig.RunToHalt(state);
            Assert.Equal((instruction.ToString(), 14), (instruction.ToString(), TcgRig.VectorOf(after)));
            Assert.Equal((0x18, 0x18), (after.Fxsave[3], after.Fxsave[4]));
        }
    }

    [Fact]
    public void Without_the_feature_it_is_undefined()
    {
        using var rig = new TcgRig(model: "qemu64,-mmx");
        var state = rig.LongMode();
        rig.Assemble(64, a =>
        {
            a.paddb(mm0, mm1);
            a.hlt();
        });
        Assert.Equal(6, TcgRig.VectorOf(rig.RunToHalt(state)));
    }

    [Fact]
    public void The_x87_sees_what_mmx_wrote_as_a_nan()
    {
        var state = _rig.LongMode();
        state.Gpr[7] = TcgRig.DataAddress;
        _rig.Assemble(64, a =>
        {
            a.fninit();
            a.mov(rax, 0x123456789abcdef0);
            a.movq(mm3, rax);
            a.fxsave(__[rdi]);
            a.hlt();
        });
        _rig.RunToHalt(state);
        var image = _rig.Ram.Slice((int)TcgRig.DataAddress, FxsaveBytes);
        Assert.Equal(0xff, image[4]);
        Assert.Equal(0x123456789abcdef0ul, MemoryMarshal.Read<ulong>(image[(32 + 3 * 16)..]));
        Assert.Equal(0xffff, MemoryMarshal.Read<ushort>(image[(40 + 3 * 16)..]));
    }

    private int VectorAfter(Instruction instruction, Func<X86State, X86State> change) => TcgRig.VectorOf(_rig.RunToHalt(Prepared(instruction, change)));

    private X86State Prepared(Instruction instruction, Func<X86State, X86State> change)
    {
        var state = _rig.LongMode();
        state.Gpr[7] = TcgRig.DataAddress;
        _rig.Ram.Slice((int)TcgRig.DataAddress, DataBytes).Clear();
        _rig.Assemble(64, a =>
        {
            a.AddInstruction(instruction);
            a.hlt();
        });
        _rig.Accelerator.OnGuestMemoryWritten(TcgRig.CodeAddress, 0x1000);
        return change(state);
    }

    private bool Agree(Instruction instruction, int seed)
    {
        var random = new Random(seed);
        var data = new byte[DataBytes];
        random.NextBytes(data);
        var image = Image(random);
        var rax = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        var state = Prepared(instruction, state =>
        {
            image.CopyTo(new Span<byte>(state.Fxsave, FxsaveBytes));
            state.Gpr[0] = rax;
            return state;
        });
        _rig.Load(TcgRig.DataAddress, data);
        var after = _rig.RunToHalt(state);
        var (hostImage, hostRax, hostData) = _host.Run(instruction, image, rax, data);
        var what = $"{instruction}, seed {seed}";
        Assert.True(hostRax == after.Gpr[0], $"{what}: RAX is 0x{after.Gpr[0]:x}, the CPU has 0x{hostRax:x}");
        Assert.True(hostData.AsSpan().SequenceEqual(_rig.Ram.Slice((int)TcgRig.DataAddress, DataBytes)), $"{what}: memory differs");
        var actual = new ReadOnlySpan<byte>(after.Fxsave, FxsaveBytes);
        for (var i = 0; i < ComparedBytes; i++)
        {
            // Where the last x87 instruction was, MXCSR's mask, and what is reserved.
            if (i is > 4 and < 24 or >= 28 and < 32 || i is >= 32 and < 160 && i % 16 >= 10)
                continue;
            Assert.True(hostImage[i] == actual[i], $"{what}: byte {i} of the state is 0x{actual[i]:x2}, the CPU has 0x{hostImage[i]:x2}");
        }
        return true;
    }

    // Any registers; all exceptions masked, any top of stack, any tags, any rounding.
    private static byte[] Image(Random random)
    {
        var image = new byte[FxsaveBytes];
        random.NextBytes(image.AsSpan(0, ComparedBytes));
        image.AsSpan(5, 19).Clear();
        MemoryMarshal.Write(image, (ushort)0x37f);
        MemoryMarshal.Write(image.AsSpan(2), (ushort)(random.Next(8) << 11));
        MemoryMarshal.Write(image.AsSpan(24), 0x1f80u | (uint)random.Next(4) << 13);
        for (var i = 0; i < 8; i++)
        {
            image.AsSpan(32 + i * 16 + 10, 6).Clear();
            // Bytes and words at their limits, where saturation is.
            if (random.Next(3) == 0)
                MemoryMarshal.Write(image.AsSpan(32 + i * 16), random.Next(4) switch { 0 => 0x7fff80007f80ff00ul, 1 => ulong.MaxValue, 2 => (ulong)random.Next(70), _ => 0x8000000080000000ul });
        }
        return image;
    }

    /// <summary>Each encoding with an MMX operand that MMX, SSE and SSE2 brought, once with registers and once with memory at [RDI + 16].</summary>
    private static IEnumerable<Instruction> All()
    {
        foreach (var code in Enum.GetValues<Code>())
        {
            var encoding = code.ToOpCode();
            if (!encoding.IsInstruction || encoding.Encoding != EncodingKind.Legacy || !encoding.Mode64
                || code.CpuidFeatures().Any(f => f is not (CpuidFeature.MMX or CpuidFeature.SSE or CpuidFeature.SSE2 or CpuidFeature.X64)))
                continue;
            var operands = Enumerable.Range(0, encoding.OpCount).Select(encoding.GetOpKind).ToArray();
            if (code != Code.Emms && !operands.Any(o => o is OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm or OpCodeOperandKind.mm_or_mem))
                continue;
            foreach (var inMemory in (bool[])[false, true])
            {
                if (inMemory ? operands.Any(HasMemory) : !operands.Contains(OpCodeOperandKind.mem))
                    yield return Make(code, operands, inMemory);
            }
        }
    }

    private static bool HasMemory(OpCodeOperandKind kind) =>
        kind is OpCodeOperandKind.mem or OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem;

    private static Instruction Make(Code code, OpCodeOperandKind[] operands, bool inMemory)
    {
        var instruction = new Instruction { Code = code };
        for (var i = 0; i < operands.Length; i++)
        {
            switch (operands[i])
            {
                case var kind when inMemory && HasMemory(kind):
                    instruction.SetOpKind(i, OpKind.Memory);
                    instruction.MemoryBase = Register.RDI;
                    instruction.MemoryDisplacement64 = 16;
                    instruction.MemoryDisplSize = 1;
                    break;
                case OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm or OpCodeOperandKind.mm_or_mem:
                    instruction.SetOpRegister(i, i == 0 ? Register.MM2 : Register.MM5);
                    break;
                case OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm or OpCodeOperandKind.xmm_or_mem:
                    instruction.SetOpRegister(i, Register.XMM9);
                    break;
                case OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_rm or OpCodeOperandKind.r32_or_mem:
                    instruction.SetOpRegister(i, Register.EAX);
                    break;
                case OpCodeOperandKind.r64_reg or OpCodeOperandKind.r64_rm or OpCodeOperandKind.r64_or_mem:
                    instruction.SetOpRegister(i, Register.RAX);
                    break;
                case OpCodeOperandKind.imm8:
                    instruction.SetOpKind(i, OpKind.Immediate8);
                    instruction.Immediate8 = 0x1b;
                    break;
                case OpCodeOperandKind.seg_rDI:
                    instruction.SetOpKind(i, OpKind.MemorySegRDI);
                    break;
                default:
                    throw new NotSupportedException($"{code} has a {operands[i]}");
            }
        }
        return instruction;
    }

    /// <summary>One instruction on the host, with its x87, MMX and SSE state in and out.</summary>
    private sealed class HostMmx : IDisposable
    {
        private const int PageBytes = 4096, RaxOffset = 0x100, InOffset = 0x200, OutOffset = 0x400, KeptOffset = 0x600;

        private readonly nint _code = Libc.mmap(0, PageBytes, Libc.PROT_READ | Libc.PROT_WRITE | Libc.PROT_EXEC, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        private readonly nint _arguments = Libc.mmap(0, PageBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        private Instruction _assembled;

        public (byte[] Image, ulong Rax, byte[] Data) Run(Instruction instruction, byte[] image, ulong rax, byte[] data)
        {
            if (!_assembled.Equals(instruction))
                Assemble(instruction);
            _assembled = instruction;
            var p = (byte*)_arguments;
            data.CopyTo(new Span<byte>(p, DataBytes));
            *(ulong*)(p + RaxOffset) = rax;
            image.CopyTo(new Span<byte>(p + InOffset, FxsaveBytes));
            ((delegate* unmanaged<byte*, void>)_code)(p);
            return (new ReadOnlySpan<byte>(p + OutOffset, FxsaveBytes).ToArray(), *(ulong*)(p + RaxOffset), new ReadOnlySpan<byte>(p, DataBytes).ToArray());
        }

        public void Dispose()
        {
            _ = Libc.munmap(_code, PageBytes);
            _ = Libc.munmap(_arguments, PageBytes);
        }

        private void Assemble(Instruction instruction)
        {
            var a = new Assembler(64);
            a.fxsave64(__[rdi + KeptOffset]);
            a.fxrstor64(__[rdi + InOffset]);
            a.mov(rax, __qword_ptr[rdi + RaxOffset]);
            a.AddInstruction(instruction);
            a.mov(__qword_ptr[rdi + RaxOffset], rax);
            a.fxsave64(__[rdi + OutOffset]);
            a.fxrstor64(__[rdi + KeptOffset]);
            a.ret();
            using var stream = new MemoryStream();
            a.Assemble(new StreamCodeWriter(stream), (ulong)_code);
            stream.ToArray().CopyTo(new Span<byte>((void*)_code, PageBytes));
        }
    }
}
