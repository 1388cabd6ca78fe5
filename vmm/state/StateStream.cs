using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

    public void Byte(byte value) => Reserve(1) = value;

    public void Bool(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void UInt16(ushort value) => Unsafe.WriteUnaligned(ref Reserve(sizeof(ushort)), BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value));

    public void UInt32(uint value) => Unsafe.WriteUnaligned(ref Reserve(sizeof(uint)), BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value));

    public void Int32(int value) => UInt32((uint)value);

    public void UInt64(ulong value) => Unsafe.WriteUnaligned(ref Reserve(sizeof(ulong)), BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value));

    public void Int64(long value) => UInt64((ulong)value);

    /// <summary>Length (u32), then the bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        UInt32((uint)value.Length);
        value.CopyTo(MemoryMarshal.CreateSpan(ref Reserve(value.Length), value.Length));
    }

    public void Text(string value) => Bytes(Encoding.UTF8.GetBytes(value));

    // A reference, not a span: a state is some hundred small fields, and a fuzzer saves thousands of states a second.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref byte Reserve(int count)
    {
        var at = Length;
        if (_buffer.Length - at < count)
            Grow(count);
        Length = at + count;
        return ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_buffer), at);
    }

    private void Grow(int count) => Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, Length + count));
}

/// <summary>Reads what <see cref="StateWriter"/> wrote; anything else ends in <see cref="StateFormatException"/>.</summary>
public ref struct StateReader(ReadOnlySpan<byte> source)
{
    private readonly ReadOnlySpan<byte> _source = source;
    private int _position;

    public readonly int Remaining => _source.Length - _position;

    public byte Byte() => Take(1);

    public bool Bool() => Byte() switch
    {
        0 => false,
        1 => true,
        var other => throw new StateFormatException($"device state at byte {_position - 1}: 0x{other:x2} where 0 or 1 was expected"),
    };

    public ushort UInt16()
    {
        var value = Unsafe.ReadUnaligned<ushort>(in Take(sizeof(ushort)));
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }

    public uint UInt32()
    {
        var value = Unsafe.ReadUnaligned<uint>(in Take(sizeof(uint)));
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }

    public int Int32() => (int)UInt32();

    public ulong UInt64()
    {
        var value = Unsafe.ReadUnaligned<ulong>(in Take(sizeof(ulong)));
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }

    public long Int64() => (long)UInt64();

    /// <param name="maxLength">In bytes; a longer field is refused.</param>
    public ReadOnlySpan<byte> Bytes(int maxLength)
    {
        var length = UInt32();
        if (length > maxLength)
            throw new StateFormatException($"device state at byte {_position - 4}: a field of {length} bytes where at most {maxLength} were expected");
        return MemoryMarshal.CreateReadOnlySpan(in Take((int)length), (int)length);
    }

    public string Text(int maxLength) => Encoding.UTF8.GetString(Bytes(maxLength));

    // The first of so many bytes, all of which are there.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref readonly byte Take(int count)
    {
        var at = _position;
        if (_source.Length - at < count)
            ThrowShort(count);
        _position = at + count;
        return ref Unsafe.Add(ref MemoryMarshal.GetReference(_source), at);
    }

    private readonly void ThrowShort(int count) => throw new StateFormatException($"device state ends at byte {_source.Length}, {count - Remaining} short");
}
