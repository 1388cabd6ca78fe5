using System.Buffers.Binary;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>Linux, Documentation/arch/x86/boot.rst.</summary>
public sealed class LinuxProgramTests
{
    private const int RamBytes = 32 << 20;
    private const uint Parameters = 0x10000;

    [Fact]
    public void It_is_loaded_high_and_entered_in_long_mode_at_the_64_bit_entry()
    {
        using var memory = NewMemory();
        var state = Start(new LinuxProgram("bzImage", NewImage(), "console=ttyS0", []), memory);
        Assert.Equal(0x100200UL, state.Rip);
        Assert.Equal(Parameters, state.Gpr[6]);
        Assert.Equal(0x500UL, state.Efer);
        Assert.Equal(0x80000001UL, state.Cr0 & 0x80000001);
        Assert.Equal([0xf4], Bytes(memory, 0x100200, 1));
        // The page tables map the first and the last of 4 GiB to themselves.
        Assert.Equal(0x1000UL, Translate(memory, state.Cr3, 0x1000));
        Assert.Equal(0xfee00123UL, Translate(memory, state.Cr3, 0xfee00123));
    }

    [Fact]
    public void The_boot_parameters_hold_header_command_line_memory_map_and_initrd()
    {
        using var memory = NewMemory();
        byte[] initrd = [1, 2, 3, 4, 5];
        Assert.True(memory.TryLoad(AcpiTables.RsdpAddress, "RSD PTR "u8));
        Start(new LinuxProgram("bzImage", NewImage(), "quiet", initrd), memory);
        var page = Bytes(memory, Parameters, 4096);
        Assert.Equal("HdrS", Encoding.ASCII.GetString(page, 0x202, 4));
        Assert.Equal(0xff, page[0x210]);
        Assert.Equal("quiet\0", Encoding.ASCII.GetString(Bytes(memory, U32(page, 0x228), 6)));
        Assert.Equal(initrd, Bytes(memory, U32(page, 0x218), (int)U32(page, 0x21c)));
        Assert.Equal(0u, U32(page, 0x218) & 0xfff);
        Assert.Equal(AcpiTables.RsdpAddress, BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan(0x70)));
        Assert.Equal(MemoryMap.Of(memory).Count, page[0x1e8]);
        Assert.Equal(MemoryMap.EbdaAddress, BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan(0x2d8)));
    }

    [Fact]
    public void What_it_cannot_start_is_told_with_the_reason()
    {
        Assert.Contains("not a bzImage", Refused(new byte[1000]), StringComparison.Ordinal);
        var old = NewImage();
        old[0x206] = 0;
        Assert.Contains("2.12", Refused(old), StringComparison.Ordinal);
        var narrow = NewImage();
        narrow[0x236] = 0;
        Assert.Contains("32-bit", Refused(narrow), StringComparison.Ordinal);
        Assert.Contains("command line", Refused(NewImage(), new string('x', 300)), StringComparison.Ordinal);
        using var memory = NewMemory();
        Assert.Contains("-m", Assert.Throws<BootException>(() => Start(new LinuxProgram("k", NewImage(), "", new byte[RamBytes]), memory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_images_are_refused_or_started_and_never_throw_anything_else()
    {
        using var memory = NewMemory();
        var damage = from at in Gen.Choose(0x1f0, 0x268)
                     from value in Gen.Elements<byte>(0, 1, 0x7f, 0x80, 0xff)
                     select (at, value);
        Prop.ForAll(damage.NonEmptyListOf().ToArbitrary(), Gen.Choose(0, 6000).ToArbitrary(), (all, length) =>
        {
            var image = NewImage();
            foreach (var (at, value) in all)
                image[at] = value;
            try
            {
                Start(new LinuxProgram("k", image[..Math.Min(length, image.Length)], "a", [1]), memory);
            }
            catch (BootException)
            {
            }
        }).Holds();
    }

    private static string Refused(byte[] image, string commandLine = "") => Assert.Throws<BootException>(() => new LinuxProgram("k", image, commandLine, [])).Message;

    private static GuestMemory NewMemory() => new([new GuestRam("low", 0, 0xa0000), new GuestRam("tables", 0xf0000, 0x10000), new GuestRam("ram", 0x100000, RamBytes - 0x100000)]);

    // Setup of one sector and a kernel that halts at its 64-bit entry.
    private static byte[] NewImage()
    {
        var image = new byte[5000];
        image[0x1f1] = 1;
        image[0x201] = 0x66;
        "HdrS"u8.CopyTo(image.AsSpan(0x202));
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(0x206), 0x20f);
        image[0x211] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x22c), 0x7fffffff);
        image[0x236] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x238), 255);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(0x258), 0x100000);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x260), 0x10000);
        image[1024 + 0x200] = 0xf4;
        return image;
    }

    private static X86State Start(LinuxProgram program, GuestMemory memory)
    {
        var state = default(X86State);
        program.Start(memory, ref state);
        return state;
    }

    private static ulong Translate(GuestMemory memory, ulong cr3, ulong address)
    {
        var entry = cr3;
        foreach (var shift in (int[])[39, 30, 21])
            entry = BinaryPrimitives.ReadUInt64LittleEndian(Bytes(memory, (entry & ~0xfffUL) + (address >> shift & 511) * 8, 8));
        Assert.Equal(0x83UL, entry & 0xfff);
        return (entry & ~0x1fffffUL) | (address & 0x1fffff);
    }

    private static byte[] Bytes(GuestMemory memory, ulong address, int count)
    {
        var bytes = new byte[count];
        Assert.True(memory.TryRead(address, bytes));
        return bytes;
    }

    private static uint U32(byte[] page, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(offset));
}
