using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Bench.Exits;

/// <summary>The kinds of exit that are measured; the names are those of the C program too.</summary>
public enum ExitKind
{
    Out,
    In,
    MmioWrite,
    MmioRead,
    Cpuid,
    Halt,
}

/// <summary>
/// Guests that do one thing for ever: 64 KiB images for address 0, entered in real mode at 0:<see cref="EntryPoint"/>. Each turn of their loop is one access
/// to <see cref="Port"/> or <see cref="MmioAddress"/>, at which the VMM counts.
/// </summary>
public static class ExitGuest
{
    public const int ImageBytes = 0x10000;
    public const ushort EntryPoint = 0x1000;
    public const ushort Port = 0x80;

    /// <summary>Just above the image's RAM.</summary>
    public const uint MmioAddress = 0x20000;

    /// <summary>The line that the VMM pulses at each turn of the <see cref="ExitKind.Halt"/> loop.</summary>
    public const int Line = 4;

    /// <summary>CPUID is answered inside KVM, so that only a run of them can be timed from outside.</summary>
    public const int CpuidsPerTurn = 16;

    private const ushort HandlerAddress = 0x2000, StackTop = 0x8000;
    private const byte FirstVector = 0x20;

    public static byte[] Assemble(ExitKind kind)
    {
        var image = new byte[ImageBytes];
        Put(image, EntryPoint, c => WriteLoop(c, kind));
        Put(image, HandlerAddress, c =>
        {
            c.mov(al, 0x20);
            c.@out(0x20, al);
            c.iret();
        });
        BitConverter.TryWriteBytes(image.AsSpan((FirstVector + Line) * 4), HandlerAddress);
        return image;
    }

    private static void WriteLoop(Assembler c, ExitKind kind)
    {
        c.xor(ax, ax);
        c.mov(ss, ax);
        c.mov(sp, (short)(StackTop - 2));
        c.mov(ax, (short)(MmioAddress >> 4));
        c.mov(ds, ax);
        ProgramPic(c);
        var again = c.CreateLabel();
        c.Label(ref again);
        switch (kind)
        {
            case ExitKind.Out:
                c.@out((byte)Port, al);
                break;
            case ExitKind.In:
                c.@in(al, (byte)Port);
                break;
            case ExitKind.MmioWrite:
                c.mov(__dword_ptr[0], eax);
                break;
            case ExitKind.MmioRead:
                c.mov(eax, __dword_ptr[0]);
                break;
            case ExitKind.Cpuid:
                for (var i = 0; i < CpuidsPerTurn; i++)
                {
                    c.xor(eax, eax);
                    c.cpuid();
                }

                c.@out((byte)Port, al);
                break;
            case ExitKind.Halt:
                // The interrupt that the write brings waits for HLT: STI holds it off for one instruction.
                c.cli();
                c.@out((byte)Port, al);
                c.sti();
                c.hlt();
                break;
        }

        c.jmp(again);
    }

    private static void ProgramPic(Assembler c)
    {
        foreach (var (port, value) in (ReadOnlySpan<(byte, byte)>)[(0x20, 0x11), (0x21, FirstVector), (0x21, 4), (0x21, 1), (0x21, 0xff & ~(1 << Line))])
        {
            c.mov(al, value);
            c.@out(port, al);
        }
    }

    private static void Put(byte[] image, ushort address, Action<Assembler> write)
    {
        var assembler = new Assembler(16);
        write(assembler);
        using var code = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(code), address);
        code.ToArray().CopyTo(image, address);
    }
}
