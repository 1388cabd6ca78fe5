using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Storage;

/// <summary>
/// A qcow2 image: two levels of tables from disk offsets to clusters, a backing image below. Reads and writes; compressed clusters are refused, internal
/// snapshots make it read-only.
/// </summary>
/// <remarks>
/// QEMU, docs/interop/qcow2.rst. Order of writes, so that a process that is killed leaves at worst a leaked cluster: reference count, then data, then the
/// table that points to it. Every offset from the file is checked before use: aligned, behind the header, not beyond the end.
/// </remarks>
public sealed class Qcow2Image : IBlockImage
{
    /// <summary>Images in a chain of backing files; a longer one, or a loop, is refused.</summary>
    public const int MaxChain = 64;

    private const ulong OffsetMask = 0x00ff_ffff_ffff_fe00, Copied = 1UL << 63, Compressed = 1UL << 62, Zero = 1;
    private const int EntryBytes = 8, RefcountBytes = 2, AutoclearOffset = 88;
    private const int MaxAllocationAttempts = 4096;

    private readonly SafeFileHandle _file;
    private readonly Qcow2Header _header;
    private readonly IBlockImage? _backing;
    private readonly ulong[] _l1;
    private readonly ulong[] _refcountTable;
    private readonly byte[] _cluster;
    private long _fileEnd;

    private Qcow2Image(SafeFileHandle file, Qcow2Header header, IBlockImage? backing, bool readOnly, string path)
    {
        (_file, _header, _backing, IsReadOnly) = (file, header, backing, readOnly);
        _fileEnd = RoundUp(BlockFile.LengthOf(file, path));
        _l1 = ReadTable(header.L1Offset, header.L1Entries, path);
        _refcountTable = ReadTable(header.RefcountTableOffset, (int)((long)header.RefcountTableClusters << header.ClusterBits) / EntryBytes, path);
        _cluster = new byte[header.ClusterBytes];
        // Autoclear features tell of data that a writer who does not know them makes stale.
        if (!readOnly && header.Version >= 3 && !TryWriteEntry(AutoclearOffset, 0))
            throw Qcow2Header.Damaged(path, "its header cannot be written");
    }

    private enum ClusterKind
    {
        /// <summary>In the backing image, or zeros when there is none.</summary>
        Unallocated,
        Zero,
        Data,

        /// <summary>The tables are damaged there, or a compressed cluster is.</summary>
        Unreadable,
    }

    public long Bytes => _header.DiskBytes;

    public bool IsReadOnly { get; }

    /// <summary>Opens an image and those that it is based on; those are never written.</summary>
    /// <exception cref="BlockImageException">It is damaged, of a kind that is not known, or a backing file cannot be opened.</exception>
    public static Qcow2Image Open(string path, bool readOnly) => Open(path, readOnly, depth: 1);

    public bool TryRead(long offset, Span<byte> destination) => TryRead(offset, destination, mayWait: true);

    public bool TryReadNow(long offset, Span<byte> destination) => TryRead(offset, destination, mayWait: false);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            var inside = (int)(offset & (_header.ClusterBytes - 1));
            var piece = source[..(int)Math.Min(_header.ClusterBytes - inside, source.Length)];
            var kind = Find(offset, out var at);
            var written = kind switch
            {
                ClusterKind.Data => BlockFile.TryWrite(_file, at + inside, piece),
                ClusterKind.Unreadable => false,
                _ => TryWriteNewCluster(offset - inside, inside, piece),
            };
            if (!written)
                return false;
            source = source[piece.Length..];
            offset += piece.Length;
        }
        return true;
    }

    public bool TryFlush() => BlockFile.TryFlush(_file);

    // A hint: clusters stay, as giving them back is no faster than it is useful to a guest under test.
    public bool TryDiscard(long offset, long length) => true;

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap)
    {
        var zeros = new byte[(int)Math.Min(length, _header.ClusterBytes)];
        while (length > 0)
        {
            var inside = offset & (_header.ClusterBytes - 1);
            var count = (int)Math.Min(_header.ClusterBytes - inside, length);
            var kind = Find(offset, out _);
            var isZeroAlready = kind == ClusterKind.Zero || (kind == ClusterKind.Unallocated && (_backing is null || offset - inside >= _backing.Bytes));
            if (!isZeroAlready && !TryWrite(offset, zeros.AsSpan(0, count)))
                return false;
            offset += count;
            length -= count;
        }
        return true;
    }

    public void Dispose()
    {
        _backing?.Dispose();
        _file.Dispose();
    }

    private static Qcow2Image Open(string path, bool readOnly, int depth)
    {
        if (depth > MaxChain)
            throw Qcow2Header.Damaged(path, $"more than {MaxChain} images are based on one another, or one on itself");
        var file = BlockFile.Open(path, readOnly);
        IBlockImage? backing = null;
        try
        {
            var header = Qcow2Header.Read(file, path);
            if (!readOnly && header.IsDirty)
                throw Qcow2Header.Damaged(path, "it was not closed properly; repair it with qemu-img check -r all, or open it with readonly=on");
            if (!readOnly && header.Snapshots > 0)
                throw Qcow2Header.Damaged(path, $"it has {header.Snapshots} internal snapshots, which cannot be written to here; open it with readonly=on");
            if (header.BackingName is { } name)
                backing = OpenBacking(path, name, header.BackingFormat, depth);
            return new Qcow2Image(file, header, backing, readOnly, path);
        }
        catch
        {
            backing?.Dispose();
            file.Dispose();
            throw;
        }
    }

    private static IBlockImage OpenBacking(string path, string name, string? format, int depth)
    {
        // A name that says how to be reached, like json: or nbd:, is none of the file system's.
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        if (name.Contains('\0', StringComparison.Ordinal) || (colon > 0 && !name[..colon].Contains('/', StringComparison.Ordinal)))
            throw Qcow2Header.Damaged(path, $"its backing file '{name}' is not a path");
        var below = Path.IsPathRooted(name) ? name : Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name);
        if (!File.Exists(below))
            throw Qcow2Header.Damaged(path, $"there is no backing file '{below}'");
        var isQcow2 = format is null ? Qcow2Header.IsQcow2(below) : format == "qcow2";
        return isQcow2 ? Open(below, readOnly: true, depth + 1) : new RawImage(below, readOnly: true);
    }

    private ulong[] ReadTable(long offset, int entries, string path)
    {
        if (offset + (long)entries * EntryBytes > _fileEnd)
            throw Qcow2Header.Damaged(path, $"a table of {entries} entries at 0x{offset:x} passes the file's end");
        var bytes = new byte[entries * EntryBytes];
        if (!BlockFile.TryRead(_file, offset, bytes))
            throw Qcow2Header.Damaged(path, $"its table at 0x{offset:x} cannot be read");
        var table = new ulong[entries];
        for (var i = 0; i < entries; i++)
            table[i] = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(i * EntryBytes));
        return table;
    }

    private long RoundUp(long offset) => (offset + _header.ClusterBytes - 1) & -_header.ClusterBytes;

    // Where a table or cluster may be: on a cluster's start, behind the header, inside the file.
    private bool IsPlace(ulong offset) => offset != 0 && (offset & (ulong)(_header.ClusterBytes - 1)) == 0 && offset < (ulong)_fileEnd;

    private bool TryRead(long offset, Span<byte> destination, bool mayWait)
    {
        while (!destination.IsEmpty)
        {
            var inside = offset & (_header.ClusterBytes - 1);
            var piece = destination[..(int)Math.Min(_header.ClusterBytes - inside, destination.Length)];
            switch (Find(offset, out var at, mayWait))
            {
                case ClusterKind.Data when !TryReadFile(at + inside, piece, mayWait):
                case ClusterKind.Unreadable:
                    return false;
                case ClusterKind.Unallocated when !TryReadBacking(offset, piece, mayWait):
                    return false;
                case ClusterKind.Zero:
                    piece.Clear();
                    break;
                default:
                    break;
            }
            destination = destination[piece.Length..];
            offset += piece.Length;
        }
        return true;
    }

    private bool TryReadFile(long at, Span<byte> destination, bool mayWait) =>
        mayWait ? BlockFile.TryRead(_file, at, destination) : BlockFile.TryReadNow(_file, at, destination);

    private bool TryReadBacking(long offset, Span<byte> destination, bool mayWait)
    {
        var below = _backing is null ? 0 : (int)Math.Clamp(_backing.Bytes - offset, 0, destination.Length);
        destination[below..].Clear();
        var piece = destination[..below];
        return below == 0 || (mayWait ? _backing!.TryRead(offset, piece) : _backing!.TryReadNow(offset, piece));
    }

    private int L1Index(long offset) => (int)(offset >> (2 * _header.ClusterBits - 3));

    private long L2Index(long offset) => (offset >> _header.ClusterBits) & (_header.L2Entries - 1);

    // A table that is to be waited for, where that may not be, is as good as unreadable.
    private ClusterKind Find(long offset, out long at, bool mayWait = true)
    {
        at = 0;
        var table = _l1[L1Index(offset)] & OffsetMask;
        if (table == 0)
            return ClusterKind.Unallocated;
        if (!IsPlace(table) || !TryReadEntry((long)table + L2Index(offset) * EntryBytes, out var entry, mayWait) || (entry & Compressed) != 0)
            return ClusterKind.Unreadable;
        if ((entry & Zero) != 0 && _header.Version >= 3)
            return ClusterKind.Zero;
        var place = entry & OffsetMask;
        if (place == 0)
            return ClusterKind.Unallocated;
        at = (long)place;
        // A cluster that something else refers to as well is not to be written in place; that happens with snapshots only, or in a damaged image.
        return IsPlace(place) && (IsReadOnly || (entry & Copied) != 0) ? ClusterKind.Data : ClusterKind.Unreadable;
    }

    private bool TryWriteNewCluster(long clusterStart, int inside, ReadOnlySpan<byte> piece)
    {
        // What the write leaves of the cluster comes from below.
        if (piece.Length < _header.ClusterBytes && !TryRead(clusterStart, _cluster.AsSpan(0, (int)Math.Min(_header.ClusterBytes, Bytes - clusterStart))))
            return false;
        if (Bytes - clusterStart < _header.ClusterBytes)
            _cluster.AsSpan((int)(Bytes - clusterStart)).Clear();
        piece.CopyTo(_cluster.AsSpan(inside));
        var index = L1Index(clusterStart);
        if (!TryAllocate(out var place) || !BlockFile.TryWrite(_file, place, _cluster))
            return false;
        var table = _l1[index] & OffsetMask;
        if (table == 0)
        {
            if (!TryAllocate(out var newTable))
                return false;
            _cluster.AsSpan().Clear();
            BinaryPrimitives.WriteUInt64BigEndian(_cluster.AsSpan((int)(L2Index(clusterStart) * EntryBytes)), (ulong)place | Copied);
            if (!BlockFile.TryWrite(_file, newTable, _cluster) || !TryWriteEntry(_header.L1Offset + (long)index * EntryBytes, (ulong)newTable | Copied))
                return false;
            _l1[index] = (ulong)newTable | Copied;
            return true;
        }
        return IsPlace(table) && (_l1[index] & Copied) != 0 && TryWriteEntry((long)table + L2Index(clusterStart) * EntryBytes, (ulong)place | Copied);
    }

    // A cluster behind the file's end, whose reference count goes from 0 to 1. What a writer that was killed counted there already is left alone.
    private bool TryAllocate(out long place)
    {
        var perBlock = _header.ClusterBytes / RefcountBytes;
        place = _fileEnd;
        for (var attempt = 0; attempt < MaxAllocationAttempts; attempt++, place += _header.ClusterBytes)
        {
            var cluster = place >> _header.ClusterBits;
            var tableIndex = cluster / perBlock;
            if (tableIndex >= _refcountTable.Length)
                return false;
            var block = _refcountTable[tableIndex] & OffsetMask;
            if (block == 0)
            {
                // No block counts these clusters: the first of them becomes that block, and counts itself.
                if (!TryAddRefcountBlock(tableIndex, cluster % perBlock, place))
                    return false;
                continue;
            }
            if (!IsPlace(block) || !TryReadCount(block, cluster % perBlock, out var count))
                return false;
            if (count != 0)
                continue;
            if (!TryWriteCount(block, cluster % perBlock, 1))
                return false;
            _fileEnd = place + _header.ClusterBytes;
            return true;
        }
        return false;
    }

    private bool TryAddRefcountBlock(long tableIndex, long indexInBlock, long place)
    {
        var block = new byte[_header.ClusterBytes];
        BinaryPrimitives.WriteUInt16BigEndian(block.AsSpan((int)(indexInBlock * RefcountBytes)), 1);
        if (!BlockFile.TryWrite(_file, place, block) || !TryWriteEntry(_header.RefcountTableOffset + tableIndex * EntryBytes, (ulong)place))
            return false;
        _refcountTable[tableIndex] = (ulong)place;
        _fileEnd = place + _header.ClusterBytes;
        return true;
    }

    private bool TryReadCount(ulong block, long index, out ushort count)
    {
        Span<byte> bytes = stackalloc byte[RefcountBytes];
        var read = BlockFile.TryRead(_file, (long)block + index * RefcountBytes, bytes);
        count = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        return read;
    }

    private bool TryWriteCount(ulong block, long index, ushort count)
    {
        Span<byte> bytes = stackalloc byte[RefcountBytes];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, count);
        return BlockFile.TryWrite(_file, (long)block + index * RefcountBytes, bytes);
    }

    private bool TryReadEntry(long at, out ulong entry, bool mayWait)
    {
        Span<byte> bytes = stackalloc byte[EntryBytes];
        var read = TryReadFile(at, bytes, mayWait);
        entry = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        return read;
    }

    private bool TryWriteEntry(long at, ulong entry)
    {
        Span<byte> bytes = stackalloc byte[EntryBytes];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, entry);
        return BlockFile.TryWrite(_file, at, bytes);
    }
}
