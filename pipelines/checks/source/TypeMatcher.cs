using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>
/// Says where a C type that begins at a position can end. Text alone does not tell how far a type goes (<c>long x</c>, <c>const *const p</c>), so all ends are
/// given, the most likely first, and a rule takes the first after which its pattern goes on. Knows a dialect's types and those that the patch taught.
/// </summary>
public sealed class TypeMatcher
{
    /// <summary>How many ends are looked at. More come only from text that is no type.</summary>
    public const int MaxEnds = 96;

    /// <summary>How many words a type may have.</summary>
    private const int MaxDepth = 24;

    private readonly CDialect _dialect;
    private readonly WordSet _typeWords;
    private readonly WordSet _learned = new();
    private readonly List<string> _learnedModifiers = [];
    private WordStarts _modifiers;

    public TypeMatcher(CDialect dialect)
    {
        _dialect = dialect;
        _modifiers = new WordStarts(dialect.Modifiers);
        _typeWords = new WordSet(dialect.TypeWords);
    }

    public CDialect Dialect => _dialect;

    /// <summary>A matcher that knows the same, and learns by itself from now on.</summary>
    public TypeMatcher Copy()
    {
        var copy = new TypeMatcher(_dialect);
        copy._learned.AddAll(_learned);
        foreach (var modifier in _learnedModifiers)
            copy.LearnModifier(modifier);
        return copy;
    }

    /// <summary>Forgets what a patch taught.</summary>
    public void Forget()
    {
        _learned.Clear();
        _learnedModifiers.Clear();
        _modifiers = new WordStarts(_dialect.Modifiers);
    }

    public void LearnType(ReadOnlySpan<char> word)
    {
        _learned.Add(word);
    }

    public void LearnModifier(ReadOnlySpan<char> word)
    {
        foreach (var known in _learnedModifiers)
        {
            if (word.SequenceEqual(known))
                return;
        }
        _learnedModifiers.Add(word.ToString());
        _modifiers.Add(word);
    }

    /// <summary>Collects the ends of a type with its stars and array brackets; returns how many there are.</summary>
    public int TypeEnds(ReadOnlySpan<char> text, int at, Span<int> ends)
    {
        var collector = new Collector(this, text, ends, pointers: true);
        collector.Prefix(at, 0);
        return collector.Count;
    }

    /// <summary>Collects the ends of a type without stars; returns how many there are.</summary>
    public int NonPointerTypeEnds(ReadOnlySpan<char> text, int at, Span<int> ends)
    {
        var collector = new Collector(this, text, ends, pointers: false);
        collector.Prefix(at, 0);
        return collector.Count;
    }

    /// <summary>Whether a type with its stars can reach from one position to another.</summary>
    public bool IsType(ReadOnlySpan<char> text)
    {
        Span<int> ends = stackalloc int[MaxEnds];
        return ends[..TypeEnds(text, 0, ends)].Contains(text.Length);
    }

    /// <summary>Whether the text ends with a type.</summary>
    public bool EndsWithType(ReadOnlySpan<char> text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (Scan.IsIdentifierStart(text[at]) && IsType(text[at..]))
                return true;
        }
        return false;
    }

    /// <summary>The end of the modifier that text has at a position, or -1. Modifiers are prefixes here: they need not end with the word.</summary>
    public int ModifierEnd(ReadOnlySpan<char> text, int at)
    {
        var rest = text[at..];
        if (!_modifiers.MayStart(rest))
            return -1;
        foreach (var modifier in _dialect.Modifiers)
        {
            if (rest.StartsWith(modifier))
                return at + modifier.Length;
        }
        foreach (var modifier in _learnedModifiers)
        {
            if (rest.StartsWith(modifier))
                return at + modifier.Length;
        }
        return -1;
    }

    /// <summary>Whether the whole of a text is a modifier.</summary>
    public bool IsModifier(ReadOnlySpan<char> text)
    {
        if (!_modifiers.MayStart(text))
            return false;
        foreach (var modifier in _dialect.Modifiers)
        {
            if (text.SequenceEqual(modifier))
                return true;
        }
        foreach (var modifier in _learnedModifiers)
        {
            if (text.SequenceEqual(modifier))
                return true;
        }
        return false;
    }

    /// <summary>The end of a modifier that ends with its word, or -1.</summary>
    public int WholeModifierEnd(ReadOnlySpan<char> text, int at)
    {
        var end = Scan.WordEnd(text, at);
        return end > at && IsModifier(text[at..end]) ? end : -1;
    }

    private bool IsTypeWord(ReadOnlySpan<char> word) => _typeWords.Contains(word) || _dialect.IsTypedefName(word) || _learned.Contains(word);

    private static readonly string[] s_signable = ["char", "short", "int"];

    private ref struct Collector(TypeMatcher matcher, ReadOnlySpan<char> text, Span<int> ends, bool pointers)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private readonly Span<int> _ends = ends;

        public int Count { get; private set; }

        /// <summary>Modifiers before the type, as many as there are, then fewer.</summary>
        public void Prefix(int at, int depth)
        {
            if (at >= _text.Length || !Scan.IsIdentifierStart(_text[at]))
                return;
            var end = Scan.WordEnd(_text, at);
            var next = Scan.SkipSpace(_text, end);
            if (next > end && depth < MaxDepth && matcher.IsModifier(_text[at..end]))
                Prefix(next, depth + 1);
            Name(at, end, next);
        }

        private void Name(int at, int end, int next)
        {
            var word = _text[at..end];
            switch (word)
            {
                case "typeof" or "__typeof__":
                    TypeOf(next);
                    break;
                case "unsigned":
                    Sign(end, next);
                    return;
                case "signed" when matcher._dialect.KnowsSigned:
                    Sign(end, next);
                    return;
                case "long":
                    Long(end);
                    return;
                case "struct" or "union" or "enum" when next > end:
                    Tag(next);
                    break;
            }
            if (matcher.IsTypeWord(word))
                Suffix(end, 0);
            else if (next < _text.Length && _text[next] == '#')
                Pasted(at);
            if (matcher._dialect.KnowsSigned && word is "short" && Scan.WordAt(_text, next, "int"))
                Suffix(next + "int".Length, 0);
        }

        private void TypeOf(int open)
        {
            if (open >= _text.Length || _text[open] != '(')
                return;
            if (matcher._dialect.KnowsSigned)
            {
                var close = _text[open..].IndexOf(')');
                if (close >= 0)
                    Suffix(open + close + 1, 0);
                return;
            }
            var at = Scan.SkipSpace(_text, open + 1);
            while (at < _text.Length && _text[at] == '*')
                at++;
            at = Scan.SkipSpace(_text, at);
            var end = Scan.IdentifierEnd(_text, at);
            if (end < 0)
                return;
            end = Scan.SkipSpace(_text, end);
            if (end < _text.Length && _text[end] == ')')
                Suffix(end + 1, 0);
        }

        private void Sign(int end, int next)
        {
            if (next > end)
            {
                foreach (var word in s_signable)
                {
                    if (Scan.WordAt(_text, next, word))
                        Suffix(next + word.Length, 0);
                }
                if (Scan.WordAt(_text, next, "long"))
                    Long(next + "long".Length);
            }
            Suffix(end, 0);
        }

        private void Long(int end)
        {
            // QEMU's list has the short form first, Linux's the long one. Rules that capture the type's end can tell.
            if (!matcher._dialect.KnowsSigned)
                Suffix(end, 0);
            var next = Scan.SkipSpace(_text, end);
            if (next > end)
            {
                if (Scan.WordAt(_text, next, "int"))
                    Suffix(next + "int".Length, 0);
                if (Scan.WordAt(_text, next, "long"))
                {
                    var second = next + "long".Length;
                    var third = Scan.SkipSpace(_text, second);
                    var hasInt = third > second && Scan.WordAt(_text, third, "int");
                    if (hasInt && matcher._dialect.KnowsSigned)
                        Suffix(third + "int".Length, 0);
                    Suffix(second, 0);
                    if (hasInt && !matcher._dialect.KnowsSigned)
                        Suffix(third + "int".Length, 0);
                }
            }
            if (matcher._dialect.KnowsSigned)
                Suffix(end, 0);
        }

        private void Tag(int at)
        {
            var end = Scan.IdentifierEnd(_text, at);
            if (end < 0)
                return;
            Suffix(end, 0);
            var word = Scan.WordEnd(_text, at);
            if (word != end)
                Suffix(word, 0);
        }

        /// <summary>A type whose name the preprocessor pastes together, <c>prefix ## _name_t</c>.</summary>
        private void Pasted(int at)
        {
            var end = Scan.IdentifierEnd(_text, at);
            var last = end;
            while (last > at && Scan.IsWord(_text[last - 1]))
                last--;
            if (end > 0 && HasTypeSuffix(_text[last..end]))
                Suffix(end, 0);
        }

        private static bool HasTypeSuffix(ReadOnlySpan<char> word) =>
            (word.EndsWith("_t") && word.Length > 2) || (word.EndsWith("_handler") && word.Length > "_handler".Length);

        /// <summary>Modifiers after the name, as many as there are, then fewer.</summary>
        private void Suffix(int end, int depth)
        {
            var next = Scan.SkipSpace(_text, end);
            if (next > end && next < _text.Length && depth < MaxDepth && Scan.IsIdentifierStart(_text[next]))
            {
                foreach (var modifier in matcher._dialect.Modifiers)
                {
                    if (Scan.StartsAt(_text, next, modifier))
                        Suffix(next + modifier.Length, depth + 1);
                }
                foreach (var modifier in matcher._learnedModifiers)
                {
                    if (Scan.StartsAt(_text, next, modifier))
                        Suffix(next + modifier.Length, depth + 1);
                }
            }
            if (pointers)
                Pointer(end);
            else
                Add(end);
        }

        private void Pointer(int end)
        {
            var run = end;
            while (run < _text.Length && (_text[run] == '*' || Scan.IsSpace(_text[run])))
                run++;
            if (run > end)
            {
                if (Scan.StartsAt(_text, run, "const"))
                {
                    if (matcher._dialect.KnowsSigned)
                        Pointer(run + "const".Length);
                    else
                        Tail(run + "const".Length, 0);
                }
                for (var at = run; at > end && Count < _ends.Length; at--)
                    Tail(at, 0);
            }
            Brackets(end);
            Tail(end, 0);
        }

        /// <summary>Empty array brackets, as many as there are, then fewer.</summary>
        private void Brackets(int end)
        {
            var open = Scan.SkipSpace(_text, end);
            if (open >= _text.Length || _text[open] != '[')
                return;
            var close = Scan.SkipSpace(_text, open + 1);
            if (close >= _text.Length || _text[close] != ']' || Count >= _ends.Length)
                return;
            Brackets(close + 1);
            Tail(close + 1, 0);
        }

        /// <summary><c>inline</c> and modifiers at the very end, as many as there are, then fewer.</summary>
        private void Tail(int end, int depth)
        {
            var next = Scan.SkipSpace(_text, end);
            if (next > end && next < _text.Length && depth < MaxDepth && Scan.IsIdentifierStart(_text[next]))
            {
                foreach (var word in matcher._dialect.InlineWords)
                {
                    if (Scan.StartsAt(_text, next, word))
                        Tail(next + word.Length, depth + 1);
                }
                foreach (var modifier in matcher._dialect.Modifiers)
                {
                    if (Scan.StartsAt(_text, next, modifier))
                        Tail(next + modifier.Length, depth + 1);
                }
                foreach (var modifier in matcher._learnedModifiers)
                {
                    if (Scan.StartsAt(_text, next, modifier))
                        Tail(next + modifier.Length, depth + 1);
                }
            }
            Add(end);
        }

        private void Add(int end)
        {
            if (Count < _ends.Length)
                _ends[Count++] = end;
        }
    }
}
