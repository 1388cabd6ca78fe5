namespace Gauntlet.Vmm.Program.Options;

/// <summary>Numbers as QEMU's options spell them.</summary>
internal static class Numbers
{
    /// <summary>A count in decimal, or hexadecimal after 0x, inside bounds.</summary>
    /// <exception cref="OptionException">Something else.</exception>
    public static int Count(string option, string text, int min, int max)
    {
        var isHex = text is ['0', 'x' or 'X', ..];
        if (!TryParse(isHex ? text.AsSpan(2) : text, isHex ? 16u : 10u, out var value) || value < (ulong)min || value > (ulong)max)
            throw new OptionException($"{option}: '{text}' is not a number from {min} to {max}");
        return (int)value;
    }

    /// <summary>Bytes: a number with a suffix of b, K, M, G or T, without one in units of <paramref name="unit"/>.</summary>
    /// <exception cref="OptionException">Something else, or more than 2^62.</exception>
    public static ulong Size(string option, string text, ulong unit)
    {
        var digits = text;
        var scale = unit;
        if (text.Length > 0 && !char.IsAsciiDigit(text[^1]))
        {
            scale = char.ToLowerInvariant(text[^1]) switch
            {
                'b' => 1,
                'k' => 1UL << 10,
                'm' => 1UL << 20,
                'g' => 1UL << 30,
                't' => 1UL << 40,
                _ => 0,
            };
            digits = text[..^1];
        }
        if (scale == 0 || !TryParse(digits, 10, out var value) || value > (1UL << 62) / scale)
            throw new OptionException($"{option}: '{text}' is not a size: a number with K, M, G or T");
        return value * scale;
    }

    // Not the framework's, which sets up a culture's number formats first: half a millisecond of each start.
    private static bool TryParse(ReadOnlySpan<char> digits, uint radix, out ulong value)
    {
        value = 0;
        foreach (var digit in digits)
        {
            var worth = digit switch
            {
                >= '0' and <= '9' => digit - '0',
                >= 'a' and <= 'f' => digit - 'a' + 10,
                >= 'A' and <= 'F' => digit - 'A' + 10,
                _ => int.MaxValue,
            };
            if (worth >= radix || value > (ulong.MaxValue - (ulong)worth) / radix)
                return false;
            value = value * radix + (ulong)worth;
        }
        return digits.Length > 0;
    }
}
