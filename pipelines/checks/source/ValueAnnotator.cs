using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>
/// Tells for each character of code what kind of thing ended before it, so that a <c>*</c> can be known for a product, a dereference or a pointer's star, and a
/// <c>:</c> for a label's, a case's or a bit field's. Goes through a hunk line by line and keeps what is open in between.
/// </summary>
public sealed class ValueAnnotator(TypeMatcher types)
{
    /// <summary>Nothing pending; also, no variant.</summary>
    public const char None = '_';

    /// <summary>The end of a statement.</summary>
    public const char End = 'E';

    /// <summary>An operator, so that a value must follow.</summary>
    public const char Operator = 'N';

    /// <summary>A value.</summary>
    public const char Value = 'V';

    /// <summary>A type or modifier.</summary>
    public const char Type = 'T';

    /// <summary>A comma or a cast.</summary>
    public const char Comma = 'C';

    /// <summary>Variants of operators: two operands, one operand.</summary>
    public const char Binary = 'B', Unary = 'U';

    /// <summary>Variants of the colon: bit field, case, label, other.</summary>
    public const char BitField = 'B', Case = 'C', Label = 'L', Other = 'O';

    private const int MaxNesting = 10_000;

    private readonly List<char> _parentheses = [];
    private bool _inDirective;
    private char _pending;
    private char _pendingColon;
    private char[] _values = new char[256];
    private char[] _variants = new char[256];

    /// <summary>For each character what stood before it; the last annotated line's.</summary>
    public ReadOnlySpan<char> Values => _values;

    /// <summary>For each operator's first character its variant.</summary>
    public ReadOnlySpan<char> Variants => _variants;

    /// <summary>Begins a hunk.</summary>
    public void Reset()
    {
        _inDirective = false;
        _pending = None;
        _parentheses.Clear();
        _parentheses.Add(End);
        _pendingColon = Other;
    }

    /// <summary>
    /// Annotates a line. <see cref="Values"/> then begins with <paramref name="type"/>, so that the entry at i is what stood before character i.
    /// </summary>
    /// <param name="line">With its line feed.</param>
    /// <param name="type">What the line before ended in.</param>
    /// <returns>What this line ends in.</returns>
    public char Annotate(ReadOnlySpan<char> line, char type)
    {
        if (_values.Length < line.Length + 1)
        {
            _values = new char[line.Length * 2];
            _variants = new char[line.Length * 2];
        }
        _values[0] = type;
        _variants.AsSpan(0, line.Length).Fill(None);
        for (var at = 0; at < line.Length;)
        {
            if (_parentheses.Count == 0)
                _parentheses.Add(End);
            var end = Step(line, at, ref type);
            _values.AsSpan(at + 1, end - at).Fill(type);
            at = end;
        }
        return type;
    }

    private int Step(ReadOnlySpan<char> line, int at, ref char type)
    {
        var c = line[at];
        if (Scan.IsSpace(c))
        {
            var end = Scan.SkipSpace(line, at);
            if (_inDirective && line[at..end].Contains('\n'))
            {
                type = Pop();
                _inDirective = false;
            }
            return end;
        }
        if (Scan.IsIdentifierStart(c))
            return Word(line, at, ref type);
        switch (c)
        {
            case '(':
                return Open(line, at, ref type);
            case ')':
                var opened = Pop();
                if (opened != None)
                    type = opened;
                return at + 1;
            case '#':
                return Directive(line, at, ref type);
            case ';' or '{' or '}':
                type = End;
                _pendingColon = Other;
                return at + 1;
            case ',':
                type = Comma;
                return at + 1;
            case '?' or '[':
                type = Operator;
                return at + 1;
            case ':':
                _variants[at] = _pendingColon;
                type = _pendingColon is Case or Label ? End : Operator;
                _pendingColon = Other;
                return at + 1;
            case >= '0' and <= '9':
                type = Value;
                return Number(line, at);
            case '\\' when at + 1 < line.Length && line[at + 1] == '\n':
                return at + 2;
        }
        return Punctuator(line, at, ref type);
    }

    private int Open(ReadOnlySpan<char> line, int at, ref char type)
    {
        if (_pending == None)
        {
            Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
            var count = types.TypeEnds(line, Scan.SkipSpace(line, at + 1), ends);
            foreach (var end in ends[..count])
            {
                var close = Scan.SkipSpace(line, end);
                if (close < line.Length && line[close] == ')')
                {
                    Push(type);
                    type = Comma;
                    return close;
                }
            }
        }
        Push(_pending);
        _pending = None;
        type = Operator;
        return at + 1;
    }

    private int Word(ReadOnlySpan<char> line, int at, ref char type)
    {
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        var count = types.TypeEnds(line, at, ends);
        foreach (var candidate in ends[..count])
        {
            var next = Scan.SkipSpace(line, candidate);
            if (next == line.Length || line[next] is ',' or ')' or '(' || Scan.IsIdentifierStart(line[next]))
            {
                type = Type;
                return candidate;
            }
        }
        var modifier = types.ModifierEnd(line, at);
        if (modifier > 0)
        {
            type = Type;
            return modifier;
        }
        var rest = line[at..];
        if (rest.StartsWith("__attribute__"))
        {
            _pending = type;
            type = Operator;
            return at + "__attribute__".Length;
        }
        if (rest.StartsWith("sizeof"))
        {
            var open = Scan.SkipSpace(line, at + "sizeof".Length);
            if (open < line.Length && line[open] == '(')
                _pending = Value;
            type = Operator;
            return at + "sizeof".Length;
        }
        var wordEnd = Scan.WordEnd(line, at);
        switch (line[at..wordEnd])
        {
            case "if" or "while" or "for":
                _pending = End;
                type = Operator;
                return wordEnd;
            case "return" or "else" or "goto" or "typeof" or "__typeof__":
                type = Operator;
                return wordEnd;
        }
        if (rest.StartsWith("case"))
        {
            _pendingColon = Case;
            type = Operator;
            return at + "case".Length;
        }
        return Identifier(line, at, ref type);
    }

    private int Identifier(ReadOnlySpan<char> line, int at, ref char type)
    {
        var end = Scan.IdentifierEnd(line, at);
        var next = Scan.SkipSpace(line, end);
        if (next < line.Length && line[next] == '(')
        {
            type = Value;
            _pending = Value;
            return end;
        }
        if (next < line.Length && line[next] == ':')
        {
            if ((type == Comma && IsBitFieldWidth(line, next + 1)) || type == Type)
                _pendingColon = BitField;
            else if (type == End)
                _pendingColon = Label;
            type = Value;
            return next;
        }
        type = Value;
        return end;
    }

    private static bool IsBitFieldWidth(ReadOnlySpan<char> line, int at)
    {
        at = Scan.SkipSpace(line, at);
        var end = at;
        while (end < line.Length && char.IsAsciiDigit(line[end]))
            end++;
        if (end == at)
            return false;
        end = Scan.SkipSpace(line, end);
        return end < line.Length && line[end] is ',' or '=' or ';';
    }

    private static readonly string[] s_conditionals = ["ifdef", "ifndef", "if", "else", "elif", "endif"];

    private int Directive(ReadOnlySpan<char> line, int at, ref char type)
    {
        var name = Scan.SkipSpace(line, at + 1);
        if (Scan.StartsAt(line, name, "define"))
        {
            var identifier = Scan.IdentifierEnd(line, Scan.SkipSpace(line, name + "define".Length));
            if (identifier > 0)
            {
                _inDirective = true;
                Push(type);
                if (identifier < line.Length && line[identifier] == '(')
                    _pending = Operator;
                type = End;
                return identifier;
            }
        }
        var undefined = Scan.StartsAt(line, name, "undef") ? Scan.IdentifierEnd(line, Scan.SkipSpace(line, name + "undef".Length)) : -1;
        if (undefined < 0 && Scan.WordAt(line, name, "include"))
            undefined = name + "include".Length;
        if (undefined > 0)
        {
            _inDirective = true;
            Push(type);
            return undefined;
        }
        foreach (var word in s_conditionals)
        {
            if (!Scan.StartsAt(line, name, word))
                continue;
            _inDirective = true;
            if (word[0] == 'i')
            {
                Push(type);
                Push(type);
            }
            else if (word is "endif")
            {
                // As if all arms ended as this one does.
                Pop();
                Push(type);
            }
            else
            {
                Push(_parentheses[^1]);
            }
            type = End;
            return name + word.Length;
        }
        return at + 1;
    }

    private static int Number(ReadOnlySpan<char> line, int at)
    {
        while (at < line.Length && char.IsAsciiDigit(line[at]))
            at++;
        while (at < line.Length && line[at] is 'U' or 'L')
            at++;
        return at;
    }

    private int Punctuator(ReadOnlySpan<char> line, int at, ref char type)
    {
        var rest = line[at..];
        var c = rest[0];
        var next = rest.Length > 1 ? rest[1] : '\0';
        var third = rest.Length > 2 ? rest[2] : '\0';
        if (c is '<' or '>' && next == c && third == '=')
        {
            type = Operator;
            return at + 3;
        }
        if (next == '=' && c is '*' or '/' or '%' or '+' or '-' or '&' or '^' or '|')
        {
            type = Operator;
            return at + 2;
        }
        if (c == '=')
        {
            type = Operator;
            return at + 1;
        }
        if (c == '*' || c == '&' || (c == '+' && next != '+') || (c == '-' && next is not ('-' or '>')))
        {
            _variants[at] = type == Value ? Binary : Unary;
            type = Operator;
            return at + (c == '&' && next == '&' ? 2 : 1);
        }
        if (c is '+' or '-' && next == c)
            return at + 2;
        switch (c)
        {
            case '<' or '>' or '!' or '~' or '|' or '^' or '-' or '/' or '%':
                type = Operator;
                var two = (c is '<' or '>' or '!' && next == '=') || (c is '<' or '>' or '|' && next == c) || (c == '-' && next == '>');
                return at + (two ? 2 : 1);
            default:
                return at + 1;
        }
    }

    private void Push(char value)
    {
        if (_parentheses.Count < MaxNesting)
            _parentheses.Add(value);
    }

    private char Pop()
    {
        if (_parentheses.Count == 0)
            return None;
        var value = _parentheses[^1];
        _parentheses.RemoveAt(_parentheses.Count - 1);
        return value;
    }
}
