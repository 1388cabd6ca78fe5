using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Harness.Measuring;

namespace Gauntlet.Harness.Tests.Measuring;

public sealed class MeasuringTests
{
    [Fact]
    public void A_symbol_is_named_with_the_offset_into_it()
    {
        var symbols = ElfSymbols.TryParse(TinyElf.Build([0xeb, 0xfe], 0x100000, ("start", 0x100000), ("spin", 0x100010)))!;
        Assert.Equal("start", symbols.Name(0x100000));
        Assert.Equal("start+0xf", symbols.Name(0x10000f));
        Assert.Equal("spin+0x2", symbols.Name(0x100012));
        Assert.Null(symbols.Name(0xfffff));
        Assert.Null(symbols.Name(0x100010 + (1 << 20)));
    }

    [Fact]
    public void No_bytes_make_the_reader_throw()
    {
        var good = TinyElf.Build([0x90], 0x100000, ("start", 0x100000), ("end", 0x100001));
        var mutated = Gen.Choose(0, good.Length - 1).Zip(Gen.Choose(0, 255)).ArrayOf().Zip(Gen.Choose(0, good.Length)).Select(change =>
        {
            var bytes = good.ToArray();
            foreach (var (at, value) in change.Item1)
                bytes[at] = (byte)value;
            return bytes[..change.Item2];
        });
        Prop.ForAll(Arb.From(mutated), bytes =>
        {
            var symbols = ElfSymbols.TryParse(bytes);
            symbols?.Name(0x100000);
            return true;
        }).Holds();
    }

    [Fact]
    public void A_file_that_is_not_there_or_no_elf_has_no_symbols()
    {
        Assert.Null(ElfSymbols.TryLoad("/no/such/file"));
        Assert.Null(ElfSymbols.TryLoad("/etc/passwd"));
    }

    [Fact]
    public void This_process_has_used_some_of_everything()
    {
        var usage = ProcessTree.Sample(Environment.ProcessId);
        Assert.True(usage.Cpu > TimeSpan.Zero);
        Assert.True(usage.ResidentBytes > 10 << 20);
        Assert.True(usage.Delayed >= TimeSpan.Zero);
    }

    [Fact]
    public void Children_count_and_what_is_gone_does_not()
    {
        using var child = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "while :; do :; done"]))!;
        try
        {
            TimeSpan before;
            do
                before = ProcessTree.Sample(child.Id).Cpu;
            while (before == TimeSpan.Zero);
            Assert.True(ProcessTree.Sample(Environment.ProcessId).Cpu >= before);
        }
        finally
        {
            child.Kill();
            child.WaitForExit();
        }
        Assert.Equal(default, ProcessTree.Sample(child.Id));
    }
}

/// <summary>An ELF32 executable for multiboot 1 that is a piece of machine code, with symbols.</summary>
internal static class TinyElf
{
    /// <param name="code">i386 instructions; they run right after the multiboot header, at <paramref name="address"/>.</param>
    public static byte[] Build(ReadOnlySpan<byte> code, uint address, params (string Name, uint Address)[] symbols)
    {
        const int elfHeader = 52, programHeader = 32, sectionHeader = 40, symbolEntry = 16, multiboot = 12;
        var strings = new List<byte> { 0 };
        var table = new byte[symbolEntry * (symbols.Length + 1)];
        for (var i = 0; i < symbols.Length; i++)
        {
            var entry = table.AsSpan(symbolEntry * (i + 1));
            Put32(entry, 0, (uint)strings.Count);
            Put32(entry, 4, symbols[i].Address);
            entry[12] = 2;
            entry[14] = 1;
            strings.AddRange(Encoding.ASCII.GetBytes(symbols[i].Name));
            strings.Add(0);
        }
        var text = elfHeader + programHeader;
        var textLength = multiboot + code.Length;
        var (tableAt, stringsAt) = (text + textLength, text + textLength + table.Length);
        var sectionsAt = stringsAt + strings.Count;
        var file = new byte[sectionsAt + 4 * sectionHeader];
        "\u007fELF\u0001\u0001\u0001"u8.CopyTo(file);
        Put16(file, 16, 2);
        Put16(file, 18, 3);
        Put32(file, 20, 1);
        Put32(file, 24, address);
        Put32(file, 28, elfHeader);
        Put32(file, 32, (uint)sectionsAt);
        Put16(file, 40, elfHeader);
        Put16(file, 42, programHeader);
        Put16(file, 44, 1);
        Put16(file, 46, sectionHeader);
        Put16(file, 48, 4);
        var load = file.AsSpan(elfHeader);
        Put32(load, 0, 1);
        Put32(load, 4, (uint)text);
        Put32(load, 8, address - multiboot);
        Put32(load, 12, address - multiboot);
        Put32(load, 16, (uint)textLength);
        Put32(load, 20, (uint)textLength);
        Put32(load, 24, 7);
        Put32(load, 28, 4);
        Put32(file.AsSpan(text), 0, 0x1badb002);
        Put32(file.AsSpan(text), 8, unchecked(0u - 0x1badb002));
        code.CopyTo(file.AsSpan(text + multiboot));
        table.CopyTo(file, tableAt);
        strings.CopyTo(file, stringsAt);
        Section(1, 1, text, textLength, 0);
        Section(2, 2, tableAt, table.Length, 3);
        Section(3, 3, stringsAt, strings.Count, 0);
        return file;

        void Section(int index, uint type, int offset, int size, uint link)
        {
            var header = file.AsSpan(sectionsAt + index * sectionHeader);
            Put32(header, 4, type);
            Put32(header, 16, (uint)offset);
            Put32(header, 20, (uint)size);
            Put32(header, 24, link);
        }
    }

    private static void Put16(Span<byte> bytes, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes[at..], value);

    private static void Put32(Span<byte> bytes, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[at..], value);
}
