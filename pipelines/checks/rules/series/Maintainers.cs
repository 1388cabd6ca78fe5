using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Series;

/// <summary>
/// The file MAINTAINERS, as get_maintainer.pl reads it: sections with <c>F:</c> (files), <c>X:</c> (not these) and <c>N:</c> (regular expressions over paths).
/// A section for all that is left over (<c>F: *</c> and <c>F: */</c>) looks after nothing in particular and does not count.
/// </summary>
internal sealed class Maintainers
{
    /// <summary>Longer expressions are nobody's list of files.</summary>
    private const int MaxExpression = 1000;

    private static readonly TimeSpan s_expressionTimeLimit = TimeSpan.FromMilliseconds(100);

    private readonly IReadOnlyList<Section> _sections;

    private Maintainers(IReadOnlyList<Section> sections) => _sections = sections;

    /// <summary>Reads the file. Takes any text; what is no field of a section is passed over.</summary>
    public static Maintainers Parse(string text)
    {
        var sections = new List<Section>();
        var section = new Section();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.IsWhiteSpace())
            {
                section = new Section();
                continue;
            }
            if (!TryField(line, out var field, out var value))
                continue;
            var isNew = section.IsEmpty;
            section.Add(field, value);
            if (isNew && !section.IsEmpty)
                sections.Add(section);
        }
        return new Maintainers(sections);
    }

    /// <summary>An <c>F:</c> line's pattern; false when the line is something else.</summary>
    public static bool TryFilePattern(ReadOnlySpan<char> line, out string pattern)
    {
        var isField = TryField(line, out var field, out pattern);
        return isField && field == 'F';
    }

    /// <summary>Whether a section names the file and does not leave it out.</summary>
    /// <param name="path">From the tree's root, with slashes.</param>
    public bool Covers(string path)
    {
        foreach (var section in _sections)
        {
            if (section.Covers(path))
                return true;
        }
        return false;
    }

    /// <summary>
    /// Whether a pattern names a file. It names what is in a directory when it ends with a slash, or is one; otherwise files of its own depth that begin with it.
    /// <c>*</c> stands for any text, <c>?</c> for a character.
    /// </summary>
    public static bool Matches(string pattern, string path)
    {
        if (pattern is "*" or "*/" or "")
            return false;
        if (pattern.EndsWith('/') || path.StartsWith(pattern + "/", StringComparison.Ordinal))
            return BeginsWith(path, pattern);
        return path.AsSpan().Count('/') == pattern.AsSpan().Count('/') && BeginsWith(path, pattern);
    }

    /// <summary>Whether the text begins with the pattern. Looks back to the last star only, so time is at most their product.</summary>
    private static bool BeginsWith(string text, string pattern)
    {
        var (at, next) = (0, 0);
        var (star, retry) = (-1, 0);
        while (next < pattern.Length)
        {
            if (pattern[next] == '*')
            {
                star = next++;
                retry = at;
            }
            else if (at < text.Length && (pattern[next] == '?' || pattern[next] == text[at]))
            {
                at++;
                next++;
            }
            else if (star >= 0 && retry < text.Length)
            {
                next = star + 1;
                at = ++retry;
            }
            else
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>A line such as <c>F:&#x9;hw/net/</c>: one capital, a colon, spaces, a value.</summary>
    private static bool TryField(ReadOnlySpan<char> line, out char field, out string value)
    {
        (field, value) = ('\0', "");
        if (line is not [>= 'A' and <= 'Z', ':', _, ..])
            return false;
        (field, value) = (line[0], line[2..].Trim().ToString());
        return value.Length > 0;
    }

    private sealed class Section
    {
        private readonly List<string> _files = [];
        private readonly List<string> _excluded = [];
        private readonly List<string> _expressions = [];

        public bool IsEmpty => _files.Count + _excluded.Count + _expressions.Count == 0;

        public void Add(char field, string value)
        {
            switch (field)
            {
                case 'F':
                    _files.Add(value);
                    break;
                case 'X':
                    _excluded.Add(value);
                    break;
                case 'N' when value.Length <= MaxExpression:
                    _expressions.Add(value);
                    break;
            }
        }

        public bool Covers(string path)
        {
            foreach (var excluded in _excluded)
            {
                if (Matches(excluded, path))
                    return false;
            }
            foreach (var file in _files)
            {
                if (Matches(file, path))
                    return true;
            }
            return _expressions.Exists(expression => IsMatch(expression, path));
        }

        private static bool IsMatch(string expression, string path)
        {
            try
            {
                return Regex.IsMatch(path, expression, RegexOptions.CultureInvariant, s_expressionTimeLimit);
            }
            catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
            {
                // Perl's expression, not ours: it covers nothing that we could tell.
                return false;
            }
        }
    }
}
