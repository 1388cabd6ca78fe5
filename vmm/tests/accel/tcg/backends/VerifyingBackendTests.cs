using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Accel.Tcg.Backends;
using Gauntlet.Vmm.Accel.Tcg.Backends.Verify;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Gauntlet.Vmm.Accel.Tcg.Ir;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg.Backends;

/// <summary>verify=on: what is equal runs as without it, what is not stops the vCPU with the evidence.</summary>
public sealed unsafe class VerifyingBackendTests
{
    private static readonly TcgOptions s_verify = TcgOptions.Default with { Verify = true };

    [NativeX64Fact]
    public void A_program_with_devices_calls_faults_and_code_that_changes_itself_runs_to_its_end()
    {
        using var rig = new TcgRig(options: s_verify);
        var state = rig.LongMode();
        rig.Assemble(64, a =>
        {
            var again = a.CreateLabel();
            a.mov(rbx, (ulong)TcgRig.DataAddress);
            a.mov(ecx, 50);
            a.Label(ref again);
            a.add(__qword_ptr[rbx], rcx);
            a.push(rcx);
            a.pop(rdx);
            a.@out(0x80, al);
            a.mov(__byte_ptr[__[TcgRig.CodeAddress + 0x200]], cl);
            a.dec(ecx);
            a.jnz(again);
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(rdi, rbx);
            a.mov(ecx, 16);
            a.rep.stosb();
            // No page is mapped there: the handler halts.
            a.mov(__qword_ptr[0x7fff_ffff], rax);
        });
        var after = rig.RunToHalt(state);
        Assert.Equal(50ul * 51 / 2, after.Gpr[0]);
        Assert.Equal(14, TcgRig.VectorOf(after));
        Assert.Equal(50, rig.Io.Log.Count(line => line.StartsWith("out1 80", StringComparison.Ordinal)));
    }

    [NativeX64Theory]
    [InlineData("add.i64 r1, r1, $0x11223344", "after the block r1 is")]
    [InlineData("call r1, touch(r1), 0x11223344", "host code calls with")]
    [InlineData("st.i32 [r1+0x10], $0x11223344, mmu=0", "host code stores 0x55223344")]
    [InlineData("ld.i32 r1, [r2+0x11223344], mmu=0", "host code loads 4 bytes at")]
    public void Host_code_that_differs_stops_the_vCPU_with_both_codes_listed(string operation, string difference)
    {
        using var block = new IrBlock();
        IrText.Parse($"insn 0x100\n{operation}\nleave state=1", TestCore.Guest, block);
        using var physical = new Gauntlet.Vmm.Accel.Tcg.SoftMmu.PhysicalMap();
        using var core = new TestCore(physical);
        using var backend = new VerifyingBackend(core, TestCore.Guest);
        var translated = backend.Generate(block, new BlockKey(0x100, 0, 2), core.Blocks);

        core.SetRegister(2, 0);
        core.SetRegister(1, 0);
        Assert.Equal(BlockExit.Leave, backend.Run(core, translated));

        // One byte of the constant becomes another in the host code.
        var code = new Span<byte>(translated->HostEntry, (int)(translated->HostLeave - translated->HostEntry));
        ReadOnlySpan<byte> constant = [0x44, 0x33, 0x22, 0x11];
        var at = code.IndexOf(constant);
        Assert.True(at > 0, "the constant is not in the code");
        for (; at >= 0; at = code.IndexOf(constant))
            code[at + 3] = 0x55;
        Assert.Equal(BlockExit.Fault, backend.Run(core, translated));
        Assert.Equal((int)FaultKind.Fatal, core.Header->Fault);
        Assert.Contains(difference, core.FatalMessage, StringComparison.Ordinal);
        Assert.Contains(operation, core.FatalMessage, StringComparison.Ordinal);
        Assert.Contains("host code:\n", core.FatalMessage, StringComparison.Ordinal);
    }
}
