using System.Globalization;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>Numbers as QEMU's options spell them.</summary>
internal static class Numbers
{
    /// <summary>A count in decimal, or hexadecimal after 0x, inside bounds.</summary>
    /// <exception cref="OptionException">Something else.</exception>
    public static int Count(string option, string text, int min, int max)
    {
        var parsed = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? int.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        if (!parsed || value < min || value > max)
            throw new OptionException($"{option}: '{text}' is not a number from {min} to {max}");
        return value;
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
        if (scale == 0 || !ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value > (1UL << 62) / scale)
            throw new OptionException($"{option}: '{text}' is not a size: a number with K, M, G or T");
        return value * scale;
    }
}
