namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>Which ASCII characters a text has: a quick way out for whatever looks for one that is not there.</summary>
public readonly record struct CharacterSet(ulong Low, ulong High)
{
    private const int Half = 64;

    /// <summary>The characters of a text; those above ASCII are left out.</summary>
    public static CharacterSet Of(ReadOnlySpan<char> text)
    {
        ulong low = 0, high = 0;
        foreach (var c in text)
        {
            if (c < Half)
                low |= 1UL << c;
            else if (c < 2 * Half)
                high |= 1UL << (c - Half);
        }
        return new CharacterSet(low, high);
    }

    /// <param name="character">ASCII.</param>
    public bool Has(char character) => ((character < Half ? Low : High) >> (character & (Half - 1)) & 1) != 0;

    /// <summary>Whether all of another set's characters are in this one.</summary>
    public bool Covers(CharacterSet other) => (other.Low & ~Low) == 0 && (other.High & ~High) == 0;
}
