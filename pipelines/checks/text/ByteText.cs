using System.Text;

namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>
/// Carries bytes of unknown encoding through strings without loss. ASCII bytes are themselves; a byte of 0x80 or more becomes the private-use
/// character U+E000 plus the byte, which no character class takes for a letter, a digit or a space. So patterns see bytes as C locale tools see
/// them, and lengths are lengths in bytes.
/// </summary>
public static class ByteText
{
    private const int HighByteBase = 0xE000;

    /// <summary>The text of <paramref name="bytes"/>, one character for each byte.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes) =>
        Ascii.IsValid(bytes)
            ? Encoding.ASCII.GetString(bytes)
            : string.Create(bytes.Length, bytes, static (characters, source) =>
            {
                for (var i = 0; i < source.Length; i++)
                    characters[i] = source[i] < 0x80 ? (char)source[i] : (char)(HighByteBase + source[i]);
            });

    /// <summary>
    /// The bytes of <paramref name="text"/>. Characters that <see cref="Decode"/> did not make (messages and paths written by people) become UTF-8.
    /// </summary>
    public static byte[] Encode(ReadOnlySpan<char> text)
    {
        if (Ascii.IsValid(text))
        {
            var ascii = new byte[text.Length];
            Encoding.ASCII.GetBytes(text, ascii);
            return ascii;
        }
        var bytes = new List<byte>(text.Length);
        Span<byte> encoded = stackalloc byte[4];
        for (var i = 0; i < text.Length;)
        {
            if (IsHighByte(text[i]))
            {
                bytes.Add(ByteOf(text[i++]));
                continue;
            }
            Rune.DecodeFromUtf16(text[i..], out var rune, out var consumed);
            bytes.AddRange(encoded[..rune.EncodeToUtf8(encoded)]);
            i += consumed;
        }
        return [.. bytes];
    }

    /// <summary>The text as a person reads it: its bytes taken as UTF-8, with U+FFFD where they are not.</summary>
    public static string ToDisplay(ReadOnlySpan<char> text) => Ascii.IsValid(text) ? text.ToString() : Encoding.UTF8.GetString(Encode(text));

    /// <summary>The inverse of <see cref="ToDisplay"/> for well-formed text: UTF-8 bytes as characters.</summary>
    public static string FromDisplay(string text) => Ascii.IsValid(text) ? text : Decode(Encoding.UTF8.GetBytes(text));

    public static bool IsHighByte(char character) => character is >= (char)(HighByteBase + 0x80) and <= (char)(HighByteBase + 0xFF);

    /// <summary>The byte that a character of decoded text stands for.</summary>
    public static byte ByteOf(char character) => character < 0x80 ? (byte)character : (byte)(character - HighByteBase);
}
