using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Suites;

/// <summary>
/// Evaluates the conditions that <c>disabled_if</c> holds, without a shell: <c>[[ ]]</c> and <c>[ ]</c> with string, pattern, number and file tests, joined by
/// <c>&amp;&amp;</c>, <c>||</c>, <c>!</c>, and <c>true</c> and <c>false</c> (bash manual, 6.4). Whatever would start a program is refused.
/// </summary>
public sealed class ShellCondition
{
    private const int MaxDepth = 64;
    private readonly List<Token> tokens;
    private readonly IReadOnlyDictionary<string, string> variables;
    private int position;
    private int depth;

    private ShellCondition(List<Token> tokens, IReadOnlyDictionary<string, string> variables)
    {
        this.tokens = tokens;
        this.variables = variables;
    }

    /// <exception cref="ShellUnsupportedException">It needs more of a shell; the message says what.</exception>
    public static bool Evaluate(string text, IReadOnlyDictionary<string, string> variables)
    {
        var condition = new ShellCondition(Tokenize(text, variables), variables);
        if (condition.tokens.Count == 0)
            throw new ShellUnsupportedException("an empty condition");
        var value = condition.List();
        return condition.position == condition.tokens.Count ? value : throw condition.Fault();
    }

    // Outside the brackets && and || bind alike, from left to right.
    private bool List()
    {
        Enter();
        var value = Command();
        while (Peek is "&&" or "||")
        {
            var op = Next();
            var right = Command();
            value = op == "&&" ? value && right : value || right;
        }

        depth--;
        return value;
    }

    private bool Command()
    {
        Enter();
        bool value;
        switch (Peek)
        {
            case "!":
                Next();
                value = !Command();
                break;
            case "(":
                Next();
                value = List();
                Expect(")");
                break;
            case "[[":
                Next();
                value = Or("]]", pattern: true);
                Expect("]]");
                break;
            case "[":
                Next();
                value = Or("]", pattern: false);
                Expect("]");
                break;
            case "true" or ":":
                Next();
                value = true;
                break;
            case "false":
                Next();
                value = false;
                break;
            default:
                throw Fault();
        }

        depth--;
        return value;
    }

    // Inside the brackets && binds closer.
    private bool Or(string end, bool pattern)
    {
        Enter();
        var value = And(end, pattern);
        while (Peek == "||")
        {
            Next();
            value |= And(end, pattern);
        }

        depth--;
        return value;
    }

    private bool And(string end, bool pattern)
    {
        var value = Primary(end, pattern);
        while (Peek == "&&")
        {
            Next();
            value &= Primary(end, pattern);
        }

        return value;
    }

    private bool Primary(string end, bool pattern)
    {
        Enter();
        var value = true;
        if (Peek == "!")
        {
            Next();
            value = !Primary(end, pattern);
        }
        else if (Peek == "(")
        {
            Next();
            value = Or(")", pattern);
            Expect(")");
        }
        else
        {
            value = Test(end, pattern);
        }

        depth--;
        return value;
    }

    private bool Test(string end, bool pattern)
    {
        var left = Word();
        if (position == tokens.Count || Peek == end || Peek is "&&" or "||" or ")")
            return left.Text.Length > 0;
        if (left.Plain && left.Text is "-n" or "-z" or "-f" or "-e" or "-d" or "-v")
        {
            var operand = Word().Text;
            return left.Text switch
            {
                "-n" => operand.Length > 0,
                "-z" => operand.Length == 0,
                "-f" => FileKind.IsRegular(operand),
                "-d" => Directory.Exists(operand),
                "-v" => variables.ContainsKey(operand),
                _ => Path.Exists(operand),
            };
        }

        var op = Next();
        var right = Word();
        return op switch
        {
            "=" or "==" => Same(left.Text, right, pattern),
            "!=" => !Same(left.Text, right, pattern),
            "=~" when pattern => Matches(left.Text, right),
            "<" when pattern => string.CompareOrdinal(left.Text, right.Text) < 0,
            ">" when pattern => string.CompareOrdinal(left.Text, right.Text) > 0,
            "-eq" => Number(left) == Number(right),
            "-ne" => Number(left) != Number(right),
            "-lt" => Number(left) < Number(right),
            "-le" => Number(left) <= Number(right),
            "-gt" => Number(left) > Number(right),
            "-ge" => Number(left) >= Number(right),
            _ => throw new ShellUnsupportedException($"the test '{op}'"),
        };
    }

    private static bool Same(string left, Token right, bool pattern)
    {
        if (!pattern || right.Quoted || !right.Text.AsSpan().ContainsAny("*?["))
            return left == right.Text;
        if (right.Text.Contains('['))
            throw new ShellUnsupportedException($"the pattern '{right.Text}'");
        var expression = "\\A" + Regex.Escape(right.Text).Replace("\\*", ".*", StringComparison.Ordinal).Replace("\\?", ".", StringComparison.Ordinal) + "\\z";
        return Regex.IsMatch(left, expression, RegexOptions.NonBacktracking | RegexOptions.Singleline | RegexOptions.CultureInvariant);
    }

    private static bool Matches(string left, Token right)
    {
        try
        {
            return Regex.IsMatch(
                left, right.Quoted ? Regex.Escape(right.Text) : right.Text, RegexOptions.NonBacktracking | RegexOptions.Singleline | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new ShellUnsupportedException($"the regular expression '{right.Text}'");
        }
    }

    private static long Number(Token token) => long.TryParse(token.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
        ? value
        : throw new ShellUnsupportedException($"'{token.Text}' as a number");

    private string? Peek => position < tokens.Count && tokens[position].Plain ? tokens[position].Text : null;

    private string Next() => Word().Text;

    private Token Word() => position < tokens.Count ? tokens[position++] : throw new ShellUnsupportedException("a condition that breaks off");

    private void Expect(string text)
    {
        if (Peek != text)
            throw Fault();
        position++;
    }

    private void Enter()
    {
        if (++depth > MaxDepth)
            throw new ShellUnsupportedException("a condition nested too deep");
    }

    private ShellUnsupportedException Fault() => position < tokens.Count
        ? new($"'{tokens[position].Text}'")
        : new("a condition that breaks off");

    /// <param name="Quoted">Some of it was quoted: then it is text, never a pattern.</param>
    /// <param name="Plain">Written as it is, nothing quoted or expanded: only then it can be an operator.</param>
    private readonly record struct Token(string Text, bool Quoted, bool Plain);

    private static List<Token> Tokenize(string text, IReadOnlyDictionary<string, string> variables)
    {
        var tokens = new List<Token>();
        var at = 0;
        while (at < text.Length)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }

            if (text.AsSpan(at) is ['&', '&', ..] or ['|', '|', ..])
            {
                tokens.Add(new Token(text.Substring(at, 2), false, true));
                at += 2;
                continue;
            }

            if (text[at] is '(' or ')')
            {
                tokens.Add(new Token(text[at++].ToString(), false, true));
                continue;
            }

            var (token, end) = ReadWord(text, at, variables);
            tokens.Add(token);
            at = end;
        }

        return tokens;
    }

    // The extent is found here, quotes and expansions are ShellWords' business.
    private static (Token Token, int End) ReadWord(string text, int start, IReadOnlyDictionary<string, string> variables)
    {
        var at = start;
        var quoted = false;
        while (at < text.Length && !char.IsWhiteSpace(text[at]) && text[at] is not '(' and not ')' && text.AsSpan(at) is not (['&', '&', ..] or ['|', '|', ..]))
        {
            if (text[at] is '"' or '\'')
            {
                quoted = true;
                var close = text.IndexOf(text[at], at + 1);
                if (close < 0)
                    throw new ShellUnsupportedException($"an unterminated {text[at]}");
                at = close;
            }
            else if (text[at] is '`' or ';' or '|' or '&' || text.AsSpan(at) is ['$', '(', ..])
            {
                throw new ShellUnsupportedException("a command in a condition");
            }

            at++;
        }

        var raw = text.AsSpan(start, at - start);
        // '<' and '>' are operators inside [[ ]], redirections for ShellWords.
        if (raw is "<" or ">")
            return (new Token(raw.ToString(), false, true), at);
        // A pattern's or expression's own characters must survive: only the variables in an unquoted word are expanded.
        if (!quoted)
            return (new Token(ExpandNames(raw, variables), false, !raw.Contains('$')), at);
        var words = ShellWords.Parse(raw, variables).Words;
        return (new Token(words.Count == 0 ? "" : words[0], true, false), at);
    }

    private static string ExpandNames(ReadOnlySpan<char> raw, IReadOnlyDictionary<string, string> variables)
    {
        if (!raw.Contains('$'))
            return raw.ToString();
        var expanded = new StringBuilder();
        while (!raw.IsEmpty)
        {
            var braces = raw is ['$', '{', ..];
            var name = raw[0] == '$' ? ShellWords.NameLength(raw[(braces ? 2 : 1)..]) : 0;
            var length = name + (braces ? 3 : 1);
            if (name > 0 && length <= raw.Length && (!braces || raw[length - 1] == '}'))
            {
                expanded.Append(variables.GetValueOrDefault(raw.Slice(braces ? 2 : 1, name).ToString(), ""));
                raw = raw[length..];
            }
            else if (braces)
            {
                throw new ShellUnsupportedException("a ${...} that is more than a name");
            }
            else
            {
                expanded.Append(raw[0]);
                raw = raw[1..];
            }
        }

        return expanded.ToString();
    }
}
