using System.Buffers.Binary;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>
/// An ELF executable of our own that runs programs on the CPU it is started on, natively or by qemu-user: reads one from standard input, runs it at
/// <see cref="CpuProgram.CodeAddress"/>, and writes what it was when a signal came. No call of the kernel but those that it needs itself is let through.
/// </summary>
/// <remarks>System V ABI, AMD64 supplement; Linux, arch/x86/include/uapi/asm/sigcontext.h, include/uapi/linux/seccomp.h.</remarks>
internal static class HostProgram
{
    /// <summary>What it reads: general registers, RFLAGS, an FXSAVE image, code.</summary>
    public const int FlagsAt = 128, FxsaveAt = 144, CodeAt = FxsaveAt + 512, InputBytes = CodeAt + CpuProgram.MaxCodeBytes;

    /// <summary>What it writes: the kernel's registers (sigcontext), the signal, an FXSAVE image, then the code page, the data pages and the stack page.</summary>
    public const int SignalAt = 184, OutputFxsaveAt = 192, MemoryAt = OutputFxsaveAt + 512, OutputBytes = MemoryAt + MemoryBytes;

    /// <summary>Of the program's pages.</summary>
    public const int MemoryBytes = CpuProgram.DataBytes + 2 * CpuProgram.PageBytes;

    /// <summary>The signal of a program that does not end.</summary>
    public const int SignalOfLoop = 26;

    private const ulong Base = 0x5a5a00000000;
    private const int CodeOffset = 0x1000, InOffset = 0x4000, OutOffset = 0x5000, VectorsOffset = 0x6000, ActionOffset = 0x6100, TemplateOffset = 0x8000, StackTopOffset = 0x10000,
        SignalStackOffset = 0x10000, SignalStackBytes = 0x10000, ImageBytes = 0x20000, FileBytes = TemplateOffset + CpuProgram.DataBytes;
    private const int Read = 0, MMap = 9, SigAction = 13, WriteV = 20, SetITimer = 38, Exit = 60, SigAltStack = 131, PrCtl = 157;
    private const long LongestMicroseconds = 20_000;

    /// <param name="isFiltered">False for qemu-user, which has no seccomp.</param>
    public static byte[] Build(bool isFiltered)
    {
        var file = new byte[FileBytes];
        var code = Assemble(isFiltered);
        if (code.Length > InOffset - CodeOffset)
            throw new InvalidOperationException($"the runner has {code.Length} bytes");
        code.CopyTo(file, CodeOffset);
        WriteHeaders(file);
        CpuProgram.Data.CopyTo(file.AsSpan(TemplateOffset));

        (ulong Address, int Length)[] pieces =
        [
            (Base + OutOffset, MemoryAt), (CpuProgram.CodeAddress, CpuProgram.PageBytes), (CpuProgram.DataAddress, CpuProgram.DataBytes), (CpuProgram.StackAddress, CpuProgram.PageBytes),
        ];
        for (var i = 0; i < pieces.Length; i++)
        {
            Quad(file, VectorsOffset + 16 * i, pieces[i].Address);
            Quad(file, VectorsOffset + 16 * i + 8, (ulong)pieces[i].Length);
        }
        // struct itimerval: once; then one of zeros. stack_t.
        Quad(file, VectorsOffset + 0x58, LongestMicroseconds);
        Quad(file, VectorsOffset + 0x80, Base + SignalStackOffset);
        Quad(file, VectorsOffset + 0x90, SignalStackBytes);
        WriteFilter(file);
        return file;
    }

    private static byte[] Assemble(bool isFiltered)
    {
        var a = new Assembler(64);
        var (loop, fill, end, handler) = (a.CreateLabel(), a.CreateLabel(), a.CreateLabel(), a.CreateLabel());
        foreach (var (address, length, protection) in ((ulong, int, int)[])
            [(CpuProgram.CodeAddress, CpuProgram.PageBytes, 7), (CpuProgram.DataAddress, CpuProgram.DataBytes, 3), (CpuProgram.StackAddress, CpuProgram.PageBytes, 3)])
        {
            a.mov(edi, (int)address);
            a.mov(esi, length);
            a.mov(edx, protection);
            a.mov(r10d, 0x32);
            a.mov(r8, -1L);
            a.xor(r9d, r9d);
            Call(a, MMap);
            a.cmp(rax, (int)address);
            a.jne(end);
        }
        // struct sigaction: handler, SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_NODEFER, restorer (never returned to), no mask.
        a.lea(rax, __[handler]);
        a.mov(r12, Base + ActionOffset);
        a.mov(__[r12], rax);
        a.mov(eax, 0x4c000004);
        a.mov(__[r12 + 8], rax);
        a.mov(__[r12 + 16], r12);
        foreach (var signal in (int[])[4, 5, 7, 8, 11, SignalOfLoop])
        {
            a.mov(edi, signal);
            a.mov(rsi, r12);
            a.xor(edx, edx);
            a.mov(r10d, 8);
            Call(a, SigAction);
        }
        a.mov(rdi, Base + VectorsOffset + 0x80);
        a.xor(esi, esi);
        Call(a, SigAltStack);
        if (isFiltered)
        {
            // PR_SET_NO_NEW_PRIVS; PR_SET_SECCOMP, SECCOMP_MODE_FILTER.
            a.mov(edi, 38);
            a.mov(esi, 1);
            a.xor(edx, edx);
            a.xor(r10d, r10d);
            a.xor(r8d, r8d);
            Call(a, PrCtl);
            a.mov(edi, 22);
            a.mov(esi, 2);
            a.mov(rdx, Base + ActionOffset + 0x40);
            Call(a, PrCtl);
            a.test(rax, rax);
            a.jne(end);
        }

        a.Label(ref loop);
        a.mov(r15, Base);
        a.lea(rsp, __[r15 + StackTopOffset]);
        a.lea(rbx, __[r15 + InOffset]);
        a.mov(ebp, InputBytes);
        a.Label(ref fill);
        a.xor(edi, edi);
        a.mov(rsi, rbx);
        a.mov(edx, ebp);
        Call(a, Read);
        a.test(rax, rax);
        a.jle(end);
        a.add(rbx, rax);
        a.sub(ebp, eax);
        a.jne(fill);

        a.mov(edi, (int)CpuProgram.CodeAddress);
        a.lea(rsi, __[r15 + InOffset + CodeAt]);
        a.mov(ecx, CpuProgram.MaxCodeBytes);
        a.rep.movsb();
        a.mov(al, 0xf4);
        a.mov(ecx, CpuProgram.PageBytes - CpuProgram.MaxCodeBytes);
        a.rep.stosb();
        a.mov(edi, (int)CpuProgram.DataAddress);
        a.lea(rsi, __[r15 + TemplateOffset]);
        a.mov(ecx, CpuProgram.DataBytes / 8);
        a.rep.movsq();
        a.mov(edi, (int)CpuProgram.StackAddress);
        a.xor(eax, eax);
        a.mov(ecx, CpuProgram.PageBytes / 8);
        a.rep.stosq();
        a.mov(edi, 1);
        a.lea(rsi, __[r15 + VectorsOffset + 0x40]);
        a.xor(edx, edx);
        Call(a, SetITimer);
        a.AddInstruction(Instruction.Create(Code.Fxrstor64_m512byte, new MemoryOperand(Register.R15, InOffset + FxsaveAt)));
        a.push(__qword_ptr[r15 + InOffset + FlagsAt]);
        a.popfq();
        foreach (var (register, number) in ((AssemblerRegister64, int)[])
            [(rax, 0), (rcx, 1), (rdx, 2), (rbx, 3), (rsp, 4), (rbp, 5), (rsi, 6), (rdi, 7), (r8, 8), (r9, 9), (r10, 10), (r11, 11), (r12, 12), (r13, 13), (r14, 14), (r15, 15)])
            a.mov(register, __qword_ptr[r15 + InOffset + 8 * number]);
        a.AddInstruction(Instruction.Create(Code.Jmp_rm64, new MemoryOperand(Register.RIP, (long)(Base + VectorsOffset + 0xa0), 8)));

        // rdi: signal, rdx: ucontext, whose registers are at 40 and whose pointer to the FXSAVE image is at 224.
        a.Label(ref handler);
        a.cld();
        a.mov(r12, rdx);
        a.mov(r13, rdi);
        a.mov(r15, Base);
        a.mov(edi, 1);
        a.lea(rsi, __[r15 + VectorsOffset + 0x60]);
        a.xor(edx, edx);
        Call(a, SetITimer);
        a.lea(rsi, __[r12 + 40]);
        a.lea(rdi, __[r15 + OutOffset]);
        a.mov(ecx, 23);
        a.rep.movsq();
        a.mov(__[r15 + OutOffset + SignalAt], r13);
        a.mov(rsi, __qword_ptr[r12 + 224]);
        a.lea(rdi, __[r15 + OutOffset + OutputFxsaveAt]);
        a.mov(ecx, 64);
        a.rep.movsq();
        a.mov(edi, 1);
        a.lea(rsi, __[r15 + VectorsOffset]);
        a.mov(edx, 4);
        Call(a, WriteV);
        a.cmp(rax, OutputBytes);
        a.je(loop);
        a.Label(ref end);
        a.mov(edi, 1);
        Call(a, Exit);
        var stream = new MemoryStream();
        a.Assemble(new StreamCodeWriter(stream), Base + CodeOffset);
        return stream.ToArray();
    }

    private static void Call(Assembler a, int number)
    {
        a.mov(eax, number);
        a.syscall();
    }

    private static void WriteHeaders(byte[] file)
    {
        // ELF64, executable, x86-64; one segment, all of it readable, writable and executable.
        ((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]).CopyTo(file);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(16), 2 | 62 << 16);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(20), 1);
        Quad(file, 24, Base + CodeOffset);
        Quad(file, 32, 64);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(52), 64 | 56 << 16);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(64), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(68), 7);
        Quad(file, 80, Base);
        Quad(file, 88, Base);
        Quad(file, 96, FileBytes);
        Quad(file, 104, ImageBytes);
        Quad(file, 112, 0x1000);
        // Where the program begins, for the jump there.
        Quad(file, VectorsOffset + 0xa0, CpuProgram.CodeAddress);
    }

    // Kills the process at any other call, and at those of 32 bits.
    private static void WriteFilter(byte[] file)
    {
        const int At = ActionOffset + 0x60;
        const ushort Load = 0x20, JumpEqual = 0x15, Return = 0x06;
        int[] allowed = [Read, WriteV, SetITimer, Exit];
        var next = 0;
        Add(Load, 0, 0, 4);
        Add(JumpEqual, 0, (byte)(allowed.Length + 1), 0xc000003e);
        Add(Load, 0, 0, 0);
        for (var i = 0; i < allowed.Length; i++)
            Add(JumpEqual, (byte)(allowed.Length - i), 0, (uint)allowed[i]);
        Add(Return, 0, 0, 0x80000000);
        Add(Return, 0, 0, 0x7fff0000);
        Quad(file, ActionOffset + 0x40, (ulong)next);
        Quad(file, ActionOffset + 0x48, Base + At);

        void Add(ushort code, byte isTrue, byte isFalse, uint value)
        {
            var at = At + 8 * next++;
            BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), code);
            (file[at + 2], file[at + 3]) = (isTrue, isFalse);
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at + 4), value);
        }
    }

    private static void Quad(byte[] file, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
}
