namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>Words that are often misspelled, from the user's file: Linux's scripts/spelling.txt (<c>wrong||right</c>) or codespell's dictionary (<c>wrong->right, or right</c>).</summary>
public sealed class Spelling
{
    private readonly Dictionary<string, string> _corrections = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _lookup;

    private Spelling() => _lookup = _corrections.GetAlternateLookup<ReadOnlySpan<char>>();

    public int Count => _corrections.Count;

    /// <summary>Reads files of either form. Takes any text; lines of neither form, comments and disabled words are passed over.</summary>
    public static Spelling Parse(params ReadOnlySpan<string> texts)
    {
        var spelling = new Spelling();
        foreach (var text in texts)
        {
            foreach (var whole in text.AsSpan().EnumerateLines())
            {
                var line = whole.Trim();
                var bars = line.IndexOf("||");
                var arrow = line.IndexOf("->");
                if (line.IsEmpty || line[0] == '#' || line.Contains(", disabled", StringComparison.OrdinalIgnoreCase))
                    continue;
                if (bars > 0)
                    spelling._corrections[line[..bars].ToString()] = line[(bars + 2)..].ToString();
                else if (arrow > 0)
                    spelling._corrections[line[..arrow].ToString()] = UpToComma(line[(arrow + 2)..]).ToString();
            }
        }
        return spelling;
    }

    /// <summary>What a word should be, its capitals kept; null when it is none of these.</summary>
    public string? Correct(ReadOnlySpan<char> word)
    {
        if (!_lookup.TryGetValue(word, out var right) || right.Length == 0)
            return null;
        if (word.ContainsAnyExceptInRange('A', 'Z'))
            return char.IsAsciiLetterUpper(word[0]) ? char.ToUpperInvariant(right[0]) + right[1..] : right;
        return right.ToUpperInvariant();
    }

    private static ReadOnlySpan<char> UpToComma(ReadOnlySpan<char> text) => text.IndexOf(',') is >= 0 and var comma ? text[..comma] : text;
}
