using System.Globalization;
using System.Text;

namespace Gauntlet.Harness.Suites;

/// <summary>A value needs more of a shell than is honoured here. The message says what.</summary>
public sealed class ShellUnsupportedException(string message) : Exception(message);

/// <summary>
/// Splits a value into words as the shell that kvm-unit-tests' runner hands it to, without running one: quotes, backslashes, <c>$NAME</c>, <c>${NAME}</c>,
/// <c>$((arithmetic))</c>, and <c>date +%s</c> as the only command (see <see cref="LaunchTime"/>). Whatever else would start a program, redirect,
/// or expand braces is refused, never guessed.
/// </summary>
public ref struct ShellWords
{
    private readonly ReadOnlySpan<char> text;
    private readonly IReadOnlyDictionary<string, string> variables;
    private readonly List<string> words = [];
    private readonly StringBuilder word = new();

    // A word has begun that will be there, though it may be empty.
    private bool inWord;

    // Something stands before this character without a space between: then '#' starts no comment, though what stands there may expand to nothing.
    private bool joined;
    private int position;

    private ShellWords(ReadOnlySpan<char> text, IReadOnlyDictionary<string, string> variables)
    {
        this.text = text;
        this.variables = variables;
    }

    /// <summary>The words of a value.</summary>
    /// <param name="Words">After expansion.</param>
    /// <param name="Comment">An unquoted <c>#</c> ended it early: the rest, <c>#</c> included; null: none.</param>
    public readonly record struct Split(IReadOnlyList<string> Words, string? Comment);

    /// <exception cref="ShellUnsupportedException">It needs more of a shell.</exception>
    public static Split Parse(ReadOnlySpan<char> text, IReadOnlyDictionary<string, string> variables)
    {
        var reader = new ShellWords(text, variables);
        var comment = reader.Run();
        return new Split(reader.words, comment);
    }

    private string? Run()
    {
        while (position < text.Length)
        {
            var c = text[position];
            switch (c)
            {
                case ' ' or '\t' or '\n' or '\r':
                    position++;
                    EndWord();
                    joined = false;
                    continue;
                case '#' when !joined:
                    return text[position..].ToString();
                case '\'':
                    Take(Closing('\'', position + 1));
                    break;
                case '"':
                    position++;
                    inWord = true;
                    DoubleQuoted();
                    break;
                case '\\':
                    if (position + 1 == text.Length)
                        throw new ShellUnsupportedException("a backslash at the end");
                    position += 2;
                    // A joined line leaves no trace.
                    if (text[position - 1] == '\n')
                        continue;
                    inWord = true;
                    word.Append(text[position - 1]);
                    break;
                case '$' or '`':
                    AppendSplit(Expansion());
                    break;
                case ';' or '|' or '&' or '<' or '>' or '(' or ')':
                    throw new ShellUnsupportedException($"the shell operator '{c}'");
                case '{' when Braces(text[position..]):
                    throw new ShellUnsupportedException("brace expansion");
                default:
                    inWord = true;
                    word.Append(c);
                    position++;
                    break;
            }

            joined = true;
        }

        EndWord();
        return null;
    }

    private void Take(int end)
    {
        inWord = true;
        word.Append(text[(position + 1)..end]);
        position = end + 1;
    }

    private readonly int Closing(char quote, int from)
    {
        var length = text[from..].IndexOf(quote);
        return length >= 0 ? from + length : throw new ShellUnsupportedException($"an unterminated {quote}");
    }

    private void DoubleQuoted()
    {
        while (position < text.Length)
        {
            var c = text[position];
            switch (c)
            {
                case '"':
                    position++;
                    return;
                case '\\' when position + 1 < text.Length && text[position + 1] is '$' or '`' or '"' or '\\' or '\n':
                    if (text[position + 1] != '\n')
                        word.Append(text[position + 1]);
                    position += 2;
                    break;
                case '$' or '`':
                    word.Append(Expansion());
                    break;
                default:
                    word.Append(c);
                    position++;
                    break;
            }
        }

        throw new ShellUnsupportedException("an unterminated \"");
    }

    // What an unquoted expansion yields is split at white space again.
    private void AppendSplit(string value)
    {
        foreach (var c in value)
        {
            if (c is ' ' or '\t' or '\n' && value != LaunchTime.SecondsPlaceholder)
            {
                EndWord();
                continue;
            }

            inWord = true;
            word.Append(c);
        }
    }

    private void EndWord()
    {
        if (!inWord)
            return;
        words.Add(word.ToString());
        word.Clear();
        inWord = false;
    }

    // At '$' or '`'; leaves the position after the expansion.
    private string Expansion()
    {
        if (text[position] == '`')
        {
            var end = Closing('`', position + 1);
            var command = text[(position + 1)..end];
            position = end + 1;
            return Substitute(command);
        }

        var rest = text[(position + 1)..];
        if (rest.StartsWith("(("))
        {
            var end = rest.IndexOf("))");
            // "))" may close inner parentheses first: go on to the last of a run.
            while (end >= 0 && !Balanced(rest[2..end]))
                end = end + 1 < rest.Length && rest[(end + 1)..].IndexOf("))") is >= 0 and var more ? end + 1 + more : -1;
            if (end < 0)
                throw new ShellUnsupportedException("an unterminated $((");
            var value = ShellArithmetic.Evaluate(rest[2..end], variables);
            position += 1 + end + 2;
            return value.ToString(CultureInfo.InvariantCulture);
        }

        if (rest.StartsWith("("))
        {
            var end = rest.IndexOf(')');
            if (end < 0)
                throw new ShellUnsupportedException("an unterminated $(");
            position += 1 + end + 1;
            return Substitute(rest[1..end]);
        }

        if (rest.StartsWith("{"))
        {
            var end = rest.IndexOf('}');
            if (end < 0 || NameLength(rest[1..end]) != end - 1 || end == 1)
                throw new ShellUnsupportedException("a ${...} that is more than a name");
            position += 1 + end + 1;
            return variables.GetValueOrDefault(rest[1..end].ToString(), "");
        }

        var length = NameLength(rest);
        if (length == 0)
        {
            if (rest.Length > 0 && (char.IsAsciiDigit(rest[0]) || "?!$#@*-'\"".Contains(rest[0])))
                throw new ShellUnsupportedException($"the shell parameter '${rest[0]}'");
            position++;
            return "$";
        }

        position += 1 + length;
        return variables.GetValueOrDefault(rest[..length].ToString(), "");
    }

    private static string Substitute(ReadOnlySpan<char> command) => command.Trim() is "date +%s"
        ? LaunchTime.SecondsPlaceholder
        : throw new ShellUnsupportedException($"the output of the command '{command.Trim()}'");

    internal static int NameLength(ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && (text[length] == '_' || char.IsAsciiLetter(text[length]) || (length > 0 && char.IsAsciiDigit(text[length]))))
            length++;
        return length;
    }

    private static bool Balanced(ReadOnlySpan<char> text)
    {
        var depth = 0;
        foreach (var c in text)
            depth += c switch { '(' => 1, ')' => -1, _ => 0 };
        return depth == 0;
    }

    private static bool Braces(ReadOnlySpan<char> text)
    {
        var end = text.IndexOf('}');
        return end > 0 && (text[..end].Contains(',') || text[..end].IndexOf("..") >= 0);
    }
}
