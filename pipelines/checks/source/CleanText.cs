using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>
/// A patch with the insides of its strings and comments blanked out, so that patterns see code only: characters of strings are <c>X</c>, those of
/// comments <see cref="Comment"/>. Lines of hunks are cleaned but for removed ones; tabs stay. The lines that are not removals are also one joined text, in which
/// statements are followed across lines.
/// </summary>
public sealed class CleanText
{
    /// <summary>Stands for each character of a comment; a control character that source text does not have.</summary>
    public const char Comment = '\x1C';

    private readonly TextLines _raw;
    private readonly int[] _joinedIndex;
    private readonly int[] _starts;
    private readonly int[] _lineOf;
    private readonly char[] _joined;
    private readonly char[] _blanked;

    private CleanText(TextLines raw, int[] joinedIndex, int[] starts, int[] lineOf, char[] joined, char[] blanked)
    {
        _raw = raw;
        _joinedIndex = joinedIndex;
        _starts = starts;
        _lineOf = lineOf;
        _joined = joined;
        _blanked = blanked;
    }

    /// <summary>All lines but removed ones, each with its marker and a line feed.</summary>
    public ReadOnlySpan<char> Joined => _joined;

    /// <summary>The same with each line's first character a space.</summary>
    public ReadOnlySpan<char> Blanked => _blanked;

    /// <summary>How many lines <see cref="Joined"/> has.</summary>
    public int JoinedCount => _lineOf.Length;

    /// <summary>A line of the patch, by its index from 0: cleaned, or as it is when it is removed or outside hunks.</summary>
    public ReadOnlySpan<char> this[int index]
    {
        get
        {
            if (!_raw.Has(index))
                return default;
            var joined = _joinedIndex[index];
            return IsRemoved(_raw[index]) ? _raw[index] : _joined.AsSpan(_starts[joined], _starts[joined + 1] - 1 - _starts[joined]);
        }
    }

    /// <summary>The joined line that a patch line is, or for a removed one the next.</summary>
    public int JoinedIndexOf(int index) => index < _joinedIndex.Length ? _joinedIndex[index] : JoinedCount;

    /// <summary>The patch line, from 0, that a joined line is; the count of patch lines past the end.</summary>
    public int LineOfJoined(int joined) => joined < _lineOf.Length ? _lineOf[joined] : _raw.Count;

    /// <summary>Where a joined line starts in <see cref="Joined"/>.</summary>
    public int StartOfJoined(int joined) => _starts[joined];

    public static bool IsRemoved(ReadOnlySpan<char> line) => !line.IsEmpty && line[0] == '-';

    /// <summary>Cleans a patch. Linear in its size.</summary>
    /// <param name="lineComments">Comments after <c>//</c> are blanked with their slashes.</param>
    public static CleanText Create(TextLines raw, bool lineComments = false)
    {
        var joinedIndex = new int[raw.Count];
        var starts = new List<int>(raw.Count + 1);
        var lineOf = new List<int>(raw.Count);
        // Escapes that end a line make it one longer.
        var joined = new char[raw.Text.Length + raw.Count + 1];
        var at = 0;
        var quote = Quote.None;
        var remaining = 0;
        for (var i = 0; i < raw.Count; i++)
        {
            var line = raw[i];
            joinedIndex[i] = lineOf.Count;
            if (IsRemoved(line))
            {
                if (remaining <= 1)
                    remaining = 0;
                continue;
            }
            starts.Add(at);
            lineOf.Add(i);
            var inHunk = false;
            if (HunkHeader.TryParse(line, out var header))
            {
                remaining = header.NewCount + 1;
                quote = StartsInComment(raw, i, remaining) ? Quote.Block : Quote.None;
            }
            else
            {
                inHunk = remaining != 0 && (line.IsEmpty || line[0] is '+' or ' ');
            }
            at += inHunk ? Sanitiser.Clean(line, joined.AsSpan(at), lineComments, ref quote) : Copy(line, joined.AsSpan(at));
            if (remaining <= 1)
                remaining = 0;
            else if (line.IsEmpty || line[0] is '+' or ' ')
                remaining--;
            joined[at++] = '\n';
        }
        starts.Add(at);
        Array.Resize(ref joined, at);
        var blanked = (char[])joined.Clone();
        for (var j = 0; j < lineOf.Count; j++)
        {
            if (blanked[starts[j]] != '\n')
                blanked[starts[j]] = ' ';
        }
        return new CleanText(raw, joinedIndex, [.. starts], [.. lineOf], joined, blanked);
    }

    private static int Copy(ReadOnlySpan<char> line, Span<char> target)
    {
        line.CopyTo(target);
        return line.Length;
    }

    /// <summary>
    /// Whether a hunk begins inside a comment, guessed from what its lines show first: an end of a comment, or a line that looks like one's middle.
    /// </summary>
    private static bool StartsInComment(TextLines raw, int headerIndex, int remaining)
    {
        for (var i = headerIndex + 1; remaining > 0 && raw.Has(i); i++)
        {
            var line = raw[i];
            if (IsRemoved(line))
                continue;
            // What can be no line of a hunk ends the search: a header that promises too many lines costs nothing.
            if (!line.IsEmpty && line[0] is not ('+' or ' ' or '\\'))
                break;
            remaining--;
            var star = line.IndexOf('*');
            if (star < 0)
                continue;
            for (; star < line.Length; star++)
            {
                if (line[star] != '*')
                    continue;
                var opens = star > 0 && line[star - 1] == '/';
                var closes = star + 1 < line.Length && line[star + 1] == '/';
                if (!opens && !closes)
                    continue;
                if (HasQuotedEdge(line))
                    break;
                return !opens;
            }
        }
        return LooksLikeMiddleOfComment(raw[headerIndex + 1]);
    }

    /// <summary>Whether a comment's start or end stands between two double quotes.</summary>
    private static bool HasQuotedEdge(ReadOnlySpan<char> line)
    {
        for (var open = line.IndexOf('"'); open >= 0;)
        {
            var length = line[(open + 1)..].IndexOf('"');
            if (length < 0)
                return false;
            var inside = line.Slice(open + 1, length);
            if (inside.Contains("/*", StringComparison.Ordinal) || inside.Contains("*/", StringComparison.Ordinal))
                return true;
            open += 1 + length;
        }
        return false;
    }

    private static bool LooksLikeMiddleOfComment(ReadOnlySpan<char> line)
    {
        if (line.IsEmpty)
            return false;
        var start = Scan.SkipSpace(line, 1);
        if (start >= line.Length || line[start] != '*')
            return false;
        var end = start;
        while (end < line.Length && line[end] == '*')
            end++;
        // One star needs a space before it that is not the diff's own marker; two or more do not.
        var plausible = end - start >= 2 || (start >= 2 && line[start - 1] == ' ');
        return plausible && (end == line.Length || Scan.IsSpace(line[end]));
    }
}
