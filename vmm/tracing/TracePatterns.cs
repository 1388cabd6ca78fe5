namespace Gauntlet.Vmm.Tracing;

/// <summary>
/// Which events are wanted, by QEMU's patterns: <c>*</c> stands for any letters, a <c>-</c> in front takes out, later patterns win over earlier ones.
/// </summary>
public sealed class TracePatterns
{
    /// <summary>Longest file of patterns that is read, in bytes.</summary>
    public const int MaxFileBytes = 1 << 20;

    private readonly List<string> _patterns = [];

    public bool IsEmpty => _patterns.Count == 0;

    /// <summary>As given, in order.</summary>
    public IReadOnlyList<string> All => _patterns;

    public void Add(string pattern) => _patterns.Add(pattern);

    /// <summary>One pattern a line; empty lines and those that begin with <c>#</c> say nothing.</summary>
    public void AddLines(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            var pattern = line.Trim();
            if (pattern.Length > 0 && pattern[0] != '#')
                _patterns.Add(pattern);
        }
    }

    public bool IsWanted(string name)
    {
        for (var i = _patterns.Count - 1; i >= 0; i--)
        {
            var pattern = _patterns[i].AsSpan();
            var isOut = pattern.Length > 0 && pattern[0] == '-';
            if (Matches(isOut ? pattern[1..] : pattern, name))
                return !isOut;
        }
        return false;
    }

    /// <summary>Whether a pattern, without its <c>-</c>, is about this name. Takes time in proportion to both lengths.</summary>
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        var (at, inPattern, star, resume) = (0, 0, -1, 0);
        while (at < name.Length)
        {
            if (inPattern < pattern.Length && pattern[inPattern] == '*')
                (star, resume) = (inPattern++, at);
            else if (inPattern < pattern.Length && pattern[inPattern] == name[at])
                (at, inPattern) = (at + 1, inPattern + 1);
            else if (star >= 0)
                (inPattern, at) = (star + 1, ++resume);
            else
                return false;
        }
        while (inPattern < pattern.Length && pattern[inPattern] == '*')
            inPattern++;
        return inPattern == pattern.Length;
    }
}
