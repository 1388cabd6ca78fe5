using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>
/// QEMU's firmware configuration device: numbered items that a guest selects and reads byte by byte, or has copied to its memory.
/// </summary>
/// <remarks>QEMU, docs/specs/fw_cfg.rst. Items are fixed when the machine starts; writes to the data register are ignored, as QEMU does since 2.4.</remarks>
public sealed class FwCfg : IPortDevice, IResettable, ISaveable, IFwCfgItems
{
    public const ushort BasePort = 0x510;

    /// <summary>Item keys (fw_cfg.rst, "Firmware Configuration Items"; QEMU, include/standard-headers/linux/qemu_fw_cfg.h).</summary>
    public const ushort SignatureKey = 0, IdKey = 1, UuidKey = 2, RamSizeKey = 3, NoGraphicKey = 4, CpuCountKey = 5, KernelAddressKey = 7, KernelSizeKey = 8,
        NumaKey = 0xd, BootMenuKey = 0xe, MaxCpusKey = 0xf, KernelDataKey = 0x11, FileDirectoryKey = 0x19;

    private const ushort FirstFileKey = 0x20, KeyMask = 0xbfff;
    // Of the ID item: bytes at the data register, and DMA.
    private const byte Traditional = 1, HasDma = 2;
    private const uint DmaHighOffset = 4, DmaLowOffset = 8;
    private const int MaxFiles = 0x100, MaxFileNameBytes = 55, DirectoryEntryBytes = 64;

    // By key: numbered items, then files in the order of their names.
    private readonly byte[]?[] _items = new byte[FirstFileKey + MaxFiles][];
    private readonly List<File> _files = [];
    private readonly FwCfgDma? _dma;
    private byte[] _selected = [];
    private ushort _key;
    private uint _offset;

    private sealed record File(string Name, byte[] Content);

    /// <param name="memory">Where DMA goes; null for the traditional interface alone.</param>
    public FwCfg(IGuestMemory? memory = null)
    {
        _dma = memory is null ? null : new FwCfgDma(memory, this);
        Add(SignatureKey, "QEMU"u8.ToArray());
        Add(IdKey, [_dma is null ? Traditional : (byte)(Traditional | HasDma), 0, 0, 0]);
        RebuildDirectory();
        Select(0);
    }

    public string Name => "fw_cfg";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("fw_cfg", AddressSpace.Port, 12,
        [
            new("SELECTOR", 0, 2, RegisterAccess.Write),
            new("DATA", 1, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect),
            new("DMA_HIGH", DmaHighOffset, 4, RegisterAccess.ReadWrite, null, "big endian, of a command's address"),
            new("DMA_LOW", DmaLowOffset, 4, RegisterAccess.ReadWrite, null, "starts"),
        ]),
    ];

    public int StateVersion => 2;

    /// <summary>Sets a numbered item.</summary>
    /// <param name="key">Below 0x120.</param>
    public void Add(ushort key, byte[] content)
    {
        _items[key] = content;
        if (_key == key)
            _selected = content;
    }

    public void Add(ushort key, ushort value)
    {
        var content = new byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(content, value);
        Add(key, content);
    }

    public void Add(ushort key, ulong value)
    {
        var content = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(content, value);
        Add(key, content);
    }

    /// <summary>Adds a named item, as <c>-fw_cfg name=…</c> does.</summary>
    /// <exception cref="ArgumentException">The name is empty, longer than 55 bytes or taken, or there are 256 files.</exception>
    public void AddFile(string name, byte[] content)
    {
        if (Encoding.UTF8.GetByteCount(name) is 0 or > MaxFileNameBytes)
            throw new ArgumentException($"fw_cfg name '{name}': 1 to {MaxFileNameBytes} bytes are allowed");
        if (_files.Count == MaxFiles)
            throw new ArgumentException($"fw_cfg name '{name}': there are {MaxFiles} files already");
        var at = 0;
        while (at < _files.Count && string.CompareOrdinal(_files[at].Name, name) < 0)
            at++;
        if (at < _files.Count && _files[at].Name == name)
            throw new ArgumentException($"fw_cfg name '{name}' is given twice");
        _files.Insert(at, new File(name, content));
        RebuildDirectory();
    }

    ReadOnlySpan<byte> IFwCfgItems.Rest => _selected.AsSpan((int)_offset);

    void IFwCfgItems.Select(ushort key) => Select(key);

    void IFwCfgItems.Skip(uint bytes) => _offset = (uint)Math.Min(_offset + (ulong)bytes, (ulong)_selected.Length);

    // Past an item's end, and for a key that does not exist, zeros are read. The byte beside the data register's is nobody's.
    public uint ReadPort(int region, uint offset, int size) => offset switch
    {
        1 => 0xffffff00 | (_offset < (uint)_selected.Length ? _selected[_offset++] : 0u),
        >= DmaHighOffset when _dma is not null => ReadDma(offset - DmaHighOffset, size),
        _ => uint.MaxValue,
    };

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (offset == 0)
            Select((ushort)value);
        else if (size == sizeof(uint) && offset is DmaHighOffset or DmaLowOffset)
            _dma?.WriteHalf(offset == DmaLowOffset, value);
    }

    public void Reset()
    {
        Select(0);
        _dma?.Reset();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt16(_key);
        writer.UInt32(_offset);
        _dma?.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        Select(reader.UInt16());
        _offset = Math.Min(reader.UInt32(), (uint)_selected.Length);
        _dma?.Load(ref reader);
    }

    // Its bytes in memory's order: the first is the signature's first.
    private static uint ReadDma(uint offset, int size)
    {
        uint value = 0;
        for (var i = 0; i < size; i++)
            value |= (uint)(byte)(FwCfgDma.Signature >> (56 - (int)(offset + (uint)i) * 8)) << (i * 8);
        return value;
    }

    private void Select(ushort key)
    {
        _key = (ushort)(key & KeyMask);
        _offset = 0;
        _selected = _key < _items.Length ? _items[_key] ?? [] : [];
    }

    // "File directory": count, then {size, key, reserved, name} each, big endian, sorted by name.
    private void RebuildDirectory()
    {
        var directory = new byte[4 + _files.Count * DirectoryEntryBytes];
        BinaryPrimitives.WriteUInt32BigEndian(directory, (uint)_files.Count);
        for (var index = 0; index < _files.Count; index++)
        {
            var (name, content) = _files[index];
            var key = (ushort)(FirstFileKey + index);
            var entry = directory.AsSpan(4 + index * DirectoryEntryBytes, DirectoryEntryBytes);
            BinaryPrimitives.WriteUInt32BigEndian(entry, (uint)content.Length);
            BinaryPrimitives.WriteUInt16BigEndian(entry[4..], key);
            Encoding.UTF8.GetBytes(name, entry[8..]);
            Add(key, content);
        }
        Add(FileDirectoryKey, directory);
    }
}
