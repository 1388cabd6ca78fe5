using System.Buffers.Binary;
using System.Text;

namespace Gauntlet.Harness.Measuring;

/// <summary>
/// Function symbols of an ELF file (System V ABI, chapter 4; 32 and 64 bit, little-endian), to tell where a guest's program counter points.
/// </summary>
public sealed class ElfSymbols
{
    private const int MaxSymbols = 1 << 20;

    private const long MaxFileBytes = 256L << 20;

    private const uint SectionSymbolTable = 2;

    private readonly ulong[] _addresses;
    private readonly Symbol[] _symbols;

    private ElfSymbols(List<Symbol> symbols)
    {
        _symbols = [.. symbols.OrderBy(s => s.Address).ThenByDescending(s => s.Size)];
        _addresses = [.. _symbols.Select(s => s.Address)];
    }

    private readonly record struct Symbol(ulong Address, ulong Size, string Name);

    public int Count => _symbols.Length;

    /// <summary>The symbols of a file; null when it cannot be read, is not such a file, or was stripped. Never throws for what the file holds.</summary>
    public static ElfSymbols? TryLoad(string path)
    {
        try
        {
            if (new FileInfo(path) is not { Exists: true, Length: <= MaxFileBytes })
                return null;
            return TryParse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>As <see cref="TryLoad"/>, of a file's bytes.</summary>
    public static ElfSymbols? TryParse(ReadOnlySpan<byte> file)
    {
        try
        {
            var symbols = Parse(file);
            return symbols.Count == 0 ? null : new ElfSymbols(symbols);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or OverflowException)
        {
            // An offset pointed outside the file.
            return null;
        }
    }

    /// <summary><c>main+0x1c</c>; null when the address is before the first symbol, or far beyond the last one's end.</summary>
    public string? Name(ulong address)
    {
        const ulong beyond = 64 << 10;
        var index = Array.BinarySearch(_addresses, address);
        if (index < 0)
            index = ~index - 1;
        if (index < 0)
            return null;
        while (index > 0 && _addresses[index - 1] == _addresses[index])
            index--;
        var symbol = _symbols[index];
        var offset = address - symbol.Address;
        if (offset > Math.Max(symbol.Size, beyond))
            return null;
        return offset == 0 ? symbol.Name : $"{symbol.Name}+0x{offset:x}";
    }

    private static List<Symbol> Parse(ReadOnlySpan<byte> file)
    {
        var symbols = new List<Symbol>();
        if (file.Length < 52 || !file[..4].SequenceEqual("\u007fELF"u8) || file[5] != 1)
            return symbols;
        var wide = file[4] == 2;
        var sections = checked((int)(wide ? U64(file, 0x28) : U32(file, 0x20)));
        int entrySize = U16(file, wide ? 0x3a : 0x2e), count = U16(file, wide ? 0x3c : 0x30);
        for (var i = 0; i < count; i++)
        {
            var header = file[checked(sections + i * entrySize)..];
            if (U32(header, 4) != SectionSymbolTable)
                continue;
            var table = Section(file, header, wide);
            var strings = Section(file, file[checked(sections + (int)U32(header, wide ? 0x28 : 0x18) * entrySize)..], wide);
            ReadTable(table, strings, wide, symbols);
        }
        return symbols;
    }

    private static void ReadTable(ReadOnlySpan<byte> table, ReadOnlySpan<byte> strings, bool wide, List<Symbol> symbols)
    {
        var entrySize = wide ? 24 : 16;
        for (; table.Length >= entrySize && symbols.Count < MaxSymbols; table = table[entrySize..])
        {
            var name = U32(table, 0);
            var (address, size, info, section) = wide
                ? (U64(table, 8), U64(table, 16), table[4], U16(table, 6))
                : (U32(table, 4), U32(table, 8), table[12], U16(table, 14));
            // Type 0 (none) is what assembly labels have, 2 is a function. Section 0: undefined here.
            if ((info & 0xf) is not (0 or 2) || section == 0 || name == 0 || name >= (uint)strings.Length)
                continue;
            var text = strings[(int)name..];
            var end = text.IndexOf((byte)0);
            if (end > 0 && text[0] != '$')
                symbols.Add(new Symbol(address, size, Encoding.UTF8.GetString(text[..end])));
        }
    }

    private static ReadOnlySpan<byte> Section(ReadOnlySpan<byte> file, ReadOnlySpan<byte> header, bool wide)
    {
        var offset = checked((int)(wide ? U64(header, 0x18) : U32(header, 0x10)));
        var size = checked((int)(wide ? U64(header, 0x20) : U32(header, 0x14)));
        return file.Slice(offset, size);
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
