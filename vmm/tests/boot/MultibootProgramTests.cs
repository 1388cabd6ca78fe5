using System.Buffers.Binary;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>Multiboot Specification 0.6.96, and what kernels made against QEMU expect beyond it.</summary>
public sealed class MultibootProgramTests : IDisposable
{
    private const uint Load = 0x100000, Entry = 0x100020;

    private readonly GuestMemory _memory = new([new GuestRam("low", 0, 0xa0000), new GuestRam("high", 0x100000, 0x700000)]);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void An_elf_kernel_is_loaded_at_its_physical_addresses_with_its_bss_cleared()
    {
        Assert.True(_memory.TryWrite(Load + 64, new byte[] { 0xff, 0xff }));
        var state = Start(ElfKernel(memoryBytes: 0x2000));
        Assert.Equal(Entry, state.Rip);
        Assert.Equal("KERNEL"u8.ToArray(), Bytes(Load + 12, 6));
        Assert.Equal([0, 0], Bytes(Load + 64, 2));
    }

    [Fact]
    public void The_entry_state_is_flat_32_bit_protected_mode_with_the_magic_and_the_information()
    {
        var state = Start(ElfKernel());
        Assert.Equal(0x2badb002UL, state.Gpr[0]);
        Assert.Equal(0x9500UL, state.Gpr[3]);
        Assert.Equal(0x11UL, state.Cr0);
        Assert.Equal(0UL, state.Rflags & 0x200);
        Assert.Equal(new X86Segment(0x08, 0, 0xffffffff, 0xc09b), state.Cs);
        Assert.All((X86Segment[])[state.Ds, state.Es, state.Fs, state.Gs, state.Ss], s => Assert.Equal(new X86Segment(0x10, 0, 0xffffffff, 0xc093), s));
    }

    [Fact]
    public void The_information_tells_memory_command_line_modules_and_map()
    {
        Start(ElfKernel(), "kernel one two", new BootModule("environment"u8.ToArray(), "env.txt arg"));
        Assert.Equal(0x24fu, Word(0x9500));
        Assert.Equal(639u, Word(0x9504));
        Assert.Equal(0x700000u / 1024, Word(0x9508));
        Assert.Equal("kernel one two", Text(Word(0x9510)));
        Assert.Equal(1u, Word(0x9514));
        var module = Word(0x9518);
        Assert.Equal("environment"u8.ToArray(), Bytes(Word(module), (int)(Word(module + 4) - Word(module))));
        Assert.Equal(0u, Word(module) % 4096);
        Assert.Equal("env.txt arg", Text(Word(module + 8)));

        var (length, at) = (Word(0x952c), Word(0x9530));
        var ram = 0UL;
        for (var entry = at; entry < at + length; entry += 24)
        {
            Assert.Equal(20u, Word(entry));
            if (Word(entry + 20) == 1)
                ram += Word(entry + 12);
        }
        Assert.Equal(0x9fc00UL + 0x700000, ram);
    }

    [Fact]
    public void Address_fields_load_an_image_that_is_not_elf()
    {
        var image = new byte[0x100];
        PutHeader(image, 0x20, 1 << 16, [Load + 0x20, Load, 0, 0, Load + 0x40]);
        image[0x40] = 0xf4;
        var state = Start(image);
        Assert.Equal(Load + 0x40UL, state.Rip);
        Assert.Equal([0xf4], Bytes(Load + 0x40, 1));
    }

    [Fact]
    public void A_kernel_that_loads_over_the_information_overwrites_it()
    {
        var image = ElfKernel(address: 0x9000, memoryBytes: 0x1000);
        Start(image);
        Assert.NotEqual(0x24fu, Word(0x9500));
        Assert.Equal("KERNEL"u8.ToArray(), Bytes(0x900c, 6));
    }

    [Theory]
    [InlineData(4u, "video mode")]
    [InlineData(0x10u, "requirement bits 0x10")]
    public void Requirements_that_cannot_be_met_are_refused(uint flags, string reason)
    {
        var image = ElfKernel();
        PutHeader(image, 0x54, flags, []);
        Assert.Contains(reason, Refusal(image), StringComparison.Ordinal);
    }

    [Fact]
    public void A_64_bit_elf_image_is_refused_with_what_to_do()
    {
        var image = ElfKernel();
        image[4] = 2;
        Assert.Contains("objcopy -O elf32-i386", Refusal(image), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_without_a_header_is_refused()
    {
        Assert.Contains("no multiboot header", Refusal("not a kernel"u8.ToArray()), StringComparison.Ordinal);
        Assert.Contains("no multiboot header", Refusal([]), StringComparison.Ordinal);
        var late = new byte[0x4000];
        PutHeader(late, 8192, 0, []);
        Assert.Contains("no multiboot header", Refusal(late), StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_or_module_that_does_not_fit_says_to_give_more_memory()
    {
        Assert.Contains("-m", Refusal(ElfKernel(memoryBytes: 0x10_0000_0)), StringComparison.Ordinal);
        var error = Assert.Throws<BootException>(() => Start(ElfKernel(), "k", new BootModule(new byte[0x800000], "big")));
        Assert.Contains("-m", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_image_is_loaded_or_refused_and_nothing_else()
    {
        var mutation = from flips in Gen.NonEmptyListOf(Gen.Choose(0, 0x9f * 8))
                       from extra in ArbMap.Default.GeneratorFor<uint[]>()
                       from cut in Gen.Choose(0, 0x400)
                       select (flips, extra, cut);
        Prop.ForAll(mutation.ToArbitrary(), m =>
        {
            foreach (var image in (byte[][])[ElfKernel(), AddressedKernel()])
            {
                foreach (var bit in m.flips)
                    image[bit / 8] ^= (byte)(1 << bit % 8);
                for (var i = 0; i < m.extra.Length && i < 8; i++)
                    BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(28 + i * 8), m.extra[i]);
                Try(image);
                Try(image.AsSpan(0, Math.Min(m.cut, image.Length)).ToArray());
            }
        }).Holds(300);

        void Try(byte[] image)
        {
            try
            {
                Start(image);
            }
            catch (BootException)
            {
                // A clear refusal is one of the two right answers.
            }
        }
    }

    [Fact]
    public void A_flat_binary_starts_in_real_mode_at_1000_0000()
    {
        var state = default(X86State);
        new FlatProgram("flat.bin", [0xb0, 0x01, 0xf4]).Start(_memory, ref state);
        Assert.Equal((0x1000, 0x10000UL, 0UL), ((int)state.Cs.Selector, state.Cs.Base, state.Rip));
        Assert.Equal([0xb0, 0x01, 0xf4], Bytes(0x10000, 3));
        Assert.Throws<BootException>(() => new FlatProgram("empty.bin", []));
        Assert.Throws<BootException>(() => new FlatProgram("huge.bin", new byte[0x90000]));
    }

    private X86State Start(byte[] image, string commandLine = "kernel", params BootModule[] modules)
    {
        var state = default(X86State);
        new MultibootProgram("test.elf", image, commandLine, modules).Start(_memory, ref state);
        return state;
    }

    private string Refusal(byte[] image)
    {
        var error = Assert.Throws<BootException>(() => Start(image));
        Assert.StartsWith("could not load kernel 'test.elf': ", error.Message, StringComparison.Ordinal);
        return error.Message;
    }

    // ELF header, one program header, then the segment: the multiboot header and a word to be found again.
    private static byte[] ElfKernel(uint address = Load, uint memoryBytes = 0x40)
    {
        var image = new byte[0xa0];
        "\u007fELF\u0001\u0001\u0001"u8.CopyTo(image);
        Put16(16, 2);
        Put16(18, 3);
        Put32(24, address + 0x20);
        Put32(28, 52);
        Put16(42, 32);
        Put16(44, 1);
        Put32(52, 1);
        Put32(56, 0x54);
        Put32(64, address);
        Put32(68, 0x40);
        Put32(72, memoryBytes);
        PutHeader(image, 0x54, 0, []);
        "KERNEL"u8.CopyTo(image.AsSpan(0x60));
        return image;

        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(offset), value);
        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset), value);
    }

    private static byte[] AddressedKernel()
    {
        var image = new byte[0x100];
        PutHeader(image, 0x20, 1 << 16, [Load + 0x20, Load, Load + 0x80, Load + 0x200, Load + 0x40]);
        return image;
    }

    private static void PutHeader(byte[] image, int offset, uint flags, ReadOnlySpan<uint> fields)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset), 0x1badb002);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset + 4), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset + 8), unchecked(0u - 0x1badb002 - flags));
        for (var i = 0; i < fields.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset + 12 + i * 4), fields[i]);
    }

    private byte[] Bytes(ulong address, int count)
    {
        var bytes = new byte[count];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }

    private uint Word(ulong address) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(address, 4));

    private string Text(ulong address)
    {
        var bytes = Bytes(address, 256);
        return Encoding.UTF8.GetString(bytes, 0, Array.IndexOf(bytes, (byte)0));
    }
}
