namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>UTF-8 well-formedness (RFC 3629, section 4) of text that <see cref="ByteText"/> decoded.</summary>
public static class Utf8Scan
{
    /// <summary>
    /// How many leading characters are printable ASCII, tab, line feed, carriage return or whole multi-byte sequences. Equal to the length when the
    /// text is clean; other control characters count as invalid, as in checkpatch.
    /// </summary>
    public static int ValidPrefix(ReadOnlySpan<char> text)
    {
        var i = 0;
        while (i < text.Length)
        {
            var c = text[i];
            if (c is >= ' ' and <= '~' or '\t' or '\n' or '\r')
            {
                i++;
                continue;
            }
            var length = SequenceLength(text[i..]);
            if (length == 0)
                return i;
            i += length;
        }
        return i;
    }

    /// <summary>Whether any well-formed multi-byte sequence is in the text.</summary>
    public static bool HasMultiByte(ReadOnlySpan<char> text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (ByteText.IsHighByte(text[i]) && SequenceLength(text[i..]) != 0)
                return true;
        }
        return false;
    }

    /// <summary>Length of the well-formed multi-byte sequence at the start, 0 when there is none.</summary>
    private static int SequenceLength(ReadOnlySpan<char> text)
    {
        if (!ByteText.IsHighByte(text[0]))
            return 0;
        var lead = ByteText.ByteOf(text[0]);
        var (length, low, high) = lead switch
        {
            >= 0xC2 and <= 0xDF => (2, 0x80, 0xBF),
            0xE0 => (3, 0xA0, 0xBF),
            0xED => (3, 0x80, 0x9F),
            >= 0xE1 and <= 0xEF => (3, 0x80, 0xBF),
            0xF0 => (4, 0x90, 0xBF),
            >= 0xF1 and <= 0xF3 => (4, 0x80, 0xBF),
            0xF4 => (4, 0x80, 0x8F),
            _ => (0, 0, 0),
        };
        if (length == 0 || text.Length < length || !InRange(text[1], low, high))
            return 0;
        for (var i = 2; i < length; i++)
        {
            if (!InRange(text[i], 0x80, 0xBF))
                return 0;
        }
        return length;
    }

    /// <summary>
    /// Whether text holds a sequence that was UTF-8, was read as ISO-8859-1, and was encoded again: each of the original's bytes is then itself a
    /// two-byte sequence, the lead byte as C3 xx and each continuation byte as C2 xx.
    /// </summary>
    public static bool HasDoublyEncoded(ReadOnlySpan<char> text)
    {
        for (var i = 0; i + 3 < text.Length; i++)
        {
            if (!ByteText.IsHighByte(text[i]) || ByteText.ByteOf(text[i]) != 0xC3 || !ByteText.IsHighByte(text[i + 1]))
                continue;
            var (continuations, low, high) = ByteText.ByteOf(text[i + 1]) switch
            {
                >= 0x82 and <= 0x9F => (1, 0x80, 0xBF),
                0xA0 => (2, 0xA0, 0xBF),
                0xAD => (2, 0x80, 0x9F),
                >= 0xA1 and <= 0xAF => (2, 0x80, 0xBF),
                0xB0 => (3, 0x90, 0xBF),
                >= 0xB1 and <= 0xB3 => (3, 0x80, 0xBF),
                0xB4 => (3, 0x80, 0x8F),
                _ => (0, 0, 0),
            };
            if (continuations != 0 && Continues(text[(i + 2)..], continuations, low, high))
                return true;
        }
        return false;
    }

    private static bool Continues(ReadOnlySpan<char> text, int count, int low, int high)
    {
        if (text.Length < 2 * count)
            return false;
        for (var i = 0; i < count; i++)
        {
            if (!InRange(text[2 * i], 0xC2, 0xC2) || !InRange(text[2 * i + 1], i == 0 ? low : 0x80, i == 0 ? high : 0xBF))
                return false;
        }
        return true;
    }

    private static bool InRange(char character, int low, int high) =>
        ByteText.IsHighByte(character) && ByteText.ByteOf(character) is var value && value >= low && value <= high;
}
