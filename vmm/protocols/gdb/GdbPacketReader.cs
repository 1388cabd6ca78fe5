namespace Gauntlet.Vmm.Protocols.Gdb;

/// <summary>Who takes what a <see cref="GdbPacketReader"/> finds.</summary>
public interface IGdbPacketSink
{
    /// <summary>A packet whose checksum is right, unescaped.</summary>
    void OnPacket(ReadOnlySpan<byte> packet);

    /// <summary>A packet that is damaged or too long: to be sent again.</summary>
    void OnDamaged();

    /// <summary>The last reply arrived damaged.</summary>
    void OnRefused();

    /// <summary>Ctrl-C.</summary>
    void OnInterrupt();
}

/// <summary>
/// Cuts a byte stream into packets of the GDB Remote Serial Protocol (Debugging with GDB, appendix E.1): <c>$data#checksum</c>, <c>}</c> escapes the byte
/// after it, 0x03 between packets interrupts.
/// </summary>
public sealed class GdbPacketReader(IGdbPacketSink sink)
{
    /// <summary>Longest packet that is taken, unescaped; told to gdb as PacketSize.</summary>
    public const int MaxPacketBytes = 0x4000;

    private const byte Start = (byte)'$', End = (byte)'#', EscapeByte = (byte)'}', Interrupt = 0x03, EscapeBit = 0x20;

    private readonly byte[] _packet = new byte[MaxPacketBytes];
    private Place _place;
    private int _length;
    private byte _sum, _checksum;
    private bool _tooLong;

    private enum Place
    {
        Between,
        Data,
        Escaped,
        ChecksumHigh,
        ChecksumLow,
    }

    /// <summary>Forgets a packet that is half there.</summary>
    public void Clear() => _place = Place.Between;

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            Feed(value);
    }

    private void Feed(byte value)
    {
        switch (_place)
        {
            case Place.Between:
                FeedBetween(value);
                break;
            case Place.Data when value == End:
                _place = Place.ChecksumHigh;
                break;
            case Place.Data when value == Start:
                // A new packet before the old one's end: the rest of the old one was lost.
                Begin();
                break;
            case Place.Data:
                _sum += value;
                if (value == EscapeByte)
                    _place = Place.Escaped;
                else
                    Keep(value);
                break;
            case Place.Escaped:
                _sum += value;
                Keep((byte)(value ^ EscapeBit));
                _place = Place.Data;
                break;
            case Place.ChecksumHigh:
                _checksum = GdbHex.IsDigit(value) ? (byte)(GdbHex.Digit(value) << 4) : (byte)~_sum;
                _place = Place.ChecksumLow;
                break;
            default:
                _place = Place.Between;
                if (!_tooLong && GdbHex.IsDigit(value) && (_checksum | GdbHex.Digit(value)) == _sum)
                    sink.OnPacket(_packet.AsSpan(0, _length));
                else
                    sink.OnDamaged();
                break;
        }
    }

    private void FeedBetween(byte value)
    {
        switch (value)
        {
            case Start:
                Begin();
                break;
            case Interrupt:
                sink.OnInterrupt();
                break;
            case (byte)'-':
                sink.OnRefused();
                break;
            default:
                // '+', and noise on the line.
                break;
        }
    }

    private void Begin()
    {
        (_place, _length, _sum, _tooLong) = (Place.Data, 0, 0, false);
    }

    private void Keep(byte value)
    {
        if (_length == MaxPacketBytes)
            _tooLong = true;
        else
            _packet[_length++] = value;
    }
}
