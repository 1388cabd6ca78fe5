using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Storage;

/// <summary>The header of a qcow2 image, checked: what is in it is safe to compute with.</summary>
/// <remarks>QEMU, docs/interop/qcow2.rst, "Header", versions 2 and 3.</remarks>
internal sealed class Qcow2Header
{
    private const int MinBytes = 72, Version3Bytes = 104, MaxBytes = 512, MaxBackingNameBytes = 1023;
    private const uint Magic = 0x514649fb;

    // Incompatible features: dirty (the reference counts may be too high or low). Others change how data is found.
    private const ulong IncompatibleDirty = 1;
    private const int MinClusterBits = 9, MaxClusterBits = 21, DefaultRefcountOrder = 4;

    // Sizes that need more than 32 MiB of L1 table or 8 MiB of reference count table: as QEMU refuses them.
    private const long MaxL1Entries = 32 << 17, MaxRefcountTableBytes = 8 << 20;

    public int Version { get; private init; }

    /// <summary>Bytes of a cluster, as a power of two: 9 to 21.</summary>
    public int ClusterBits { get; private init; }

    public long ClusterBytes => 1L << ClusterBits;

    /// <summary>Of the disk, in bytes.</summary>
    public long DiskBytes { get; private init; }

    public long L1Offset { get; private init; }

    public int L1Entries { get; private init; }

    public long RefcountTableOffset { get; private init; }

    public int RefcountTableClusters { get; private init; }

    /// <summary>The image was not closed by a writer that puts its reference counts off.</summary>
    public bool IsDirty { get; private init; }

    public int Snapshots { get; private init; }

    /// <summary>The image below, as written; null when there is none.</summary>
    public string? BackingName { get; private init; }

    /// <summary>Its format, when the header says it.</summary>
    public string? BackingFormat { get; private init; }

    /// <summary>L2 entries in a cluster.</summary>
    public int L2Entries => 1 << (ClusterBits - 3);

    /// <summary>True when the file starts with the magic; false too when it cannot be read.</summary>
    public static bool IsQcow2(string path)
    {
        using var file = BlockFile.Open(path, readOnly: true);
        Span<byte> magic = stackalloc byte[4];
        return BlockFile.TryRead(file, 0, magic) && BinaryPrimitives.ReadUInt32BigEndian(magic) == Magic;
    }

    /// <exception cref="BlockImageException">Not a header, or one of an image that cannot be used; the message says why.</exception>
    public static Qcow2Header Read(SafeFileHandle file, string path)
    {
        var bytes = new byte[MaxBytes];
        if (!BlockFile.TryRead(file, 0, bytes))
            throw Damaged(path, "its header cannot be read");
        if (U32(0) != Magic)
            throw Damaged(path, "it does not start with qcow2's magic; is it raw?");
        var version = U32(4);
        if (version is not (2 or 3))
            throw Damaged(path, $"version {version}, where 2 and 3 are known");
        var clusterBits = U32(20);
        if (clusterBits is < MinClusterBits or > MaxClusterBits)
            throw Damaged(path, $"clusters of 2^{clusterBits} bytes, where 2^{MinClusterBits} to 2^{MaxClusterBits} are allowed");
        if (U32(32) != 0)
            throw Damaged(path, "it is encrypted, which is not known here");
        var (incompatible, headerBytes, refcountOrder) = version == 2 ? (0UL, (uint)MinBytes, (uint)DefaultRefcountOrder) : (U64(72), U32(100), U32(96));
        if ((incompatible & ~IncompatibleDirty) != 0)
            throw Damaged(path, $"incompatible features 0x{incompatible:x}, of which only 0x{IncompatibleDirty:x} is known: convert it with qemu-img");
        if (refcountOrder != DefaultRefcountOrder)
            throw Damaged(path, $"reference counts of 2^{refcountOrder} bits, where 16 bits are known: convert it with qemu-img");
        if (headerBytes < (version == 2 ? MinBytes : Version3Bytes) || headerBytes > 1u << (int)clusterBits)
            throw Damaged(path, $"a header of {headerBytes} bytes");

        var diskBytes = U64(24);
        var l1Entries = U32(36);
        var perL1Entry = 1UL << (2 * (int)clusterBits - 3);
        var needed = diskBytes / perL1Entry + (diskBytes % perL1Entry != 0 ? 1UL : 0);
        if (diskBytes > long.MaxValue / 2 || needed > MaxL1Entries || l1Entries > MaxL1Entries || l1Entries < needed)
            throw Damaged(path, $"a disk of {diskBytes} bytes with {l1Entries} L1 entries");
        var tableClusters = U32(56);
        if (tableClusters == 0 || (long)tableClusters << (int)clusterBits > MaxRefcountTableBytes + (1L << MaxClusterBits))
            throw Damaged(path, $"a reference count table of {tableClusters} clusters");
        var mask = (1UL << (int)clusterBits) - 1;
        var (l1, table) = (U64(40), U64(48));
        if ((l1 & mask) != 0 || (table & mask) != 0 || l1 > long.MaxValue / 2 || table > long.MaxValue / 2 || table == 0 || (l1 == 0 && l1Entries > 0))
            throw Damaged(path, $"tables at 0x{l1:x} and 0x{table:x}, not where a cluster starts");

        var (backingOffset, backingBytes) = (U64(8), U32(16));
        string? backing = null;
        if (backingOffset != 0)
        {
            if (backingBytes is 0 or > MaxBackingNameBytes || backingOffset > mask)
                throw Damaged(path, $"a backing file's name of {backingBytes} bytes at 0x{backingOffset:x}");
            var name = new byte[backingBytes];
            if (!BlockFile.TryRead(file, (long)backingOffset, name))
                throw Damaged(path, "its backing file's name cannot be read");
            backing = Encoding.UTF8.GetString(name);
        }
        return new Qcow2Header
        {
            Version = (int)version,
            ClusterBits = (int)clusterBits,
            DiskBytes = (long)(diskBytes & ~511UL),
            L1Offset = (long)l1,
            L1Entries = (int)l1Entries,
            RefcountTableOffset = (long)table,
            RefcountTableClusters = (int)tableClusters,
            IsDirty = (incompatible & IncompatibleDirty) != 0,
            Snapshots = (int)Math.Min(U32(60), int.MaxValue),
            BackingName = backing,
            BackingFormat = FindBackingFormat(file, headerBytes, mask),
        };

        uint U32(int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset));
        ulong U64(int offset) => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(offset));
    }

    public static BlockImageException Damaged(string path, string why) => new($"qcow2 image '{path}': {why}");

    // "Header extensions": type, length, data padded to 8 bytes, up to type 0; all in the first cluster.
    private static string? FindBackingFormat(SafeFileHandle file, uint headerBytes, ulong lastOffset)
    {
        const uint backingFormat = 0xe2792aca;
        const int maxFormatBytes = 16;
        Span<byte> head = stackalloc byte[8];
        for (ulong at = headerBytes; at + 8 <= lastOffset + 1;)
        {
            if (!BlockFile.TryRead(file, (long)at, head))
                return null;
            var (type, length) = (BinaryPrimitives.ReadUInt32BigEndian(head), BinaryPrimitives.ReadUInt32BigEndian(head[4..]));
            if (type == 0)
                return null;
            if (type == backingFormat && length is > 0 and <= maxFormatBytes)
            {
                var name = new byte[length];
                return BlockFile.TryRead(file, (long)at + 8, name) ? Encoding.ASCII.GetString(name) : null;
            }
            at += 8 + ((ulong)length + 7 & ~7UL);
        }
        return null;
    }
}
