using FsCheck.Fluent;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Targets.Cpu;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Machines;
using Iced.Intel;

namespace Gauntlet.Fuzz.Tests.Cpu;

public sealed class CpuTargetTests
{
    [Fact]
    public void Interpreter_host_code_and_the_hosts_CPU_agree_on_random_programs()
    {
        using var target = new CpuTarget();
        var random = new FuzzRandom(20);
        byte[] input = [];
        for (var i = 0; i < 1_500; i++)
        {
            input = i % 8 == 0 ? [] : input;
            input = target.Mutate(random, input, [], Mutator.MaxInputBytes).ToArray();
            try
            {
                target.Run(input);
            }
            catch (OracleException finding)
            {
                Assert.Fail($"{finding.Rule}\n{finding.Message}\n{Convert.ToHexStringLower(input)}");
            }
        }
    }

    [Fact]
    public void Any_bytes_are_a_program_and_the_same_one_every_time()
    {
        using var target = new CpuTarget(native: false);
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
        {
            // Whole again from its parts.
            var parts = target.Divide([.. bytes]);
            Assert.Equal(bytes.Take(CpuProgram.HeadBytes + CpuProgram.MaxCodeBytes), parts.SelectMany(part => part));
            target.Run(bytes);
        }).Holds(50);
    }

    [Fact]
    public void A_program_starts_with_its_registers_and_ends_at_its_HLT()
    {
        using var rig = new CpuRig(new TcgAccelerator(new ManualClock(DateTime.UnixEpoch)), "max");
        var input = new byte[CpuProgram.HeadBytes + 3];
        // Kernel64; RBX's selector is the value 1; inc ebx.
        input[0] = (byte)CpuMode.Kernel64;
        input[8 + 3] = 65;
        ((ReadOnlySpan<byte>)[0xff, 0xc3, 0xf4]).CopyTo(input.AsSpan(CpuProgram.HeadBytes));

        var outcome = rig.Run(new CpuProgram(input));

        Assert.Equal(VcpuStop.Halted, outcome.Stop);
        Assert.Equal((2UL, CpuProgram.CodeAddress + 3, -1), (outcome.State.Gpr[3], outcome.State.Rip, outcome.Vector));
    }

    [Fact]
    public void A_program_that_does_not_end_is_given_up()
    {
        using var rig = new CpuRig(new TcgAccelerator(new ManualClock(DateTime.UnixEpoch)), "max");
        var input = new byte[CpuProgram.HeadBytes + 2];
        ((ReadOnlySpan<byte>)[0xeb, 0xfe]).CopyTo(input.AsSpan(CpuProgram.HeadBytes));

        Assert.Equal(VcpuStop.Kicked, rig.Run(new CpuProgram(input)).Stop);
        // The next one is not touched by it.
        Assert.Equal(13, rig.Run(new CpuProgram([])).Vector);
    }

    [HostCpuFact]
    public void The_hosts_CPU_runs_programs_tells_their_exceptions_and_outlives_those_that_do_not_end()
    {
        using var cpu = HostCpu.Native()!;
        // xor [rdi], eax with RDI outside.
        Assert.True(cpu.TryRun(new CpuProgram([.. new byte[CpuProgram.HeadBytes], 0x31, 0x07]), out var fault));
        Assert.Equal((14, CpuProgram.CodeAddress, 0UL), (fault.Vector, fault.Rip, fault.Cr2));
        Assert.False(cpu.TryRun(new CpuProgram([.. new byte[CpuProgram.HeadBytes], 0xeb, 0xfe]), out _));
        Assert.True(cpu.TryRun(new CpuProgram([.. new byte[CpuProgram.HeadBytes], 0xff, 0xc3]), out var done));
        Assert.Equal((13, 1UL), (done.Vector, done.Gpr(3)));
    }

    [HostCpuFact]
    public void A_program_that_calls_the_kernel_is_ended_and_the_next_one_runs()
    {
        using var cpu = HostCpu.Native()!;
        // getpid.
        Assert.False(cpu.TryRun(new CpuProgram([.. new byte[CpuProgram.HeadBytes], 0xb8, 0x27, 0, 0, 0, 0x0f, 0x05]), out _));
        Assert.True(cpu.TryRun(new CpuProgram([]), out var done));
        Assert.Equal(13, done.Vector);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(64)]
    public void What_is_made_decodes_as_one_instruction_of_its_length(int bitness)
    {
        var (maker, random) = (new InstructionMaker(), new FuzzRandom(7));
        var bytes = new byte[16];
        var mnemonics = new HashSet<Mnemonic>();
        for (var i = 0; i < 4_000; i++)
        {
            var length = maker.Make(random, bitness, bytes);
            var decoder = Iced.Intel.Decoder.Create(bitness, new ByteArrayCodeReader(bytes, 0, length));
            Assert.Equal(length, decoder.Decode().Length);
            decoder = Iced.Intel.Decoder.Create(bitness, new ByteArrayCodeReader(bytes, 0, length));
            mnemonics.Add(decoder.Decode().Mnemonic);
        }

        Assert.True(mnemonics.Count > 300, $"{mnemonics.Count} mnemonics");
    }

    [Theory]
    [InlineData("0fbcc1", false)] // bsf eax, ecx: of 0 undefined
    [InlineData("0f05", false)] // syscall
    [InlineData("0fa2", false)] // cpuid
    [InlineData("d3e00f90c0", false)] // shl eax, cl; seto al reads a flag that may be undefined
    [InlineData("d3e083f8000f90c0", true)] // with cmp eax, 0 between them it does not
    [InlineData("eb0101c0", false)] // into the middle of an instruction
    [InlineData("01c80fafc1", true)]
    public void Only_what_the_manual_defines_is_compared_with_another_CPU(string code, bool isDefined) =>
        Assert.Equal(isDefined, ComparableCode.IsDefined(Convert.FromHexString(code), masksInvalid: true, out _));

    [Fact]
    public void A_minimised_program_keeps_only_the_instructions_that_matter()
    {
        using var target = new CpuTarget(native: false);
        // nop; inc eax; nop; ud2; nop.
        byte[] input = [.. Enumerable.Repeat((byte)9, CpuProgram.HeadBytes), 0x90, 0xff, 0xc0, 0x90, 0x0f, 0x0b, 0x90];

        var smallest = Minimizer.Minimize(input, target, candidate => candidate.AsSpan(CpuProgram.HeadBytes).IndexOf((byte)0x0b) >= 0);

        Assert.Equal([.. new byte[CpuProgram.HeadBytes], 0x0f, 0x0b], smallest);
    }

    private sealed class HostCpuFactAttribute : FactAttribute
    {
        public HostCpuFactAttribute()
        {
            if (System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64)
                Skip = "needs an x86-64 host CPU";
        }
    }
}
