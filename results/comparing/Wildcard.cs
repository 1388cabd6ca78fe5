namespace Gauntlet.Results.Comparing;

/// <summary>Patterns where <c>*</c> stands for any characters, also none, and <c>?</c> for any one; everything else, case included, for itself.</summary>
public static class Wildcard
{
    public static bool IsOne(string pattern) => pattern.AsSpan().ContainsAny('*', '?');

    /// <summary>True when the pattern fits the whole text. Takes at most pattern × text steps, whatever they are.</summary>
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        // On a mismatch only the last star can take more: a later star leaves the earlier ones nothing to gain.
        int p = 0, t = 0, star = -1, starText = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                starText = t;
            }
            else if (p < pattern.Length && (pattern[p] == '?' || pattern[p] == text[t]))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                t = ++starText;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }
}
