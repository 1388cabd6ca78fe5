using System.Buffers.Binary;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// An ELF executable with a PVH entry point: 32 or 64 bits, for i386 or x86-64, and a note that says where a loader enters it in 32-bit protected mode.
/// </summary>
/// <remarks>
/// System V ABI, chapters 4 and 5 (headers, notes), and its Intel386 and AMD64 supplements; Xen, xen/include/public/elfnote.h
/// (XEN_ELFNOTE_PHYS32_ENTRY, owner "Xen"). Segments are taken by their physical addresses, below 4 GiB, and must not overlap.
/// </remarks>
public sealed class PvhImage
{
    private const int MaxHeaders = 4096;
    private const uint PtLoad = 1, PtNote = 4;
    private const byte Class32 = 1, Class64 = 2, LittleEndian = 1;
    private const ushort MachineI386 = 3, MachineX64 = 62;
    private const uint Phys32Entry = 18;
    private const int NoteHeaderBytes = 12, MachineOffset = 18;

    private readonly byte[] _file;
    private readonly bool _is64;
    private readonly List<Segment> _segments = [];
    private uint? _entry;

    /// <summary>One PT_LOAD segment.</summary>
    /// <param name="Address">Physical.</param>
    /// <param name="Offset">Of its bytes in the file, which holds them.</param>
    /// <param name="FileBytes">How many come from the file.</param>
    /// <param name="MemoryBytes">How many it takes, the rest zero.</param>
    public sealed record Segment(uint Address, int Offset, int FileBytes, uint MemoryBytes)
    {
        public ulong End => Address + (ulong)MemoryBytes;
    }

    /// <exception cref="BootException">Not such an executable, or a table in it is damaged.</exception>
    public PvhImage(byte[] file)
    {
        _file = file;
        if (!Elf32Image.IsElf(file) || file.Length < 52)
            throw new BootException("not an ELF image");
        _is64 = file[4] == Class64;
        if (file[4] is not (Class32 or Class64) || file[5] != LittleEndian)
            throw new BootException($"ELF class {file[4]}, data encoding {file[5]}: a little-endian image of 32 or 64 bits is needed");
        if (_is64 && file.Length < 64)
            throw new BootException($"the ELF header is cut off at {file.Length} of 64 bytes");
        var machine = U16(MachineOffset);
        if (machine is not (MachineI386 or MachineX64))
            throw new BootException($"an ELF image for machine {machine}: one for i386 ({MachineI386}) or x86-64 ({MachineX64}) is needed");
        var table = _is64 ? U64(32) : U32(28);
        var (entryBytes, count) = (U16(_is64 ? 54 : 42), U16(_is64 ? 56 : 44));
        var needed = _is64 ? 56 : 32;
        if (count > MaxHeaders || (count > 0 && entryBytes < needed))
            throw new BootException($"{count} ELF program headers of {entryBytes} bytes: at most {MaxHeaders} of at least {needed} bytes are possible");
        if (table > (ulong)file.Length || (ulong)count * entryBytes > (ulong)file.Length - table)
            throw new BootException($"{count} ELF program headers at 0x{table:x} pass the end of the file");
        for (var i = 0; i < count; i++)
            ReadHeader(i, (int)table + i * entryBytes);
        if (_segments.Count == 0)
            throw new BootException("an ELF image without anything to load");
        _segments.Sort(static (a, b) => a.Address.CompareTo(b.Address));
        for (var i = 1; i < _segments.Count; i++)
        {
            if (_segments[i].Address < _segments[i - 1].End)
                throw new BootException($"two ELF segments overlap at 0x{_segments[i].Address:x}");
        }
        Entry = _entry ?? throw new BootException("an ELF image without a multiboot header and without a note of a PVH entry (XEN_ELFNOTE_PHYS32_ENTRY)");
    }

    /// <summary>Where to enter, as the note says.</summary>
    public uint Entry { get; }

    /// <summary>By ascending address.</summary>
    public IReadOnlyList<Segment> Segments => _segments;

    /// <summary>A segment's bytes from the file.</summary>
    public ReadOnlySpan<byte> BytesOf(Segment segment) => _file.AsSpan(segment.Offset, segment.FileBytes);

    private void ReadHeader(int index, int at)
    {
        var type = U32(at);
        if (type is not (PtLoad or PtNote))
            return;
        var (offset, address) = _is64 ? (U64(at + 8), U64(at + 24)) : (U32(at + 4), U32(at + 12));
        var (fileBytes, memoryBytes) = _is64 ? (U64(at + 32), U64(at + 40)) : (U32(at + 16), U32(at + 20));
        if (offset > (ulong)_file.Length || fileBytes > (ulong)_file.Length - offset)
            throw new BootException($"ELF segment {index}: 0x{fileBytes:x} file bytes at 0x{offset:x} pass the file's end at 0x{_file.Length:x}");
        if (type == PtNote)
        {
            FindEntry(index, _file.AsSpan((int)offset, (int)fileBytes));
            return;
        }
        if (memoryBytes == 0)
            return;
        if (fileBytes > memoryBytes)
            throw new BootException($"ELF segment {index} has 0x{fileBytes:x} bytes in the file, more than the 0x{memoryBytes:x} it takes in memory");
        if (address > uint.MaxValue || memoryBytes > uint.MaxValue - address)
            throw new BootException($"ELF segment {index} at 0x{address:x} of 0x{memoryBytes:x} bytes passes 4 GiB");
        _segments.Add(new Segment((uint)address, (int)offset, (int)fileBytes, (uint)memoryBytes));
    }

    // Owner and description are padded to 4 bytes each; a note that is cut off ends the list.
    private void FindEntry(int index, ReadOnlySpan<byte> notes)
    {
        while (notes.Length >= NoteHeaderBytes)
        {
            var ownerBytes = BinaryPrimitives.ReadUInt32LittleEndian(notes);
            var bytes = BinaryPrimitives.ReadUInt32LittleEndian(notes[4..]);
            var type = BinaryPrimitives.ReadUInt32LittleEndian(notes[8..]);
            var description = NoteHeaderBytes + Padded(ownerBytes);
            var end = description + Padded(bytes);
            if (description + bytes > (ulong)notes.Length)
                return;
            if (type == Phys32Entry && notes.Slice(NoteHeaderBytes, (int)ownerBytes).SequenceEqual("Xen\0"u8))
            {
                var value = notes.Slice((int)description, (int)bytes);
                var entry = bytes switch
                {
                    sizeof(uint) => BinaryPrimitives.ReadUInt32LittleEndian(value),
                    sizeof(ulong) => BinaryPrimitives.ReadUInt64LittleEndian(value),
                    _ => throw new BootException($"ELF segment {index}: the note of the PVH entry has {bytes} bytes, where 4 or 8 are possible"),
                };
                if (entry > uint.MaxValue)
                    throw new BootException($"the PVH entry 0x{entry:x} is above 4 GiB");
                _entry ??= (uint)entry;
                return;
            }
            if (end >= (ulong)notes.Length)
                return;
            notes = notes[(int)end..];
        }

        static ulong Padded(uint bytes) => (bytes + 3UL) & ~3UL;
    }

    private ushort U16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan(offset));

    private uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_file.AsSpan(offset));

    private ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(offset));
}
