using System.Buffers.Binary;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>The 256 words by which a drive tells what it is.</summary>
/// <remarks>ATA/ATAPI-7 volume 1 (T13 1532D), 6.17 (IDENTIFY DEVICE) and 6.18 (IDENTIFY PACKET DEVICE).</remarks>
/// <param name="data">512 bytes of zeros.</param>
internal readonly ref struct AtaIdentity(Span<byte> data)
{
    private readonly Span<byte> _data = data;

    /// <summary>A word by its number.</summary>
    public int this[int word]
    {
        set => BinaryPrimitives.WriteUInt16LittleEndian(_data[(word * 2)..], (ushort)value);
    }

    /// <summary>Two words, the low one first.</summary>
    public void SetDouble(int word, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_data[(word * 2)..], value);

    /// <summary>ASCII, filled up with spaces; the first character of each word is in its high byte.</summary>
    public void SetText(int word, int characters, string text)
    {
        for (var i = 0; i < characters; i++)
            _data[word * 2 + (i ^ 1)] = i < text.Length ? (byte)text[i] : (byte)' ';
    }

    /// <summary>What DMA and PIO modes there are, and which one is chosen: all the same speed.</summary>
    /// <param name="chosen">As SET FEATURES was told: the kind in the upper five bits.</param>
    public void SetTransferModes(byte chosen)
    {
        var bit = 1 << 8 + (chosen & 7);
        this[63] = 7 | (chosen >> 3 == 4 ? bit : 0);
        this[64] = 3;
        for (var word = 65; word <= 68; word++)
            this[word] = 120;
        this[88] = 0x3f | (chosen >> 3 == 8 ? bit : 0);
    }
}
