using System.Globalization;

namespace Gauntlet.Harness.Suites;

/// <summary>
/// The shell's arithmetic (bash manual, 6.5) without assignments: 64-bit whole numbers with wrap-around, names with or without <c>$</c>, <c>?:</c>, <c>||</c>,
/// <c>&amp;&amp;</c>, comparisons, <c>+ - * / %</c>, <c>!</c>, parentheses. What suites say with it: <c>$((($MAX_SMP &lt; 8)?$MAX_SMP:8))</c>.
/// </summary>
public ref struct ShellArithmetic
{
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<char> text;
    private readonly IReadOnlyDictionary<string, string> variables;
    private int position;
    private int depth;

    private ShellArithmetic(ReadOnlySpan<char> text, IReadOnlyDictionary<string, string> variables)
    {
        this.text = text;
        this.variables = variables;
    }

    /// <exception cref="ShellUnsupportedException">It isn't such an expression, or divides by zero.</exception>
    public static long Evaluate(ReadOnlySpan<char> text, IReadOnlyDictionary<string, string> variables)
    {
        var reader = new ShellArithmetic(text, variables);
        var value = reader.Conditional();
        reader.SkipSpace();
        return reader.position == text.Length ? value : throw reader.Fault();
    }

    private long Conditional()
    {
        if (++depth > MaxDepth)
            throw new ShellUnsupportedException("arithmetic nested too deep");
        var condition = Binary(0);
        if (Accept("?"))
        {
            // Both sides are evaluated; without assignments only a division by zero could tell, and that is refused.
            var whenTrue = Conditional();
            if (!Accept(":"))
                throw Fault();
            var whenFalse = Conditional();
            condition = condition != 0 ? whenTrue : whenFalse;
        }

        depth--;
        return condition;
    }

    private static readonly string[][] Levels = [["||"], ["&&"], ["==", "!="], ["<=", ">=", "<", ">"], ["+", "-"], ["*", "/", "%"]];

    private long Binary(int level)
    {
        if (level == Levels.Length)
            return Unary();
        var left = Binary(level + 1);
        while (Operator(Levels[level]) is { } op)
        {
            var right = Binary(level + 1);
            left = Apply(op, left, right);
        }

        return left;
    }

    private static long Apply(string op, long left, long right) => op switch
    {
        "||" => left != 0 || right != 0 ? 1 : 0,
        "&&" => left != 0 && right != 0 ? 1 : 0,
        "==" => left == right ? 1 : 0,
        "!=" => left != right ? 1 : 0,
        "<=" => left <= right ? 1 : 0,
        ">=" => left >= right ? 1 : 0,
        "<" => left < right ? 1 : 0,
        ">" => left > right ? 1 : 0,
        "+" => unchecked(left + right),
        "-" => unchecked(left - right),
        "*" => unchecked(left * right),
        _ when right == 0 => throw new ShellUnsupportedException("a division by zero"),
        "/" => right == -1 ? unchecked(-left) : left / right,
        _ => right == -1 ? 0 : left % right,
    };

    private long Unary()
    {
        if (++depth > MaxDepth)
            throw new ShellUnsupportedException("arithmetic nested too deep");
        SkipSpace();
        long value;
        if (Accept("!"))
            value = Unary() == 0 ? 1 : 0;
        else if (Accept("-"))
            value = unchecked(-Unary());
        else if (Accept("+"))
            value = Unary();
        else if (Accept("("))
        {
            value = Conditional();
            if (!Accept(")"))
                throw Fault();
        }
        else
            value = Operand();
        depth--;
        return value;
    }

    private long Operand()
    {
        if (position < text.Length && text[position] == '$')
            position++;
        var name = ShellWords.NameLength(text[position..]);
        if (name > 0)
        {
            var value = variables.GetValueOrDefault(text.Slice(position, name).ToString(), "");
            position += name;
            return value.Length == 0 ? 0 : Number(value);
        }

        var start = position;
        while (position < text.Length && char.IsAsciiLetterOrDigit(text[position]))
            position++;
        return position > start ? Number(text[start..position]) : throw Fault();
    }

    private static long Number(ReadOnlySpan<char> digits)
    {
        var ok = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? long.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            : long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && (digits.Length == 1 || digits[0] != '0');
        return ok ? value : throw new ShellUnsupportedException($"the number '{digits}'");
    }

    private string? Operator(string[] candidates)
    {
        SkipSpace();
        foreach (var candidate in candidates)
        {
            if (text[position..].StartsWith(candidate))
            {
                position += candidate.Length;
                return candidate;
            }
        }

        return null;
    }

    private bool Accept(string token)
    {
        SkipSpace();
        if (!text[position..].StartsWith(token))
            return false;
        position += token.Length;
        return true;
    }

    private void SkipSpace()
    {
        while (position < text.Length && char.IsWhiteSpace(text[position]))
            position++;
    }

    private readonly ShellUnsupportedException Fault() => new($"the arithmetic '{text}'");
}
