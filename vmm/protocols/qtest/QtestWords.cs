namespace Gauntlet.Vmm.Protocols.Qtest;

/// <summary>A line of qtest that is not carried out; the message follows <c>FAIL</c>.</summary>
internal sealed class QtestException(string message) : Exception(message);

/// <summary>The words of one line of qtest, and the forms in which they hold numbers and bytes. Everything else is a <see cref="QtestException"/>.</summary>
internal ref struct QtestWords
{
    private readonly ReadOnlySpan<char> _line;
    private int _at;

    public QtestWords(ReadOnlySpan<char> line)
    {
        _line = line;
        _at = 0;
        Command = Next();
    }

    /// <summary>The first word; empty when there is none.</summary>
    public ReadOnlySpan<char> Command { get; }

    public readonly bool AtEnd => _line[_at..].Trim(' ').IsEmpty;

    /// <summary>The next argument.</summary>
    public ReadOnlySpan<char> Text(string what)
    {
        var word = Next();
        return word.IsEmpty ? throw new QtestException($"{what} is missing") : word;
    }

    /// <summary>The next argument as strtoul(3) with base 0 reads it: decimal, 0x for hexadecimal, 0 for octal.</summary>
    public ulong Number(string what, ulong max = ulong.MaxValue)
    {
        var word = Text(what);
        var radix = word is ['0', 'x' or 'X', ..] ? 16u : word is ['0', _, ..] ? 8u : 10u;
        var digits = radix == 16 ? word[2..] : word;
        ulong value = 0;
        foreach (var digit in digits)
        {
            var worth = char.IsAsciiHexDigit(digit) ? (uint)Nibble(digit) : uint.MaxValue;
            if (worth >= radix || value > (ulong.MaxValue - worth) / radix)
                throw new QtestException($"{what} '{word}' is not a number of 64 bits");
            value = value * radix + worth;
        }
        if (digits.IsEmpty)
            throw new QtestException($"{what} '{word}' is not a number");
        return value <= max ? value : throw new QtestException($"{what} {word} is above 0x{max:x}");
    }

    /// <summary>The next argument, 0x and hexadecimal digits, as exactly so many bytes: zeros follow when it is shorter.</summary>
    public byte[] HexBytes(string what, int length)
    {
        var word = Text(what);
        if (word is not ['0', 'x' or 'X', ..])
            throw new QtestException($"{what} does not begin with 0x");
        var digits = word[2..];
        if (digits.Length % 2 != 0 || digits.Length / 2 > length)
            throw new QtestException($"{what} has {digits.Length} digits, where an even number up to {length * 2L} was expected");
        var bytes = new byte[length];
        for (var i = 0; i < digits.Length; i += 2)
        {
            if (!char.IsAsciiHexDigit(digits[i]) || !char.IsAsciiHexDigit(digits[i + 1]))
                throw new QtestException($"{what} is not hexadecimal at digit {i}");
            bytes[i / 2] = (byte)(Nibble(digits[i]) << 4 | Nibble(digits[i + 1]));
        }
        return bytes;
    }

    /// <summary>The next argument in base64 as exactly so many bytes: cut, or zeros follow.</summary>
    public byte[] Base64Bytes(string what, int length)
    {
        var word = Text(what);
        var decoded = new byte[(word.Length / 4 + 1) * 3];
        if (!Convert.TryFromBase64Chars(word, decoded, out var count))
            throw new QtestException($"{what} is not base64");
        var bytes = new byte[length];
        decoded.AsSpan(0, Math.Min(count, length)).CopyTo(bytes);
        return bytes;
    }

    private static int Nibble(char digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

    private ReadOnlySpan<char> Next()
    {
        while (_at < _line.Length && _line[_at] == ' ')
            _at++;
        var start = _at;
        while (_at < _line.Length && _line[_at] != ' ')
            _at++;
        return _line[start.._at];
    }
}
