using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Iced.Intel;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>Skipped on a host whose own CPU is not x86-64: there is nothing to compare with.</summary>
internal sealed class NativeX64FactAttribute : FactAttribute
{
    public NativeX64FactAttribute()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
            Skip = "needs an x86-64 host CPU to compare with";
    }
}

/// <inheritdoc cref="NativeX64FactAttribute"/>
internal sealed class NativeX64TheoryAttribute : TheoryAttribute
{
    public NativeX64TheoryAttribute() => Skip = new NativeX64FactAttribute().Skip;
}

/// <summary>Runs a few instructions on the host's own CPU: registers and flags in, registers and flags out. RSP is the host's, RDI what the caller says.</summary>
internal sealed unsafe class NativeCpu : IDisposable
{
    private const int PageBytes = 0x10000;

    private readonly nint _page = Libc.mmap(0, PageBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);

    /// <param name="registers">Sixteen in encoding order, then RFLAGS; RSP's is ignored.</param>
    public void Run(IReadOnlyList<Instruction> instructions, Span<ulong> registers)
    {
        var assembler = new Assembler(64);
        AssemblerRegister64[] all =
        [
            AssemblerRegisters.rax, AssemblerRegisters.rcx, AssemblerRegisters.rdx, AssemblerRegisters.rbx, AssemblerRegisters.rsp, AssemblerRegisters.rbp,
            AssemblerRegisters.rsi, AssemblerRegisters.rdi, AssemblerRegisters.r8, AssemblerRegisters.r9, AssemblerRegisters.r10, AssemblerRegisters.r11,
            AssemblerRegisters.r12, AssemblerRegisters.r13, AssemblerRegisters.r14, AssemblerRegisters.r15,
        ];
        foreach (var saved in (ReadOnlySpan<int>)[3, 5, 12, 13, 14, 15])
            assembler.push(all[saved]);
        assembler.push(AssemblerRegisters.rdi);
        assembler.push(AssemblerRegisters.__qword_ptr[AssemblerRegisters.rdi + 128]);
        assembler.popfq();
        for (var i = 0; i < 16; i++)
            if (i is not (4 or 7))
                assembler.mov(all[i], AssemblerRegisters.__qword_ptr[AssemblerRegisters.rdi + 8 * i]);
        assembler.mov(AssemblerRegisters.rdi, AssemblerRegisters.__qword_ptr[AssemblerRegisters.rdi + 56]);
        foreach (var instruction in instructions)
            assembler.AddInstruction(instruction);
        assembler.pushfq();
        assembler.xchg(AssemblerRegisters.__qword_ptr[AssemblerRegisters.rsp + 8], AssemblerRegisters.rdi);
        for (var i = 0; i < 16; i++)
            if (i is not (4 or 7))
                assembler.mov(AssemblerRegisters.__qword_ptr[AssemblerRegisters.rdi + 8 * i], all[i]);
        assembler.pop(AssemblerRegisters.__qword_ptr[AssemblerRegisters.rdi + 128]);
        assembler.pop(AssemblerRegisters.__qword_ptr[AssemblerRegisters.rdi + 56]);
        foreach (var saved in (ReadOnlySpan<int>)[15, 14, 13, 12, 5, 3])
            assembler.pop(all[saved]);
        assembler.cld();
        assembler.ret();
        var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), (ulong)_page);
        Assert.Equal(0, Libc.mprotect(_page, PageBytes, Libc.PROT_READ | Libc.PROT_WRITE));
        stream.ToArray().CopyTo(new Span<byte>((void*)_page, PageBytes));
        Assert.Equal(0, Libc.mprotect(_page, PageBytes, Libc.PROT_READ | Libc.PROT_EXEC));
        fixed (ulong* state = registers)
            ((delegate* unmanaged<ulong*, void>)_page)(state);
    }

    public void Dispose() => _ = Libc.munmap(_page, PageBytes);
}
