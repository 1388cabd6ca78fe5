using System.Text;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Makes a macro's body plain, so that its outermost operators show. Each step passes over the text once.</summary>
internal static class MacroFlattening
{
    /// <summary>What a pair of brackets becomes: any operand.</summary>
    private const string Operand = "1u";

    /// <summary>Brackets with what is in them as a number each, words beside strings dropped.</summary>
    public static string Flatten(string text)
    {
        if (text.AsSpan().ContainsAny('(', '{', '['))
            text = FlattenIndices(FlattenPairs(FlattenPairs(text, '(', ')'), '{', '}'));
        return text.Contains('"') ? WithoutWordsAtStrings(text) : text;
    }

    private static string FlattenPairs(string text, char open, char close)
    {
        if (!text.Contains(open))
            return text;
        var flat = new StringBuilder(text.Length);
        var opened = new Stack<int>();
        foreach (var c in text)
        {
            if (c == close && opened.TryPop(out var start))
            {
                flat.Length = start;
                flat.Append(Operand);
                continue;
            }
            if (c == open)
                opened.Push(flat.Length);
            flat.Append(c);
        }
        return flat.ToString();
    }

    /// <summary>An index takes the character before it along, which is the end of what is indexed.</summary>
    private static string FlattenIndices(string text)
    {
        if (!text.Contains('['))
            return text;
        var flat = new StringBuilder(text.Length);
        var opened = new Stack<int>();
        foreach (var c in text)
        {
            if (c == ']' && opened.TryPop(out var start))
            {
                if (start > 0)
                {
                    flat.Length = start - 1;
                    if (opened.TryPeek(out var outer) && outer == start - 1)
                        opened.Pop();
                    flat.Append(Operand);
                    continue;
                }
            }
            else if (c == '[')
            {
                opened.Push(flat.Length);
            }
            flat.Append(c);
        }
        return flat.ToString();
    }

    /// <summary>A name beside a string is a macro that stands for another part of the string.</summary>
    private static string WithoutWordsAtStrings(string text)
    {
        var kept = new StringBuilder(text.Length);
        var at = 0;
        while (text.IndexOf('"', at) is >= 0 and var open)
        {
            var close = open + 1;
            while (close < text.Length && text[close] is 'X' or '\t')
                close++;
            kept.Append(text, at, open - at);
            if (close == text.Length || text[close] != '"')
            {
                kept.Append('"');
                at = open + 1;
                continue;
            }
            DropWordsAtEnd(kept);
            at = close + 1;
            kept.Append(text, open, at - open);
            while (Scan.IdentifierEnd(text, Scan.SkipSpace(text, at)) is > 0 and var end)
                at = end;
        }
        return kept.Append(text, at, text.Length - at).ToString();
    }

    private static void DropWordsAtEnd(StringBuilder text)
    {
        var end = text.Length;
        while (true)
        {
            var word = end;
            while (word > 0 && Scan.IsSpace(text[word - 1]))
                word--;
            var start = word;
            while (start > 0 && Scan.IsWord(text[start - 1]))
                start--;
            // A number's suffix reads like a name.
            while (start < word && char.IsAsciiDigit(text[start]))
                start++;
            if (start == word)
                break;
            end = start;
        }
        text.Length = end;
    }
}
