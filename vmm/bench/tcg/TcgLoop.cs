using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Bench.Tcg;

/// <summary>One thing that guests do, as a loop. EBP counts its turns.</summary>
/// <param name="Name">In the table.</param>
/// <param name="Turns">That take QEMU's TCG some tenths of a second.</param>
/// <param name="Prepare">Before the first turn.</param>
/// <param name="Turn">Once a turn.</param>
/// <param name="Functions">Behind everything, for calls.</param>
internal sealed record TcgLoop(string Name, int Turns, Action<Assembler> Prepare, Action<Assembler> Turn, Action<Assembler> Functions)
{
    private const uint Data = TcgGuest.Data;

    private static readonly Action<Assembler> s_nothing = _ => { };

    public static IEnumerable<TcgLoop> All()
    {
        yield return Simple("integer", 40_000_000, Integer);
        yield return Simple("branches", 3_000_000, Branches);
        yield return new("memory read", 60_000, c => c.mov(ecx, Data), ReadMemory, s_nothing);
        yield return new("memory copy", 60_000, s_nothing, CopyMemory, s_nothing);
        yield return new("pages", 300, s_nothing, TouchPages, s_nothing);
        var fibonacci = default(Label);
        yield return new("calls", 100, s_nothing, c =>
        {
            fibonacci = c.CreateLabel();
            c.mov(edi, 21);
            c.call(fibonacci);
        }, c => Fibonacci(c, fibonacci));
        yield return IndirectCalls();
        yield return new("strings", 60_000, s_nothing, Strings, s_nothing);
        yield return new("syscalls", 600_000, EnterUser, c => c.syscall(), s_nothing);
        yield return new("page faults", 300_000, c => c.mov(ebx, TcgGuest.Unmapped), c =>
        {
            // mov [rbx], rax: three bytes, as the handler knows.
            c.db(0x48, 0x89, 0x03);
        }, s_nothing);
        yield return new("SSE2 integer", 4_000_000, PrepareVectors, VectorIntegers, s_nothing);
        yield return new("SSE2 floating point", 4_000_000, PrepareVectors, VectorFloats, s_nothing);
    }

    private static TcgLoop Simple(string name, int turns, Action<Assembler> turn) => new(name, turns, s_nothing, turn, s_nothing);

    private static void Integer(Assembler c)
    {
        c.add(rax, rbx);
        c.lea(rcx, __[rax + rbx * 4 + 7]);
        c.xor(rdx, rcx);
        c.shl(rdx, 3);
        c.imul(rbx, rdx, 17);
        c.sub(ecx, edx);
        c.rol(rsi, 5);
        c.or(rsi, rcx);
        c.movzx(edi, cl);
        c.and(rbx, 0x7fffffff);
    }

    // The Collatz sequence of the turn's number.
    private static void Branches(Assembler c)
    {
        Label again = c.CreateLabel(), odd = c.CreateLabel(), next = c.CreateLabel(), done = c.CreateLabel();
        c.mov(eax, ebp);
        c.and(eax, 0x3ff);
        c.inc(eax);
        c.mov(ecx, 24);
        c.Label(ref again);
        c.cmp(eax, 1);
        c.je(done);
        c.test(al, 1);
        c.jnz(odd);
        c.shr(eax, 1);
        c.jmp(next);
        c.Label(ref odd);
        c.lea(eax, __[rax + rax * 2 + 1]);
        c.Label(ref next);
        c.dec(ecx);
        c.jnz(again);
        c.Label(ref done);
        c.nop();
    }

    private static void ReadMemory(Assembler c)
    {
        var again = c.CreateLabel();
        c.xor(eax, eax);
        c.Label(ref again);
        c.add(rdx, __qword_ptr[rcx + rax * 8]);
        c.add(ebx, __dword_ptr[rcx + rax * 8 + 4]);
        c.inc(eax);
        c.cmp(eax, 1000);
        c.jb(again);
    }

    private static void CopyMemory(Assembler c)
    {
        var again = c.CreateLabel();
        c.mov(esi, Data);
        c.mov(edi, Data + 0x10000);
        c.mov(ecx, 500);
        c.Label(ref again);
        c.mov(rax, __qword_ptr[rsi]);
        c.mov(rdx, __qword_ptr[rsi + 8]);
        c.mov(__qword_ptr[rdi], rax);
        c.mov(__qword_ptr[rdi + 8], rdx);
        c.add(rsi, 16);
        c.add(rdi, 16);
        c.dec(ecx);
        c.jnz(again);
    }

    // A byte in each of 8192 pages.
    private static void TouchPages(Assembler c)
    {
        var again = c.CreateLabel();
        c.mov(edi, Data);
        c.Label(ref again);
        c.inc(__byte_ptr[rdi]);
        c.add(edi, 0x1000);
        c.cmp(edi, Data + (8192 << 12));
        c.jb(again);
    }

    private static void Fibonacci(Assembler c, Label entry)
    {
        var leaf = c.CreateLabel();
        c.Label(ref entry);
        c.cmp(edi, 2);
        c.jb(leaf);
        c.push(rbx);
        c.push(rdi);
        c.dec(edi);
        c.call(entry);
        c.pop(rdi);
        c.mov(ebx, eax);
        c.sub(edi, 2);
        c.call(entry);
        c.add(eax, ebx);
        c.pop(rbx);
        c.ret();
        c.Label(ref leaf);
        c.mov(eax, edi);
        c.ret();
    }

    private static TcgLoop IndirectCalls()
    {
        const int Targets = 8;
        var targets = new Label[Targets];
        return new("indirect calls", 4_000_000, c =>
        {
            for (var i = 0; i < Targets; i++)
            {
                targets[i] = c.CreateLabel();
                c.lea(rax, __[targets[i]]);
                c.mov(__qword_ptr[Data + 8 * i], rax);
            }
        }, c =>
        {
            c.mov(eax, ebp);
            c.and(eax, Targets - 1);
            c.call(__qword_ptr[rax * 8 + Data]);
        }, c =>
        {
            for (var i = 0; i < Targets; i++)
            {
                c.Label(ref targets[i]);
                c.add(rbx, i);
                c.ret();
            }
        });
    }

    private static void Strings(Assembler c)
    {
        c.mov(edi, Data);
        c.mov(ecx, 512);
        c.mov(eax, ebp);
        c.rep.stosq();
        c.mov(esi, Data);
        c.mov(edi, Data + 0x10000);
        c.mov(ecx, 4096);
        c.rep.movsb();
        c.mov(esi, Data);
        c.mov(edi, Data + 0x10000);
        c.mov(ecx, 512);
        c.repe.cmpsq();
    }

    // The loop goes on in ring 3, where it can end too: there is no I/O bitmap, but IOPL is 3.
    private static void EnterUser(Assembler c)
    {
        var user = c.CreateLabel();
        c.push(TcgGuest.UserData);
        c.push((int)TcgGuest.StackTop - 0x1000);
        c.push(0x3002);
        c.push(TcgGuest.UserCode);
        c.lea(rax, __[user]);
        c.push(rax);
        c.iretq();
        c.Label(ref user);
        c.nop();
    }

    private static void PrepareVectors(Assembler c)
    {
        c.mov(ecx, Data);
        c.mov(eax, 0x3f800000);
        for (var i = 0; i < 8; i++)
            c.mov(__dword_ptr[rcx + 4 * i], eax);
        c.movaps(xmm0, __xmmword_ptr[rcx]);
        c.movaps(xmm1, __xmmword_ptr[rcx + 16]);
        c.movaps(xmm2, xmm0);
        c.movaps(xmm3, xmm1);
    }

    private static void VectorIntegers(Assembler c)
    {
        c.paddd(xmm0, xmm1);
        c.pxor(xmm2, xmm0);
        c.movdqa(xmm3, xmm2);
        c.psubq(xmm1, xmm3);
        c.movdqa(__xmmword_ptr[rcx + 32], xmm3);
        c.por(xmm0, __xmmword_ptr[rcx]);
    }

    private static void VectorFloats(Assembler c)
    {
        c.mulps(xmm2, xmm3);
        c.addsd(xmm0, xmm1);
        c.mulsd(xmm0, xmm3);
        c.addps(xmm1, xmm3);
    }
}
