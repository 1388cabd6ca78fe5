using System.Buffers.Binary;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Bench.Tcg;

/// <summary>
/// A multiboot image (with address fields, so that no ELF is needed) that enters 64-bit mode and runs one loop a number of times, then ends the
/// machine by isa-debug-exit. The first GiB is mapped one to one by 2-MiB pages, for ring 3 too; above it nothing is mapped.
/// </summary>
internal static class TcgGuest
{
    /// <summary>Free memory for loops, and the top of the stack.</summary>
    public const uint Data = 0x800000, StackTop = 0x300000;

    /// <summary>The first address without a page.</summary>
    public const uint Unmapped = 0x40000000;

    public const ushort UserCode = 0x23, UserData = 0x1b;

    private const uint Base = 0x100000, Entry = Base + 0x40, Code = Base + 0x1000, Pml4 = Base + 0x4000, Pdpt = Base + 0x5000, Pd = Base + 0x6000,
        Gdt = Base + 0x7000, GdtPointer = Base + 0x7100, IdtPointer = Base + 0x7200, Idt = Base + 0x8000, End = Base + 0x9000;

    private const ulong PresentWritableUser = 7, Large = 0x80;
    private const uint Efer = 0xc0000080, Star = 0xc0000081, Lstar = 0xc0000082, Sfmask = 0xc0000084;

    private static readonly ulong[] s_gdt = [0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff];

    /// <param name="turns">Of the loop; with 0 the machine only starts and ends.</param>
    public static byte[] Assemble(TcgLoop loop, int turns)
    {
        var image = new byte[End - Base];
        uint[] header = [0x1badb002, 1 << 16, unchecked(0 - 0x1badb002u - (1 << 16)), Base, Base, End, End, Entry];
        for (var i = 0; i < header.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(4 * i), header[i]);
        Write(image, 32, Entry, EnterLongMode);
        WriteQword(image, Pml4, Pdpt | PresentWritableUser);
        WriteQword(image, Pdpt, Pd | PresentWritableUser);
        for (var i = 0u; i < 512; i++)
            WriteQword(image, Pd + 8 * i, (ulong)i << 21 | Large | PresentWritableUser);
        for (var i = 0; i < s_gdt.Length; i++)
            WriteQword(image, Gdt + 8 * (uint)i, s_gdt[i]);
        WritePointer(image, GdtPointer, Gdt, (ushort)(8 * s_gdt.Length - 1));
        WritePointer(image, IdtPointer, Idt, 0xfff);
        Write(image, 64, Code, c => Run(c, loop, turns));
        return image;
    }

    private static void EnterLongMode(Assembler c)
    {
        c.lgdt(__[GdtPointer]);
        // PAE, OSFXSR, OSXMMEXCPT
        c.mov(eax, 0x620);
        c.mov(cr4, eax);
        c.mov(eax, Pml4);
        c.mov(cr3, eax);
        c.mov(ecx, Efer);
        // LME, SCE
        c.mov(eax, 0x101);
        c.xor(edx, edx);
        c.wrmsr();
        // PG, NE, ET, MP, PE
        c.mov(eax, 0x80000033);
        c.mov(cr0, eax);
        // jmp far 8:Code
        c.db(0xea, (byte)(Code & 0xff), (byte)(Code >> 8 & 0xff), (byte)(Code >> 16 & 0xff), 0, 8, 0);
    }

    private static void Run(Assembler c, TcgLoop loop, int turns)
    {
        Label end = c.CreateLabel(), body = c.CreateLabel(), onPageFault = c.CreateLabel(), onSyscall = c.CreateLabel();
        c.mov(eax, 0x10);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ss, ax);
        c.mov(rsp, (ulong)StackTop);
        c.lidt(__[IdtPointer]);
        // The gate of vector 14, whose handler's address only the assembler knows.
        c.lea(rax, __[onPageFault]);
        c.mov(__word_ptr[Idt + 14 * 16], ax);
        c.mov(__word_ptr[Idt + 14 * 16 + 2], 8);
        c.mov(__word_ptr[Idt + 14 * 16 + 4], unchecked((short)0x8e00));
        c.shr(eax, 16);
        c.mov(__word_ptr[Idt + 14 * 16 + 6], ax);
        WriteMsr(c, Star, (ulong)(0x10 | 3) << 48 | 8ul << 32);
        c.lea(rax, __[onSyscall]);
        c.xor(edx, edx);
        c.mov(ecx, Lstar);
        c.wrmsr();
        WriteMsr(c, Sfmask, 0);
        loop.Prepare(c);
        c.mov(ebp, turns);
        c.test(ebp, ebp);
        c.jz(end);
        c.Label(ref body);
        loop.Turn(c);
        c.dec(ebp);
        c.jnz(body);
        c.Label(ref end);
        c.xor(eax, eax);
        c.@out(0xf4, al);
        c.hlt();
        // The instruction that faulted is three bytes long.
        c.Label(ref onPageFault);
        c.add(__qword_ptr[rsp + 8], 3);
        c.add(rsp, 8);
        c.iretq();
        c.Label(ref onSyscall);
        c.inc(rbx);
        c.sysretq();
        loop.Functions(c);
    }

    private static void WriteMsr(Assembler c, uint msr, ulong value)
    {
        c.mov(ecx, msr);
        c.mov(eax, (uint)value);
        c.mov(edx, (uint)(value >> 32));
        c.wrmsr();
    }

    private static void Write(byte[] image, int bitness, uint address, Action<Assembler> program)
    {
        var assembler = new Assembler(bitness);
        program(assembler);
        var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), address);
        stream.ToArray().CopyTo(image, address - Base);
    }

    private static void WriteQword(byte[] image, uint address, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan((int)(address - Base)), value);

    private static void WritePointer(byte[] image, uint address, uint table, ushort limit)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan((int)(address - Base)), limit);
        WriteQword(image, address + 2, table);
    }
}
