using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>An ELF kernel entered by the x86/HVM direct boot ABI (PVH): flat 32-bit protected mode, EBX at the start information.</summary>
/// <remarks>
/// Xen, docs/misc/pvh.pandoc (state at the entry), xen/include/public/arch-x86/hvm/start_info.h (version 1: information, modules, memory map).
/// </remarks>
public sealed class PvhProgram : IBootProgram, IKernelArguments
{
    private const uint Magic = 0x336ec578, Version = 1;
    private const int InfoBytes = 56, ModuleBytes = 32, MapEntryBytes = 24;

    // What the kernel is handed, in conventional memory.
    private const uint InfoAddress = 0x6000, TextAddress = 0x20000, TextLimit = 0x40000;
    private const uint TablesLimit = 0x8000;
    private const int EbxRegister = 3;

    private readonly string _name;
    private readonly PvhImage _image;
    private readonly IReadOnlyList<BootModule> _modules;
    private string _arguments;

    /// <param name="name">For messages: the kernel's path.</param>
    /// <param name="image">The file.</param>
    /// <param name="commandLine">Without the kernel's path.</param>
    /// <param name="modules">The initrd first.</param>
    /// <exception cref="BootException">No ELF image with a PVH entry, or a damaged one.</exception>
    public PvhProgram(string name, byte[] image, string commandLine, IReadOnlyList<BootModule> modules)
    {
        (_name, _arguments, _modules) = (name, commandLine, modules);
        try
        {
            _image = new PvhImage(image);
        }
        catch (BootException why)
        {
            throw Refused(why.Message);
        }
        foreach (var segment in _image.Segments)
        {
            if (Overlaps(segment, InfoAddress, TablesLimit) || Overlaps(segment, TextAddress, TextLimit))
                throw Refused($"its segment from 0x{segment.Address:x} to 0x{segment.End:x} is where the start information goes: link it elsewhere, as from 1 MiB");
        }
    }

    public void AppendArgument(string argument) => _arguments = _arguments.Length == 0 ? argument : $"{_arguments} {argument}";

    public void Start(GuestMemory memory, ref X86State state)
    {
        foreach (var segment in _image.Segments)
        {
            if (!memory.TryClear(segment.Address, segment.MemoryBytes) || !memory.TryLoad(segment.Address, _image.BytesOf(segment)))
                throw Refused($"it takes 0x{segment.Address:x} to 0x{segment.End:x}, which is not all RAM; give the guest more with -m");
        }
        var text = (ulong)TextAddress;
        var tables = (ulong)InfoAddress + InfoBytes + 8;
        var info = new byte[InfoBytes];
        Put32(info, 0, Magic);
        Put32(info, 4, Version);
        Put32(info, 12, (uint)_modules.Count);
        Put64(info, 16, PutTable(memory, ref tables, ModuleTable(memory, ref text), "module table"));
        Put64(info, 24, PutText(memory, ref text, _arguments));
        Put64(info, 32, AcpiTables.ArePresent(memory) ? AcpiTables.RsdpAddress : 0);
        var map = MapTable(memory);
        Put64(info, 40, PutTable(memory, ref tables, map, "memory map"));
        Put32(info, 48, (uint)(map.Length / MapEntryBytes));
        Put(memory, InfoAddress, info, "the start information");
        FlatProtectedMode.Enter(ref state, _image.Entry);
        state.Gpr[EbxRegister] = InfoAddress;
    }

    // Modules go behind the kernel, page by page.
    private byte[] ModuleTable(GuestMemory memory, ref ulong text)
    {
        var table = new byte[_modules.Count * ModuleBytes];
        var next = _image.Segments[^1].End;
        for (var i = 0; i < _modules.Count; i++)
        {
            next = (next + GuestRam.PageSize - 1) & ~(ulong)(GuestRam.PageSize - 1);
            Put(memory, next, _modules[i].Bytes, $"module {i}");
            Put64(table, i * ModuleBytes, next);
            Put64(table, i * ModuleBytes + 8, (ulong)_modules[i].Bytes.Length);
            Put64(table, i * ModuleBytes + 16, PutText(memory, ref text, _modules[i].CommandLine));
            next += (ulong)_modules[i].Bytes.Length;
        }
        return table;
    }

    private static byte[] MapTable(GuestMemory memory)
    {
        var map = MemoryMap.Of(memory);
        var table = new byte[map.Count * MapEntryBytes];
        for (var i = 0; i < map.Count; i++)
        {
            Put64(table, i * MapEntryBytes, map[i].Address);
            Put64(table, i * MapEntryBytes + 8, map[i].Length);
            Put32(table, i * MapEntryBytes + 16, (uint)map[i].Kind);
        }
        return table;
    }

    private ulong PutTable(GuestMemory memory, ref ulong next, byte[] table, string what)
    {
        if (table.Length == 0)
            return 0;
        var at = next;
        next += (ulong)table.Length;
        if (next > TablesLimit)
            throw Refused($"the {what} of {table.Length} bytes does not fit before 0x{TablesLimit:x}");
        Put(memory, at, table, $"the {what}");
        return at;
    }

    private ulong PutText(GuestMemory memory, ref ulong next, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text + '\0');
        var at = next;
        next += (ulong)bytes.Length;
        if (next > TextLimit)
            throw Refused($"command lines of more than {TextLimit - TextAddress} bytes together");
        Put(memory, at, bytes, "a command line");
        return at;
    }

    private static bool Overlaps(PvhImage.Segment segment, uint start, uint end) => segment.Address < end && segment.End > start;

    private static void Put32(byte[] table, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(offset), value);

    private static void Put64(byte[] table, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(offset), value);

    private void Put(GuestMemory memory, ulong address, ReadOnlySpan<byte> bytes, string what)
    {
        if (address + (ulong)bytes.Length > uint.MaxValue || !memory.TryLoad(address, bytes))
            throw Refused($"{what} of {bytes.Length} bytes at 0x{address:x} does not fit the guest's RAM; give it more with -m");
    }

    private BootException Refused(string why) => new($"could not load kernel '{_name}': {why}");
}
