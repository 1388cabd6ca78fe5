using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>
/// QEMU's firmware configuration device: numbered items that a guest selects and reads byte by byte, the traditional interface (ID 1; no DMA).
/// </summary>
/// <remarks>QEMU, docs/specs/fw_cfg.rst. Items are fixed when the machine starts; writes to the data register are ignored, as QEMU does since 2.4.</remarks>
public sealed class FwCfg : IPortDevice, IResettable, ISaveable
{
    public const ushort BasePort = 0x510;

    /// <summary>Item keys (fw_cfg.rst, "Firmware Configuration Items"; QEMU, include/standard-headers/linux/qemu_fw_cfg.h).</summary>
    public const ushort SignatureKey = 0, IdKey = 1, UuidKey = 2, RamSizeKey = 3, NoGraphicKey = 4, CpuCountKey = 5, KernelAddressKey = 7, KernelSizeKey = 8,
        BootMenuKey = 0xe, MaxCpusKey = 0xf, KernelDataKey = 0x11, FileDirectoryKey = 0x19;

    private const ushort FirstFileKey = 0x20, KeyMask = 0xbfff;
    private const int MaxFiles = 0x100, MaxFileNameBytes = 55, DirectoryEntryBytes = 64;

    // By key: numbered items, then files in the order of their names.
    private readonly byte[]?[] _items = new byte[FirstFileKey + MaxFiles][];
    private readonly List<File> _files = [];
    private byte[] _selected = [];
    private ushort _key;
    private uint _offset;

    private sealed record File(string Name, byte[] Content);

    public FwCfg()
    {
        Add(SignatureKey, "QEMU"u8.ToArray());
        Add(IdKey, [1, 0, 0, 0]);
        RebuildDirectory();
        Select(0);
    }

    public string Name => "fw_cfg";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("fw_cfg", AddressSpace.Port, 2,
        [
            new("SELECTOR", 0, 2, RegisterAccess.Write),
            new("DATA", 1, 1, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect),
        ]),
    ];

    public int StateVersion => 1;

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

    // Past an item's end, and for a key that does not exist, zeros are read.
    public uint ReadPort(int region, uint offset, int size)
    {
        if (offset == 0)
            return size == 2 ? 0xffffu : 0xff;
        return _offset < (uint)_selected.Length ? _selected[_offset++] : 0u;
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (offset == 0)
            Select((ushort)value);
    }

    public void Reset() => Select(0);

    public void Save(StateWriter writer)
    {
        writer.UInt16(_key);
        writer.UInt32(_offset);
    }

    public void Load(ref StateReader reader)
    {
        Select(reader.UInt16());
        _offset = Math.Min(reader.UInt32(), (uint)_selected.Length);
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
