using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>What a machine's SMBIOS structures tell of it.</summary>
public sealed record SmbiosContent
{
    /// <summary>The machine's name, told as the product.</summary>
    public required string Product { get; init; }

    public Guid Uuid { get; init; }

    public int CpuCount { get; init; } = 1;

    public required ulong RamBytes { get; init; }

    /// <summary>RAM below 4 GiB; the rest is from there.</summary>
    public required ulong LowRamBytes { get; init; }

    /// <summary>Fields that were chosen, by structure type and by the names that <c>-smbios</c> has for them.</summary>
    public IReadOnlyDictionary<SmbiosField, string> Fields { get; init; } = new Dictionary<SmbiosField, string>();

    /// <summary>Strings of type 11, in order.</summary>
    public IReadOnlyList<string> OemStrings { get; init; } = [];
}

/// <summary>A field of a structure type, by the name that <c>-smbios</c> has for it.</summary>
public sealed record SmbiosField(int Type, string Name);

/// <summary>The System Management BIOS structures of a machine, and both entry points by which they are found.</summary>
/// <remarks>
/// DMTF DSP0134 (SMBIOS Reference Specification) 3.0, 5.2.1 and 5.2.2 (entry points, on 16 bytes from 0xf0000), 6.1.2 and 6.1.3 (structures, strings), 7.1
/// (BIOS), 7.2 (system), 7.3 (baseboard), 7.4 (enclosure), 7.5 (processor), 7.12 (OEM strings), 7.17 (memory array), 7.18 (memory device), 7.20 (mapped
/// array), 7.33 (boot information), 7.45 (end).
/// </remarks>
public sealed class SmbiosTables
{
    /// <summary>Where they are put when no firmware does; ACPI tables are before them.</summary>
    public const ulong Address = 0xf8000;

    /// <summary>Most characters of a string.</summary>
    public const int MaxTextBytes = 255;

    private const int Entry21Bytes = 31, Entry30Bytes = 24;
    private const ulong Entry30Address = Address + 0x20, StructuresAddress = Address + 0x40;
    private const int MaxBytes = (int)(MemoryMap.OneMiB - StructuresAddress);
    private const ulong DimmBytes = 16UL << 30, KiB = 1 << 10, MiB = 1 << 20;
    private const ushort NoHandle = 0xfffe, EnclosureHandle = 0x300, ArrayHandle = 0x1000;
    private const byte Other = 1, Unknown = 2, Safe = 3;

    private readonly List<byte> _structures = [];
    private readonly SmbiosContent _content;
    private int _count, _longest;

    /// <exception cref="BootException">They take more than there is room for.</exception>
    public SmbiosTables(SmbiosContent content)
    {
        _content = content;
        PutBios();
        PutSystem();
        if (HasChosen(2))
            PutBaseboard();
        PutEnclosure();
        PutProcessor();
        if (content.OemStrings.Count > 0)
            Put(11, 0xe00, [(byte)content.OemStrings.Count], content.OemStrings);
        PutMemory();
        Put(32, 0x2000, new byte[7], []);
        Put(127, 0x7f00, [], []);
        if (_structures.Count > MaxBytes)
            throw new BootException($"SMBIOS structures of {_structures.Count} bytes, where {MaxBytes} fit: give shorter strings with -smbios");
    }

    /// <summary>All structures, the end among them.</summary>
    public byte[] Structures => [.. _structures];

    /// <summary>The entry point of 2.1, for 32-bit addresses.</summary>
    /// <param name="address">Where the structures are; 0: firmware will say.</param>
    public byte[] Entry21(uint address)
    {
        var entry = new byte[Entry21Bytes];
        "_SM_"u8.CopyTo(entry);
        (entry[5], entry[6], entry[7]) = (Entry21Bytes, 2, 8);
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(8), (ushort)_longest);
        "_DMI_"u8.CopyTo(entry.AsSpan(16));
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(22), (ushort)_structures.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(24), address);
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(28), (ushort)_count);
        entry[30] = 0x28;
        entry[21] = ChecksumOf(entry.AsSpan(16));
        entry[4] = ChecksumOf(entry);
        return entry;
    }

    /// <summary>Puts structures and both entry points into memory, as firmware does.</summary>
    /// <exception cref="BootException">There is no RAM.</exception>
    public void Write(GuestMemory memory)
    {
        var entry = new byte[Entry30Bytes];
        "_SM3_"u8.CopyTo(entry);
        (entry[6], entry[7], entry[8], entry[10]) = (Entry30Bytes, 3, 0, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(12), (uint)_structures.Count);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(16), StructuresAddress);
        entry[5] = ChecksumOf(entry);
        if (!memory.TryLoad(Address, Entry21((uint)StructuresAddress)) || !memory.TryLoad(Entry30Address, entry) || !memory.TryLoad(StructuresAddress, Structures))
            throw new BootException($"there is no RAM at 0x{Address:x} for the SMBIOS structures");
    }

    private static byte ChecksumOf(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (var value in bytes)
            sum += value;
        return (byte)-sum;
    }

    private bool HasChosen(int type)
    {
        foreach (var (field, _) in _content.Fields)
        {
            if (field.Type == type)
                return true;
        }
        return false;
    }

    private string Text(int type, string field, string absent = "") => _content.Fields.TryGetValue(new SmbiosField(type, field), out var text) ? text : absent;

    private void PutBios()
    {
        var body = new byte[0x14];
        (body[0], body[1], body[4]) = (1, 2, 3);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(2), 0xe800);
        // Characteristics are not told; a virtual machine, with or without UEFI.
        (body[6], body[15]) = (8, (byte)(1 << 2 | 1 << 4 | (Text(0, "uefi") == "on" ? 1 << 3 : 0)));
        var (major, minor) = ReleaseOf(Text(0, "release", "0.0"));
        (body[16], body[17], body[18], body[19]) = (major, minor, 0xff, 0xff);
        Put(0, 0, body, [Text(0, "vendor", "GVMM"), Text(0, "version", "0"), Text(0, "date", "01/01/2026")]);
    }

    private static (byte Major, byte Minor) ReleaseOf(string text)
    {
        var parts = text.Split('.');
        return parts.Length == 2 && byte.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var major) && byte.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var minor)
            ? (major, minor)
            : throw new BootException($"-smbios type=0,release={text}: give it as MAJOR.MINOR, each at most 255");
    }

    private void PutSystem()
    {
        var body = new byte[0x17];
        (body[0], body[1], body[2], body[3], body[20], body[21], body[22]) = (1, 2, 3, 4, 6, 5, 6);
        var uuid = Text(1, "uuid") is { Length: > 0 } text
            ? Guid.TryParseExact(text, "D", out var chosen) ? chosen : throw new BootException($"-smbios type=1,uuid={text}: not a UUID")
            : _content.Uuid;
        // 7.2.1: the first three fields are little endian.
        uuid.ToByteArray().CopyTo(body, 4);
        Put(1, 0x100, body, [Text(1, "manufacturer", "Gauntlet"), Text(1, "product", _content.Product), Text(1, "version", "gvmm"), Text(1, "serial"), Text(1, "sku"), Text(1, "family")]);
    }

    private void PutBaseboard()
    {
        var body = new byte[0x0b];
        // A hosting board; a motherboard.
        (body[0], body[1], body[2], body[3], body[4], body[5], body[6], body[9]) = (1, 2, 3, 4, 5, 1, 6, 0xa);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(7), EnclosureHandle);
        Put(2, 0x200, body, [Text(2, "manufacturer", "Gauntlet"), Text(2, "product", _content.Product), Text(2, "version"), Text(2, "serial"), Text(2, "asset"), Text(2, "location")]);
    }

    private void PutEnclosure()
    {
        var body = new byte[0x12];
        (body[0], body[1], body[2], body[3], body[4], body[5], body[6], body[7], body[8], body[17]) = (1, Other, 2, 3, 4, Safe, Safe, Safe, Unknown, 5);
        Put(3, EnclosureHandle, body, [Text(3, "manufacturer", "Gauntlet"), Text(3, "version", "gvmm"), Text(3, "serial"), Text(3, "asset"), Text(3, "sku")]);
    }

    // One socket with all CPUs as cores: what its byte cannot hold is in the field of 3.0.
    private void PutProcessor()
    {
        const ushort socketMHz = 2000;
        const byte central = 3, populatedEnabled = 0x41;
        var body = new byte[0x2c];
        (body[0], body[1], body[2], body[3], body[12]) = (1, central, Other, 2, 3);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(16), socketMHz);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(18), socketMHz);
        (body[20], body[21]) = (populatedEnabled, Other);
        // No caches are told.
        body.AsSpan(22, 6).Fill(0xff);
        (body[28], body[29], body[30]) = (4, 5, 6);
        var cores = (byte)Math.Min(_content.CpuCount, byte.MaxValue);
        (body[31], body[32], body[33]) = (cores, cores, cores);
        (body[34], body[36]) = (Unknown, Other);
        for (var at = 38; at < 44; at += 2)
            BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(at), (ushort)_content.CpuCount);
        Put(4, 0x400, body, [Text(4, "sock_pfx", "CPU") + " 0", Text(4, "manufacturer", "Gauntlet"), Text(4, "version", "gvmm"), Text(4, "serial"), Text(4, "asset"), Text(4, "part")]);
    }

    private void PutMemory()
    {
        const byte systemMemory = 3, multiBitEcc = 6;
        var dimms = (int)((_content.RamBytes + DimmBytes - 1) / DimmBytes);
        var array = new byte[0x13];
        (array[0], array[1], array[2]) = (Other, systemMemory, multiBitEcc);
        var kib = _content.RamBytes / KiB;
        var isExtended = kib >= 0x80000000;
        BinaryPrimitives.WriteUInt32LittleEndian(array.AsSpan(3), isExtended ? 0x80000000 : (uint)kib);
        BinaryPrimitives.WriteUInt16LittleEndian(array.AsSpan(7), NoHandle);
        BinaryPrimitives.WriteUInt16LittleEndian(array.AsSpan(9), (ushort)dimms);
        BinaryPrimitives.WriteUInt64LittleEndian(array.AsSpan(11), isExtended ? _content.RamBytes : 0);
        Put(16, ArrayHandle, array, []);
        for (var i = 0; i < dimms; i++)
            PutDimm(i, Math.Min(DimmBytes, _content.RamBytes - (ulong)i * DimmBytes));
        PutMapped(0, 0, _content.LowRamBytes);
        if (_content.RamBytes > _content.LowRamBytes)
            PutMapped(1, 1UL << 32, _content.RamBytes - _content.LowRamBytes);
    }

    private void PutDimm(int index, ulong bytes)
    {
        const byte dimm = 9, ram = 7;
        var body = new byte[0x24];
        BinaryPrimitives.WriteUInt16LittleEndian(body, ArrayHandle);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(2), NoHandle);
        body.AsSpan(4, 4).Fill(0xff);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(8), (ushort)Math.Max(bytes / MiB, 1));
        (body[10], body[12], body[13], body[14], body[15]) = (dimm, 1, 2, ram, Unknown);
        if (ushort.TryParse(Text(17, "speed"), NumberStyles.None, CultureInfo.InvariantCulture, out var speed))
        {
            BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(17), speed);
            BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(28), speed);
        }
        (body[19], body[20], body[21], body[22]) = (3, 4, 5, 6);
        Put(17, (ushort)(0x1100 + index), body,
            [$"{Text(17, "loc_pfx", "DIMM")} {index}", Text(17, "bank"), Text(17, "manufacturer", "Gauntlet"), Text(17, "serial"), Text(17, "asset"), Text(17, "part")]);
    }

    // In KiB, both ends included, unless that does not fit 32 bits.
    private void PutMapped(int index, ulong start, ulong bytes)
    {
        var body = new byte[0x1b];
        var last = start + bytes - 1;
        var fits = last / KiB < uint.MaxValue;
        BinaryPrimitives.WriteUInt32LittleEndian(body, fits ? (uint)(start / KiB) : uint.MaxValue);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(4), fits ? (uint)(last / KiB) : uint.MaxValue);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(8), ArrayHandle);
        body[10] = 1;
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(11), fits ? 0 : start);
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(19), fits ? 0 : last);
        Put(19, (ushort)(0x1300 + index), body, []);
    }

    // String numbers in the body count from 1 in the order given. An empty string is none: its number becomes 0.
    private void Put(byte type, ushort handle, byte[] body, IReadOnlyList<string> strings)
    {
        var start = _structures.Count;
        _structures.AddRange([type, (byte)(body.Length + 4), (byte)handle, (byte)(handle >> 8)]);
        Span<byte> renumbered = stackalloc byte[strings.Count + 1];
        byte next = 0;
        for (var i = 0; i < strings.Count; i++)
            renumbered[i + 1] = strings[i].Length == 0 ? (byte)0 : ++next;
        var fields = StringFieldsOf(type);
        for (var i = 0; i < body.Length; i++)
            _structures.Add(fields.IndexOf((byte)i) >= 0 ? renumbered[body[i]] : body[i]);
        foreach (var text in strings)
        {
            if (text.Length > 0)
                _structures.AddRange([.. Encoding.UTF8.GetBytes(text), 0]);
        }
        _structures.AddRange(next == 0 ? [0, 0] : [0]);
        _count++;
        _longest = Math.Max(_longest, _structures.Count - start);
    }

    // Where string numbers are, from the first byte behind the handle.
    private static ReadOnlySpan<byte> StringFieldsOf(byte type) => type switch
    {
        0 => [0, 1, 4],
        1 => [0, 1, 2, 3, 21, 22],
        2 => [0, 1, 2, 3, 4, 6],
        3 => [0, 2, 3, 4, 17],
        4 => [0, 3, 12, 28, 29, 30],
        17 => [12, 13, 19, 20, 21, 22],
        _ => [],
    };
}
