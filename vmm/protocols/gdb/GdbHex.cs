using System.Globalization;
using System.Text;

namespace Gauntlet.Vmm.Protocols.Gdb;

/// <summary>Hexadecimal as gdb writes it: numbers with the most significant digit first, bytes and registers in memory's order.</summary>
internal static class GdbHex
{
    public static bool IsDigit(byte value) => char.IsAsciiHexDigit((char)value);

    /// <param name="digit">One of 0-9, a-f, A-F.</param>
    public static int Digit(byte digit) => digit <= '9' ? digit - '0' : (digit & ~0x20) - 'A' + 10;

    public static void Append(StringBuilder text, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            text.Append(CultureInfo.InvariantCulture, $"{value:x2}");
    }

    public static string OfText(string text)
    {
        var hex = new StringBuilder();
        Append(hex, Encoding.UTF8.GetBytes(text));
        return hex.ToString();
    }

    /// <summary>Two digits a byte; false for anything else.</summary>
    public static bool TryBytes(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = new byte[text.Length / 2];
        return text.Length % 2 == 0 && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }

    /// <summary>A number of at most 64 bits, without sign or prefix.</summary>
    public static bool TryNumber(ReadOnlySpan<char> text, out ulong number) =>
        ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);

    /// <summary><c>ADDRESS,LENGTH</c>; the length is at most <paramref name="most"/>.</summary>
    public static bool TryRange(ReadOnlySpan<char> text, int most, out ulong address, out int length)
    {
        (address, length) = (0, 0);
        var comma = text.IndexOf(',');
        if (comma < 0 || !TryNumber(text[..comma], out address) || !TryNumber(text[(comma + 1)..], out var count) || count > (ulong)most)
            return false;
        length = (int)count;
        return true;
    }
}
