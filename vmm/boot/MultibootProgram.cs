using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// A kernel for the Multiboot Specification, version 0.6.96: a header in its first 8 KiB (3.1), loaded as its ELF headers or its address
/// fields say, entered in 32-bit protected mode (3.2) with an information structure (3.3).
/// </summary>
/// <remarks>
/// The information is where QEMU has it, so that images made against QEMU find their memory laid out alike: the structure at 0x9500, the memory
/// map at 0x9000, modules and strings behind the kernel. The kernel is copied last: one that loads over the information overwrites it.
/// </remarks>
public sealed class MultibootProgram : IBootProgram
{
    private const uint HeaderMagic = 0x1badb002, EntryMagic = 0x2badb002;
    private const int HeaderSearchBytes = 8192, HeaderAlignment = 4;

    // Header flags (3.1.2). Bits 0 to 15 are requirements: a loader that does not know one must refuse.
    private const uint PageAlignModules = 1, WantMemoryInfo = 2, WantVideoMode = 4, HasAddressFields = 1 << 16;
    private const uint RequirementMask = 0xffff;

    private const uint InfoAddress = 0x9500, MapAddress = 0x9000, MapLimit = InfoAddress;
    private const int InfoBytes = 88, MapEntryBytes = 24, ModuleEntryBytes = 16;

    // Info flags (3.3): memory sizes, boot device, command line, modules, memory map, loader name.
    private const uint InfoFlags = 1 | 2 | 4 | 8 | 1 << 6 | 1 << 9;

    // The first hard disk, no partitions.
    private const uint BootDevice = 0x8000ffff;

    private readonly byte[] _image;
    private readonly string _name;
    private readonly string _commandLine;
    private readonly IReadOnlyList<BootModule> _modules;
    private readonly List<Piece> _pieces = [];
    private readonly uint _entry;
    private readonly uint _end;

    // A class, as lists of structs cost compiling at each start.
    private sealed record Piece(uint Address, int Offset, int Bytes, uint MemoryBytes);

    /// <param name="name">For messages: the kernel's path.</param>
    /// <param name="image">The file.</param>
    /// <param name="commandLine">As the guest gets it, the kernel's path included.</param>
    /// <param name="modules">In order; may be empty.</param>
    /// <exception cref="BootException">No multiboot header, or one that asks for what no loader could do.</exception>
    public MultibootProgram(string name, byte[] image, string commandLine, IReadOnlyList<BootModule> modules)
    {
        (_name, _image, _commandLine, _modules) = (name, image, commandLine, modules);
        var at = FindHeader(image);
        if (at < 0)
            throw Refused("there is no multiboot header in its first 8 KiB");
        try
        {
            var header = image.AsSpan(at);
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            if ((flags & WantVideoMode) != 0)
                throw Refused("its multiboot header asks for a video mode, and this machine has no display");
            if ((flags & RequirementMask & ~(PageAlignModules | WantMemoryInfo)) != 0)
                throw Refused($"its multiboot header has requirement bits 0x{flags & RequirementMask:x}, of which only 1 and 2 can be met");
            _entry = (flags & HasAddressFields) != 0 ? AddAddressed(header, at) : AddElf();
        }
        catch (BootException why) when (!why.Message.StartsWith("could not load", StringComparison.Ordinal))
        {
            throw Refused(why.Message);
        }
        foreach (var piece in _pieces)
            _end = Math.Max(_end, checked(piece.Address + piece.MemoryBytes));
    }

    /// <summary>True when the file has a multiboot header: magic, flags and checksum on a 4-byte boundary in its first 8 KiB.</summary>
    public static bool IsMultiboot(ReadOnlySpan<byte> image) => FindHeader(image) >= 0;

    /// <summary>What the first loaded piece brings from the file: what fw_cfg shows as the kernel.</summary>
    public ReadOnlySpan<byte> LoadedBytes => _image.AsSpan(_pieces[0].Offset, _pieces[0].Bytes);

    /// <summary>Where that piece goes.</summary>
    public uint LoadAddress => _pieces[0].Address;

    public void Start(GuestMemory memory, ref X86State state)
    {
        var map = MemoryMap.Of(memory);
        var tail = PageAlign(_end);
        var moduleTable = new byte[_modules.Count * ModuleEntryBytes];
        for (var i = 0; i < _modules.Count; i++)
        {
            var module = _modules[i];
            Put(memory, tail, module.Bytes, $"module {i}");
            var entry = moduleTable.AsSpan(i * ModuleEntryBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(entry, (uint)tail);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], (uint)(tail + (ulong)module.Bytes.Length));
            tail = PageAlign(tail + (ulong)module.Bytes.Length);
        }
        var strings = tail;
        for (var i = 0; i < _modules.Count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(moduleTable.AsSpan(i * ModuleEntryBytes + 8), (uint)strings);
            strings = PutText(memory, strings, _modules[i].CommandLine);
        }
        var commandLine = strings;
        var loaderName = PutText(memory, commandLine, _commandLine);
        var table = (PutText(memory, loaderName, "gvmm") + 3) & ~3UL;
        Put(memory, table, moduleTable, "the module table");

        var mapBytes = PutMap(memory, map);
        var info = new byte[InfoBytes];
        var words = (Span<uint>)stackalloc uint[17];
        words[0] = InfoFlags;
        words[1] = (uint)(MemoryMap.EbdaAddress / 1024);
        words[2] = UpperKiB(map);
        words[3] = BootDevice;
        words[4] = (uint)commandLine;
        words[5] = (uint)_modules.Count;
        words[6] = (uint)table;
        words[11] = mapBytes;
        words[12] = MapAddress;
        words[16] = (uint)loaderName;
        for (var i = 0; i < words.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(i * 4), words[i]);
        Put(memory, InfoAddress, info, "the boot information");

        foreach (var piece in _pieces)
        {
            if (!memory.TryClear(piece.Address, piece.MemoryBytes))
                throw Refused($"it takes 0x{piece.Address:x} to 0x{(ulong)piece.Address + piece.MemoryBytes:x}, which is not all RAM; give the guest more with -m");
            Put(memory, piece.Address, _image.AsSpan(piece.Offset, piece.Bytes), "a segment");
        }
        FlatProtectedMode.Enter(ref state, _entry);
        state.Gpr[0] = EntryMagic;
        state.Gpr[3] = InfoAddress;
    }

    private static int FindHeader(ReadOnlySpan<byte> image)
    {
        for (var at = 0; at + 12 <= Math.Min(image.Length, HeaderSearchBytes); at += HeaderAlignment)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(image[at..]) != HeaderMagic)
                continue;
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 4)..]);
            var checksum = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 8)..]);
            if (HeaderMagic + flags + checksum == 0)
                return at;
        }
        return -1;
    }

    private static ulong PageAlign(ulong address) => (address + GuestRam.PageSize - 1) & ~(ulong)(GuestRam.PageSize - 1);

    // 3.3: the upper memory's size is that up to the first hole.
    private static uint UpperKiB(IReadOnlyList<MemoryRange> map)
    {
        foreach (var range in map)
        {
            if (range.Address == MemoryMap.OneMiB)
                return (uint)Math.Min(range.Length / 1024, uint.MaxValue);
        }
        return 0;
    }

    private uint AddElf()
    {
        if (!Elf32Image.IsElf(_image))
            throw new BootException("its multiboot header has no address fields, and it is not an ELF image");
        var elf = new Elf32Image(_image);
        for (var i = 0; i < elf.HeaderCount; i++)
        {
            if (!elf.TryGetSegment(i, out var segment))
                continue;
            if ((ulong)segment.Address + segment.MemoryBytes > uint.MaxValue)
                throw new BootException($"ELF segment {i} at 0x{segment.Address:x} of 0x{segment.MemoryBytes:x} bytes passes 4 GiB");
            _pieces.Add(new Piece(segment.Address, segment.FileOffset, segment.FileBytes, segment.MemoryBytes));
        }
        return _pieces.Count > 0 ? elf.Entry : throw new BootException("an ELF image without anything to load");
    }

    // 3.1.3: load_end_addr 0 means to the end of the file, bss_end_addr 0 no bss.
    private uint AddAddressed(ReadOnlySpan<byte> header, int headerOffset)
    {
        if (header.Length < 32)
            throw new BootException("the address fields of its multiboot header are cut off");
        var headerAddress = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        var load = BinaryPrimitives.ReadUInt32LittleEndian(header[16..]);
        var loadEnd = BinaryPrimitives.ReadUInt32LittleEndian(header[20..]);
        var bssEnd = BinaryPrimitives.ReadUInt32LittleEndian(header[24..]);
        var entry = BinaryPrimitives.ReadUInt32LittleEndian(header[28..]);
        if (headerAddress < load || headerAddress - load > (uint)headerOffset)
            throw new BootException($"its multiboot header is to be at 0x{headerAddress:x} with the image from 0x{load:x}, but is at byte {headerOffset} of the file");
        var offset = headerOffset - (int)(headerAddress - load);
        var bytes = loadEnd == 0 ? (uint)(_image.Length - offset) : loadEnd - load;
        if ((loadEnd != 0 && loadEnd < load) || (ulong)offset + bytes > (ulong)_image.Length)
            throw new BootException($"its multiboot header says to load 0x{load:x} to 0x{loadEnd:x}, which the file of {_image.Length} bytes does not hold");
        var end = (ulong)load + bytes;
        if (bssEnd != 0 && bssEnd < end)
            throw new BootException($"its multiboot header ends the bss at 0x{bssEnd:x}, before the data's end at 0x{end:x}");
        if (end > uint.MaxValue)
            throw new BootException($"it is to be loaded at 0x{load:x} and passes 4 GiB");
        _pieces.Add(new Piece(load, offset, (int)bytes, bssEnd == 0 ? bytes : bssEnd - load));
        return entry;
    }

    private static uint PutMap(GuestMemory memory, IReadOnlyList<MemoryRange> map)
    {
        var bytes = new byte[map.Count * MapEntryBytes];
        for (var i = 0; i < map.Count; i++)
        {
            var entry = bytes.AsSpan(i * MapEntryBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(entry, MapEntryBytes - 4);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[4..], map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[12..], map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[20..], (uint)map[i].Kind);
        }
        if (bytes.Length > MapLimit - MapAddress || !memory.TryLoad(MapAddress, bytes))
            throw new BootException($"a memory map of {map.Count} entries does not fit at 0x{MapAddress:x}");
        return (uint)bytes.Length;
    }

    private ulong PutText(GuestMemory memory, ulong address, string text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        Put(memory, address, bytes, "the command line");
        return address + (ulong)bytes.Length;
    }

    private void Put(GuestMemory memory, ulong address, ReadOnlySpan<byte> bytes, string what)
    {
        if (address + (ulong)bytes.Length > uint.MaxValue || !memory.TryLoad(address, bytes))
            throw Refused($"{what} of {bytes.Length} bytes at 0x{address:x} does not fit the guest's RAM; give it more with -m");
    }

    private BootException Refused(string why) => new($"could not load kernel '{_name}': {why}");
}
