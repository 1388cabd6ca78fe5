using System.Buffers.Binary;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// The part of an ELF executable that a loader needs (System V ABI, chapters 4 and 5; Intel386 supplement): entry point and PT_LOAD
/// segments of a 32-bit little-endian image for i386.
/// </summary>
public readonly ref struct Elf32Image
{
    private const int HeaderBytes = 52, ProgramHeaderBytes = 32;
    private const uint PtLoad = 1;
    private const byte Class32 = 1, Class64 = 2, DataLittleEndian = 1;
    private const ushort MachineI386 = 3;

    private readonly ReadOnlySpan<byte> _file;
    private readonly int _tableOffset;
    private readonly int _segmentCount;
    private readonly int _entryBytes;

    /// <summary>One PT_LOAD segment.</summary>
    /// <param name="Address">Physical, where its first byte goes.</param>
    /// <param name="FileOffset">Of its bytes in the file; checked to be inside.</param>
    /// <param name="FileBytes">How many come from the file.</param>
    /// <param name="MemoryBytes">How many it takes, the rest zero.</param>
    public readonly record struct Segment(uint Address, int FileOffset, int FileBytes, uint MemoryBytes);

    /// <exception cref="BootException">Not an executable of that kind, or its tables point outside the file.</exception>
    public Elf32Image(ReadOnlySpan<byte> file)
    {
        if (!IsElf(file))
            throw new BootException("not an ELF image");
        if (file.Length < HeaderBytes)
            throw new BootException($"the ELF header is cut off at {file.Length} of {HeaderBytes} bytes");
        if (file[4] == Class64)
            throw new BootException("a 64-bit ELF image: multiboot enters in 32-bit mode; convert it with objcopy -O elf32-i386");
        if (file[4] != Class32 || file[5] != DataLittleEndian)
            throw new BootException($"ELF class {file[4]}, data encoding {file[5]}: a 32-bit little-endian image is needed");
        var machine = BinaryPrimitives.ReadUInt16LittleEndian(file[18..]);
        if (machine != MachineI386)
            throw new BootException($"an ELF image for machine {machine}: one for i386 ({MachineI386}) is needed");
        Entry = BinaryPrimitives.ReadUInt32LittleEndian(file[24..]);
        var table = BinaryPrimitives.ReadUInt32LittleEndian(file[28..]);
        _entryBytes = BinaryPrimitives.ReadUInt16LittleEndian(file[42..]);
        _segmentCount = BinaryPrimitives.ReadUInt16LittleEndian(file[44..]);
        if (_segmentCount > 0 && _entryBytes < ProgramHeaderBytes)
            throw new BootException($"ELF program headers of {_entryBytes} bytes: at least {ProgramHeaderBytes} are needed");
        if (table + (ulong)_segmentCount * (ulong)_entryBytes > (ulong)file.Length)
            throw new BootException($"{_segmentCount} ELF program headers at 0x{table:x} pass the end of the file");
        _tableOffset = (int)table;
        _file = file;
    }

    /// <summary>Where to start, as the header says.</summary>
    public uint Entry { get; }

    /// <summary>Program headers of all kinds.</summary>
    public int HeaderCount => _segmentCount;

    public static bool IsElf(ReadOnlySpan<byte> file) => file.StartsWith("\u007fELF"u8);

    /// <summary>The load segment at a header index; false when that header is of another kind or takes no memory.</summary>
    /// <exception cref="BootException">Its bytes are not in the file, or there are more of them than it has memory for.</exception>
    public bool TryGetSegment(int index, out Segment segment)
    {
        segment = default;
        var header = _file.Slice(_tableOffset + index * _entryBytes, ProgramHeaderBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != PtLoad)
            return false;
        var offset = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        var address = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        var fileBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[16..]);
        var memoryBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[20..]);
        if (memoryBytes == 0)
            return false;
        if (fileBytes > memoryBytes)
            throw new BootException($"ELF segment {index} has 0x{fileBytes:x} bytes in the file, more than the 0x{memoryBytes:x} it takes in memory");
        if ((ulong)offset + fileBytes > (ulong)_file.Length)
            throw new BootException($"ELF segment {index}: file bytes 0x{offset:x} to 0x{(ulong)offset + fileBytes:x} pass the file's end at 0x{_file.Length:x}");
        segment = new Segment(address, (int)offset, (int)fileBytes, memoryBytes);
        return true;
    }
}
