using System.Buffers.Binary;
using System.Text;

namespace Gauntlet.Vmm.State;

/// <summary>Bytes that are not a valid device state: hostile, cut off, or of a version this program does not know.</summary>
public sealed class StateFormatException(string message) : Exception(message);

/// <summary>Writes a device's state: little endian, fields in a fixed order, no padding.</summary>
public sealed class StateWriter
{
    private byte[] _buffer = new byte[256];

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    /// <summary>In bytes.</summary>
    public int Length { get; private set; }

    /// <summary>Starts over, keeping the buffer: for snapshots taken many times.</summary>
    public void Clear() => Length = 0;

    public void Byte(byte value) => Grow(1)[0] = value;

    public void Bool(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void UInt16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Grow(2), value);

    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Grow(4), value);

    public void Int32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Grow(4), value);

    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Grow(8), value);

    public void Int64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Grow(8), value);

    /// <summary>Length (u32), then the bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        UInt32((uint)value.Length);
        value.CopyTo(Grow(value.Length));
    }

    public void Text(string value) => Bytes(Encoding.UTF8.GetBytes(value));

    private Span<byte> Grow(int count)
    {
        if (_buffer.Length - Length < count)
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, Length + count));
        var span = _buffer.AsSpan(Length, count);
        Length += count;
        return span;
    }
}

/// <summary>Reads what <see cref="StateWriter"/> wrote; anything else ends in <see cref="StateFormatException"/>.</summary>
public ref struct StateReader(ReadOnlySpan<byte> source)
{
    private readonly ReadOnlySpan<byte> _source = source;
    private int _position;

    public readonly int Remaining => _source.Length - _position;

    public byte Byte() => Take(1)[0];

    public bool Bool() => Byte() switch
    {
        0 => false,
        1 => true,
        var other => throw new StateFormatException($"device state at byte {_position - 1}: 0x{other:x2} where 0 or 1 was expected"),
    };

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    /// <param name="maxLength">In bytes; a longer field is refused.</param>
    public ReadOnlySpan<byte> Bytes(int maxLength)
    {
        var length = UInt32();
        if (length > maxLength)
            throw new StateFormatException($"device state at byte {_position - 4}: a field of {length} bytes where at most {maxLength} were expected");
        return Take((int)length);
    }

    public string Text(int maxLength) => Encoding.UTF8.GetString(Bytes(maxLength));

    private ReadOnlySpan<byte> Take(int count)
    {
        if (Remaining < count)
            throw new StateFormatException($"device state ends at byte {_source.Length}, {count - Remaining} short");
        var span = _source.Slice(_position, count);
        _position += count;
        return span;
    }
}
