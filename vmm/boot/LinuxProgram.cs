using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>A Linux bzImage, entered by the 64-bit boot protocol: long mode, the first 4 GiB mapped to themselves, RSI at the boot parameters.</summary>
/// <remarks>Linux, Documentation/arch/x86/boot.rst, protocol 2.12 and later (1.15 "64-bit boot protocol"), zero-page.rst.</remarks>
public sealed class LinuxProgram : IBootProgram, IKernelArguments
{
    private const int HeaderOffset = 0x1f1, MagicOffset = 0x202, MinHeaderEnd = 0x268, SectorBytes = 512;
    private const uint HeaderMagic = 0x53726448;
    private const ushort MinVersion = 0x20c;
    private const ushort CanEnter64 = 1;
    private const byte LoadedHigh = 1, UseHeap = 0x80, OtherLoader = 0xff;
    private const uint EntryOffset64 = 0x200, DefaultLoadAddress = 0x100000;

    // What the kernel is handed, in conventional memory, below the EBDA.
    private const uint GdtAddress = 0x8000, ParametersAddress = 0x10000, TablesAddress = 0x20000, CommandLineAddress = 0x30000;
    private const int ParametersBytes = 4096, PageBytes = 4096, MaxCommandLine = 0x10000;
    private const int GiB = 4;

    // Fields of the boot parameters (zero-page.rst).
    private const int RsdpOffset = 0x70, MapCountOffset = 0x1e8, MapOffset = 0x2d0, MapEntryBytes = 20;

    // Present, writable; bit 7: a page of 2 MiB.
    private const ulong TableFlags = 3, LargePageFlags = 0x83;
    private const ulong Cr0 = 0x80000011, Cr4 = 0x20, Efer = 0x500;
    private const uint CodeAttributes = 0xa09b, DataAttributes = 0xc093, TssAttributes = 0x008b;
    private const ushort CodeSelector = 0x10, DataSelector = 0x18, TssSelector = 0x20;

    private readonly string _name;
    private readonly byte[] _image;
    private readonly byte[] _initrd;
    private readonly int _setupBytes;
    private readonly uint _loadAddress, _initBytes, _initrdLimit;
    private string _arguments;

    /// <param name="name">For messages: the kernel's path.</param>
    /// <param name="image">The file.</param>
    /// <param name="commandLine">Without the kernel's path.</param>
    /// <param name="initrd">Empty for none.</param>
    /// <exception cref="BootException">Not a bzImage, or one that has no 64-bit entry, or a command line that is too long for it.</exception>
    public LinuxProgram(string name, byte[] image, string commandLine, byte[] initrd)
    {
        (_name, _image, _arguments, _initrd) = (name, image, commandLine, initrd);
        if (!IsLinux(image) || image.Length < MinHeaderEnd)
            throw Refused("it is not a bzImage");
        var version = U16(0x206);
        if (version < MinVersion || (image[0x211] & LoadedHigh) == 0)
            throw Refused($"boot protocol {version >> 8}.{version & 0xff:d2}, where 2.12 and a kernel loaded high are needed");
        if ((U16(0x236) & CanEnter64) == 0)
            throw Refused("it has no 64-bit entry: it is a 32-bit kernel, and only 64-bit ones can be started");
        var sectors = image[HeaderOffset] == 0 ? 4 : image[HeaderOffset];
        _setupBytes = (sectors + 1) * SectorBytes;
        if (_setupBytes >= image.Length)
            throw Refused($"its setup of {_setupBytes} bytes is all there is of {image.Length}");
        var preferred = BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(0x258));
        _loadAddress = preferred is >= DefaultLoadAddress and < 1UL << 31 ? (uint)preferred : DefaultLoadAddress;
        _initBytes = Math.Max(U32(0x260), (uint)(image.Length - _setupBytes));
        _initrdLimit = U32(0x22c);
        ExpectArgumentsFit();
    }

    /// <summary>True when the file has a Linux setup header.</summary>
    public static bool IsLinux(ReadOnlySpan<byte> image) =>
        image.Length >= MagicOffset + 4 && BinaryPrimitives.ReadUInt32LittleEndian(image[MagicOffset..]) == HeaderMagic;

    public void AppendArgument(string argument)
    {
        _arguments = _arguments.Length == 0 ? argument : $"{_arguments} {argument}";
        ExpectArgumentsFit();
    }

    public void Start(GuestMemory memory, ref X86State state)
    {
        var initrdAddress = PlaceInitrd(memory);
        if (!memory.IsBacked(_loadAddress, _initBytes, forWrite: true))
            throw Refused($"it needs 0x{_loadAddress:x} to 0x{(ulong)_loadAddress + _initBytes:x}, which is not all RAM; give the guest more with -m");
        Put(memory, _loadAddress, _image.AsSpan(_setupBytes), "the kernel");
        Put(memory, CommandLineAddress, Encoding.UTF8.GetBytes(_arguments + '\0'), "the command line");
        Put(memory, ParametersAddress, Parameters(memory, initrdAddress), "the boot parameters");
        PutPageTables(memory);
        PutGdt(memory);
        Enter(ref state);
    }

    private void ExpectArgumentsFit()
    {
        var bytes = Encoding.UTF8.GetByteCount(_arguments);
        var longest = Math.Min(U32(0x238), MaxCommandLine - 1);
        if (bytes > longest)
            throw Refused($"a command line of {bytes} bytes, where it takes {longest}");
    }

    // As high as the kernel allows, below 4 GiB: out of the way of the kernel, which unpacks itself low.
    private uint PlaceInitrd(GuestMemory memory)
    {
        if (_initrd.Length == 0)
            return 0;
        ulong top = 0;
        foreach (var range in MemoryMap.Of(memory))
        {
            if (range.Kind == MemoryKind.Ram && range.Address < _initrdLimit)
                top = Math.Max(top, Math.Min(range.Address + range.Length, (ulong)_initrdLimit + 1));
        }
        var needed = ((ulong)_initrd.Length + PageBytes - 1) & ~(ulong)(PageBytes - 1);
        var address = top < needed ? 0 : (top - needed) & ~(ulong)(PageBytes - 1);
        if (address < (ulong)_loadAddress + _initBytes)
            throw Refused($"an initrd of {_initrd.Length} bytes does not fit behind the kernel's 0x{(ulong)_loadAddress + _initBytes:x}; give the guest more with -m");
        Put(memory, (uint)address, _initrd, "the initrd");
        return (uint)address;
    }

    private byte[] Parameters(GuestMemory memory, uint initrdAddress)
    {
        var page = new byte[ParametersBytes];
        // The header, as long as its jump at 0x200 says (boot.rst, "64-bit boot protocol").
        var headerEnd = Math.Min(MagicOffset + _image[0x201], Math.Min(_image.Length, MapOffset));
        _image.AsSpan(HeaderOffset, headerEnd - HeaderOffset).CopyTo(page.AsSpan(HeaderOffset));
        page[0x210] = OtherLoader;
        page[0x211] |= UseHeap;
        Put32(0x218, initrdAddress);
        Put32(0x21c, (uint)_initrd.Length);
        Put32(0x224, 0xfe00);
        Put32(0x228, CommandLineAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(RsdpOffset), AcpiTables.ArePresent(memory) ? AcpiTables.RsdpAddress : 0);
        var map = MemoryMap.Of(memory);
        page[MapCountOffset] = (byte)map.Count;
        for (var i = 0; i < map.Count; i++)
        {
            var entry = page.AsSpan(MapOffset + i * MapEntryBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)map[i].Kind);
        }
        return page;

        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(offset), value);
    }

    // One PML4, one table of 4 entries, 4 directories of 2-MiB pages.
    private void PutPageTables(GuestMemory memory)
    {
        var tables = new byte[(2 + GiB) * PageBytes];
        Put64(0, TablesAddress + PageBytes | TableFlags);
        for (uint i = 0; i < GiB; i++)
        {
            Put64(PageBytes + (int)i * 8, TablesAddress + (2 + i) * PageBytes | TableFlags);
            for (uint page = 0; page < 512; page++)
                Put64((2 + (int)i) * PageBytes + (int)page * 8, ((ulong)i << 30 | (ulong)page << 21) | LargePageFlags);
        }
        Put(memory, TablesAddress, tables, "page tables");

        void Put64(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(tables.AsSpan(offset), value);
    }

    private void PutGdt(GuestMemory memory)
    {
        ReadOnlySpan<ulong> entries = [0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00008b000000ffff, 0];
        var gdt = new byte[entries.Length * 8];
        for (var i = 0; i < entries.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(gdt.AsSpan(i * 8), entries[i]);
        Put(memory, GdtAddress, gdt, "the descriptor table");
    }

    private void Enter(ref X86State state)
    {
        var data = new X86Segment(DataSelector, 0, uint.MaxValue, DataAttributes);
        state.Gpr = default;
        state.Gpr[6] = ParametersAddress;
        state.Cs = new X86Segment(CodeSelector, 0, uint.MaxValue, CodeAttributes);
        (state.Ds, state.Es, state.Fs, state.Gs, state.Ss) = (data, data, data, data, data);
        state.Tr = new X86Segment(TssSelector, 0, 0xffff, TssAttributes);
        state.Gdtr = new X86Table(GdtAddress, 6 * 8 - 1);
        state.Idtr = new X86Table(0, 0);
        (state.Cr0, state.Cr3, state.Cr4, state.Efer) = (Cr0, TablesAddress, Cr4, Efer);
        state.Rip = (ulong)_loadAddress + EntryOffset64;
        state.Rflags = 2;
        state.Activity = X86Activity.Running;
    }

    private ushort U16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_image.AsSpan(offset));

    private uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_image.AsSpan(offset));

    private void Put(GuestMemory memory, uint address, ReadOnlySpan<byte> bytes, string what)
    {
        if (!memory.TryLoad(address, bytes))
            throw Refused($"{what} of {bytes.Length} bytes at 0x{address:x} does not fit the guest's RAM; give it more with -m");
    }

    private BootException Refused(string why) => new($"could not load kernel '{_name}': {why}");
}
