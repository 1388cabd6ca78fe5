using System.Buffers.Text;
using System.IO.Compression;

namespace Gauntlet.Pipelines.Series;

/// <summary>
/// What a patch's binary changes unpack to (<c>GIT binary patch</c>, git's apply.c): a few kilobytes of mail can stand for more than any disk holds, and
/// git unpacks what it is given.
/// </summary>
public static class BinaryPatchSize
{
    /// <summary>A patch that unpacks to more is not applied. Firmware images, the largest that people send, stay well below.</summary>
    public const long MaxBytes = 256L << 20;

    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

    /// <summary>Of a delta's head: two sizes of at most ten bytes each.</summary>
    private const int MaxHeadBytes = 20;

    private static readonly sbyte[] Values = MakeValues();

    /// <summary>Sum of the sizes that its binary hunks declare, or that their deltas would make; <see cref="long.MaxValue"/> when it is beyond counting. Linear in the patch.</summary>
    public static long Measure(ReadOnlySpan<byte> patch)
    {
        if (patch.IndexOf("\nGIT binary patch"u8) < 0)
            return 0;
        long sum = 0;
        while (!patch.IsEmpty)
        {
            var line = TakeLine(ref patch);
            if (Size(line, "literal "u8) is { } literal)
                sum = Add(sum, literal);
            else if (Size(line, "delta "u8) is not null)
                sum = Add(sum, DeltaResult(ref patch));
        }

        return sum;
    }

    private static long Add(long sum, long more) => more > long.MaxValue - sum ? long.MaxValue : sum + more;

    private static long? Size(ReadOnlySpan<byte> line, ReadOnlySpan<byte> word) =>
        !line.StartsWith(word) ? null
        : Utf8Parser.TryParse(line[word.Length..], out ulong size, out var length) && length == line.Length - word.Length ? (long)Math.Min(size, long.MaxValue)
        : null;

    // Its zlib stream holds the size of what it applies to, then the size of what it makes, seven bits a byte (gitformat-pack(5), deltified representation).
    private static long DeltaResult(ref ReadOnlySpan<byte> patch)
    {
        using var packed = new MemoryStream();
        while (!patch.IsEmpty && patch[0] is not ((byte)'\n' or (byte)'\r') && Decode(TakeLine(ref patch), packed))
        {
        }

        packed.Position = 0;
        var head = new byte[MaxHeadBytes];
        int length;
        try
        {
            using var delta = new ZLibStream(packed, CompressionMode.Decompress);
            length = delta.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException)
        {
            // git refuses it, too, and says so.
            return 0;
        }

        var rest = head.AsSpan(0, length);
        TakeNumber(ref rest);
        return TakeNumber(ref rest);
    }

    private static long TakeNumber(ref Span<byte> bytes)
    {
        ulong value = 0;
        for (var shift = 0; !bytes.IsEmpty; shift += 7)
        {
            var (bits, last) = (bytes[0] & 0x7fUL, (bytes[0] & 0x80) == 0);
            bytes = bytes[1..];
            if (bits != 0 && (shift > 56 || bits << shift > long.MaxValue))
                return long.MaxValue;
            value |= shift > 56 ? 0 : bits << shift;
            if (last)
                break;
        }

        return (long)Math.Min(value, long.MaxValue);
    }

    /// <summary>One line: its length as a letter, then five characters for each four bytes. False when it is none.</summary>
    private static bool Decode(ReadOnlySpan<byte> line, MemoryStream to)
    {
        var length = line.IsEmpty ? 0 : line[0] switch { >= (byte)'A' and <= (byte)'Z' => line[0] - 'A' + 1, >= (byte)'a' and <= (byte)'z' => line[0] - 'a' + 27, _ => 0 };
        if (length == 0 || line.Length - 1 != (length + 3) / 4 * 5)
            return false;
        for (var groups = line[1..]; !groups.IsEmpty; groups = groups[5..], length -= 4)
        {
            ulong value = 0;
            foreach (var digit in groups[..5])
            {
                if (Values[digit] < 0)
                    return false;
                value = value * 85 + (uint)Values[digit];
            }

            for (var i = 0; i < Math.Min(length, 4); i++)
                to.WriteByte((byte)(value >> (24 - i * 8)));
        }

        return true;
    }

    private static ReadOnlySpan<byte> TakeLine(ref ReadOnlySpan<byte> text)
    {
        var end = text.IndexOf((byte)'\n');
        var line = end < 0 ? text : text[..end];
        text = end < 0 ? [] : text[(end + 1)..];
        return line.TrimEnd((byte)'\r');
    }

    private static sbyte[] MakeValues()
    {
        var values = new sbyte[256];
        Array.Fill(values, (sbyte)-1);
        for (var i = 0; i < Digits.Length; i++)
            values[Digits[i]] = (sbyte)i;
        return values;
    }
}
