using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.State;

/// <summary>What a section of a snapshot file holds. The values are in files: never change one.</summary>
public enum SnapshotSection : uint
{
    /// <summary>The machine that the snapshot is of; first.</summary>
    Machine = 1,
    Clock = 2,

    /// <summary>A device; the instance is its place in the machine.</summary>
    Device = 3,

    /// <summary>Interrupt controllers inside the accelerator.</summary>
    IrqChip = 4,

    /// <summary>A vCPU; the instance is its index.</summary>
    Vcpu = 5,

    /// <summary>Pages of RAM; the instance is the run's place in the layout.</summary>
    Pages = 6,

    /// <summary>How many sections came before; last.</summary>
    End = 7,
}

/// <summary>A section's header (see README.md, "The file").</summary>
/// <param name="Length">Of the payload, in bytes.</param>
/// <param name="Checksum">CRC-32C of the header's other fields and the payload.</param>
public readonly record struct SnapshotSectionHeader(SnapshotSection Kind, uint Instance, uint Length, uint Checksum)
{
    /// <summary>In bytes.</summary>
    public const int Size = 16;

    /// <summary>A payload's, in bytes: no section needs more, and a hostile length must not.</summary>
    public const int MaxLength = 16 << 20;
}

/// <summary>Writes the sections of a snapshot file, one after the other.</summary>
public sealed class SnapshotWriter
{
    private readonly Stream _target;
    private uint _count;

    /// <param name="target">Written to from where it is.</param>
    public SnapshotWriter(Stream target)
    {
        _target = target;
        Span<byte> start = stackalloc byte[SnapshotFormat.StartBytes];
        SnapshotFormat.Magic.CopyTo(start);
        BinaryPrimitives.WriteUInt32LittleEndian(start[SnapshotFormat.Magic.Length..], SnapshotFormat.Version);
        _target.Write(start);
    }

    /// <summary>A payload of two parts, so that pages need not be copied.</summary>
    public void Add(SnapshotSection kind, int instance, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> more = default)
    {
        Span<byte> header = stackalloc byte[SnapshotSectionHeader.Size];
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)kind);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)instance);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)(payload.Length + more.Length));
        var checksum = Crc32C.Add(Crc32C.Add(Crc32C.Add(0, header[..12]), payload), more);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], checksum);
        _target.Write(header);
        _target.Write(payload);
        _target.Write(more);
        _count++;
    }

    /// <summary>Ends the file.</summary>
    public void End()
    {
        Span<byte> count = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(count, _count);
        Add(SnapshotSection.End, 0, count);
    }
}

/// <summary>Reads what <see cref="SnapshotWriter"/> wrote; anything else ends in <see cref="StateFormatException"/>.</summary>
public sealed class SnapshotReader
{
    private readonly Stream _source;
    private readonly byte[] _header = new byte[SnapshotSectionHeader.Size];
    private byte[] _payload = new byte[64 * 1024];
    private uint _count;
    private long _position;

    /// <param name="source">Read from where it is to its end.</param>
    /// <exception cref="StateFormatException">No snapshot, or of a version that this program does not know.</exception>
    public SnapshotReader(Stream source)
    {
        _source = source;
        var start = new byte[SnapshotFormat.StartBytes];
        if (_source.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !start.AsSpan().StartsWith(SnapshotFormat.Magic))
            throw new StateFormatException("not a snapshot of gvmm: it does not begin with 'gvmmsnap'");
        var version = BinaryPrimitives.ReadUInt32LittleEndian(start.AsSpan(SnapshotFormat.Magic.Length));
        if (version != SnapshotFormat.Version)
            throw new StateFormatException($"a snapshot of version {version}; this gvmm reads version {SnapshotFormat.Version}");
        _position = start.Length;
    }

    /// <summary>The current section's kind and instance.</summary>
    public SnapshotSectionHeader Header { get; private set; }

    /// <summary>The current section's bytes, until the next is read.</summary>
    public ReadOnlySpan<byte> Payload => _payload.AsSpan(0, (int)Header.Length);

    /// <summary>Reads the next section; false after the last.</summary>
    /// <exception cref="StateFormatException">Cut off, damaged, or something behind the end.</exception>
    public bool Next()
    {
        var at = _position;
        Fill(_header, at);
        var header = new SnapshotSectionHeader((SnapshotSection)Word(0), Word(4), Word(8), Word(12));
        if (header.Length > SnapshotSectionHeader.MaxLength)
            throw new StateFormatException($"snapshot at byte {at}: a section of {header.Length} bytes, where at most {SnapshotSectionHeader.MaxLength} are allowed");
        // No more memory than there are bytes to read, where that is known.
        if (_source.CanSeek && header.Length > _source.Length - _source.Position)
            throw CutOff(at);
        if (_payload.Length < header.Length)
            _payload = new byte[header.Length];
        Header = header;
        Fill(_payload.AsSpan(0, (int)header.Length), at);
        if (Crc32C.Add(Crc32C.Add(0, _header.AsSpan(0, 12)), Payload) != header.Checksum)
            throw new StateFormatException($"snapshot at byte {at}: the section's checksum is wrong, the file is damaged");
        if (header.Kind != SnapshotSection.End)
        {
            _count++;
            return true;
        }
        if (header.Length != 4 || BinaryPrimitives.ReadUInt32LittleEndian(Payload) != _count)
            throw new StateFormatException($"snapshot at byte {at}: its end does not count the {_count} sections that there are, some are missing");
        if (_source.ReadByte() >= 0)
            throw new StateFormatException($"snapshot at byte {_position}: something follows its end");
        return false;

        uint Word(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(offset));
    }

    private void Fill(Span<byte> target, long sectionAt)
    {
        if (_source.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) < target.Length)
            throw CutOff(sectionAt);
        _position += target.Length;
    }

    private static StateFormatException CutOff(long at) => new($"snapshot at byte {at}: the file ends within a section, it was cut off");
}

/// <summary>How a snapshot file begins.</summary>
internal static class SnapshotFormat
{
    /// <summary>Bumped when the sections or their order change; a device's own version says when its fields do.</summary>
    public const uint Version = 2;

    public const int StartBytes = 12;

    public static ReadOnlySpan<byte> Magic => "gvmmsnap"u8;
}

/// <summary>CRC-32C (RFC 3720, appendix B.4), without its final complement.</summary>
internal static class Crc32C
{
    public static uint Add(uint checksum, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
            checksum = BitOperations.Crc32C(checksum, word);
        foreach (var single in bytes[(words.Length * sizeof(ulong))..])
            checksum = BitOperations.Crc32C(checksum, single);
        return checksum;
    }
}
