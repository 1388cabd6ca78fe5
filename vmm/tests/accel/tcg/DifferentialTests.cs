using FsCheck.Fluent;
using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Accel.Tcg.Backends.X64;
using Iced.Intel;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>With the back end that this host runs best.</summary>
public sealed class DefaultDifferentialTests() : DifferentialTests(TcgOptions.Default);

/// <summary>With the interpreter, which every host runs.</summary>
public sealed class InterpretedDifferentialTests() : DifferentialTests(TcgOptions.Default with { Backend = TcgBackendKind.Interp });

/// <summary>With both, compared block by block.</summary>
public sealed class VerifiedDifferentialTests() : DifferentialTests(TcgOptions.Default with { Verify = X64Backend.IsSupported });

/// <summary>The translator against the CPU that the test runs on: any sequence of integer instructions leaves the same registers, flags and memory.</summary>
public abstract unsafe class DifferentialTests(TcgOptions options) : IDisposable
{
    private const int DataBytes = 256;

    private readonly TcgRig _rig = new(options: options);
    private readonly NativeCpu _native = new();

    public void Dispose()
    {
        _native.Dispose();
        _rig.Dispose();
        GC.SuppressFinalize(this);
    }

    [NativeX64Fact]
    public void Random_integer_instructions_do_what_the_host_cpu_does() =>
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).ToArbitrary(), Agree).Holds(600);

    private bool Agree(int seed)
    {
        var random = new RandomInstructions(seed);
        var instructions = new List<Instruction>();
        ulong undefined = 0;
        for (var i = 0; i < 1 + (seed & 7); i++)
        {
            // What the instruction before left undefined must not be read.
            if (undefined != 0)
                instructions.Add(Instruction.Create(Code.Cmp_r64_rm64, Register.R8, Register.R9));
            var next = random.Next();
            instructions.Add(next.Instruction);
            undefined = next.UndefinedFlags;
        }
        Span<ulong> native = stackalloc ulong[17];
        Span<byte> nativeData = stackalloc byte[DataBytes], data = stackalloc byte[DataBytes];
        for (var i = 0; i < 16; i++)
            native[i] = random.NextValue();
        new Random(seed).NextBytes(nativeData);
        nativeData.CopyTo(data);
        native[16] = random.NextValue() & RandomInstructions.Status | 0x202;
        var state = _rig.LongMode();
        for (var i = 0; i < 16; i++)
            if (i != 4)
                state.Gpr[i] = native[i];
        state.Rflags = native[16] & ~0x200ul;
        state.Gpr[7] = TcgRig.DataAddress;
        _rig.Load(TcgRig.DataAddress, data);
        _rig.Assemble(64, a =>
        {
            foreach (var instruction in instructions)
                a.AddInstruction(instruction);
            a.hlt();
        });
        // The code at this address changed behind the vCPU's back.
        _rig.Accelerator.OnGuestMemoryWritten(TcgRig.CodeAddress, 0x1000);
        var after = _rig.RunToHalt(state);

        fixed (byte* at = nativeData)
        {
            native[7] = (ulong)at;
            _native.Run(instructions, native);
        }
        var program = string.Join("; ", instructions);
        for (var i = 0; i < 16; i++)
            if (i is not (4 or 7))
                Assert.True(native[i] == after.Gpr[i], $"seed {seed}: {Register.RAX + i} is 0x{after.Gpr[i]:x}, the CPU has 0x{native[i]:x} after: {program}");
        var compared = RandomInstructions.Status & ~undefined;
        Assert.True((native[16] & compared) == (after.Rflags & compared), $"seed {seed}: flags are 0x{after.Rflags & compared:x}, the CPU has 0x{native[16] & compared:x} after: {program}");
        Assert.True(nativeData.SequenceEqual(_rig.Ram.Slice((int)TcgRig.DataAddress, DataBytes)), $"seed {seed}: memory differs after: {program}");
        return true;
    }
}
