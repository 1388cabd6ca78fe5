using Gauntlet.Linux;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Tcg.Fpu;

/// <summary>The host's own x87 and SSE, one instruction at a time: what the software is compared with.</summary>
/// <remarks>
/// The code never waits for an x87 exception (FNSAVE does not), so that unmasked x87 exceptions can be looked at; those of SSE would end the process, and stay masked.
/// </remarks>
public sealed unsafe class HostFpu : IDisposable
{
    private const int CodeBytes = 4096, ArgumentBytes = 4096;

    private readonly nint _code, _arguments;
    private string? _name;

    public HostFpu()
    {
        _code = Libc.mmap(0, CodeBytes, Libc.PROT_READ | Libc.PROT_WRITE | Libc.PROT_EXEC, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        _arguments = Libc.mmap(0, ArgumentBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        if (_code == -1 || _arguments == -1)
            throw LinuxException.ForErrno("mapping memory for the host's instructions");
    }

    /// <summary>MXCSR, then 16 bytes each of a, b and the result (which begins as a).</summary>
    public (byte[] Result, uint Mxcsr, long Integer, ulong Rflags) Sse(string name, byte[] instruction, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, uint mxcsr, long integer = 0)
    {
        Assemble(name, c =>
        {
            c.stmxcsr(__dword_ptr[rdi + 128]);
            c.ldmxcsr(__dword_ptr[rdi]);
            c.movups(xmm0, __xmmword_ptr[rdi + 16]);
            c.movups(xmm1, __xmmword_ptr[rdi + 32]);
            c.mov(rax, __qword_ptr[rdi + 64]);
            c.db(instruction);
            c.movups(__xmmword_ptr[rdi + 48], xmm0);
            c.mov(__qword_ptr[rdi + 64], rax);
            c.pushfq();
            c.pop(__qword_ptr[rdi + 72]);
            c.stmxcsr(__dword_ptr[rdi]);
            c.ldmxcsr(__dword_ptr[rdi + 128]);
            c.ret();
        });
        var p = (byte*)_arguments;
        *(uint*)p = mxcsr;
        a.CopyTo(new Span<byte>(p + 16, 16));
        b.CopyTo(new Span<byte>(p + 32, 16));
        *(long*)(p + 64) = integer;
        ((delegate* unmanaged<byte*, void>)_code)(p);
        return (new ReadOnlySpan<byte>(p + 48, 16).ToArray(), *(uint*)p, *(long*)(p + 64), *(ulong*)(p + 72));
    }

    /// <summary>
    /// Loads values (the last becomes ST(0)), then the control word, then executes an instruction that may address memory at RDI + 256.
    /// </summary>
    /// <param name="modRm">With a memory operand mod 2 and rm 7; the displacement is added here.</param>
    /// <returns>FNSAVE's image in its 32-bit format, and the memory operand afterwards.</returns>
    public (byte[] Image, byte[] Memory) X87(byte opcode, byte modRm, ushort control, ReadOnlySpan<byte> values, ReadOnlySpan<byte> memory)
    {
        var count = values.Length / 10;
        Assemble($"{opcode:x2}{modRm:x2}/{count}", c =>
        {
            c.fninit();
            for (var i = 0; i < count; i++)
                c.fld(__tword_ptr[rdi + 16 + i * 10]);
            c.fldcw(__word_ptr[rdi]);
            if (modRm >= 0xc0)
                c.db([opcode, modRm]);
            else
                c.db([opcode, modRm, 0, 1, 0, 0]);
            c.fnsave(__byte_ptr[rdi + 512]);
            c.ret();
        });
        var p = (byte*)_arguments;
        *(ushort*)p = control;
        values.CopyTo(new Span<byte>(p + 16, values.Length));
        memory.CopyTo(new Span<byte>(p + 256, memory.Length));
        ((delegate* unmanaged<byte*, void>)_code)(p);
        return (new ReadOnlySpan<byte>(p + 512, 108).ToArray(), new ReadOnlySpan<byte>(p + 256, memory.Length).ToArray());
    }

    public void Dispose()
    {
        _ = Libc.munmap(_code, CodeBytes);
        _ = Libc.munmap(_arguments, ArgumentBytes);
    }

    private void Assemble(string name, Action<Assembler> write)
    {
        if (_name == name)
            return;
        _name = name;
        var assembler = new Assembler(64);
        write(assembler);
        using var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), (ulong)_code);
        stream.ToArray().CopyTo(new Span<byte>((void*)_code, CodeBytes));
    }
}
