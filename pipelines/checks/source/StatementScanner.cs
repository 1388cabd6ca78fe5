using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>A C statement or block in <see cref="CleanText.Joined"/>, and where to go on after it.</summary>
/// <param name="Start">Position of its first character.</param>
/// <param name="End">Position after its last character.</param>
/// <param name="ConditionEnd">Position after the condition in parentheses (or after <c>else</c>) that it begins with; <see cref="Start"/> when there is none.</param>
/// <param name="NextLine">Number, from 1, of the patch line in which it ends; the next line when the hunk ends before the statement does.</param>
/// <param name="Remaining">Lines of the hunk from <see cref="NextLine"/> on, itself included.</param>
/// <param name="NextOffset">Offset after the statement in that line.</param>
/// <param name="Level">Nesting that was left open.</param>
public readonly record struct Statement(int Start, int End, int ConditionEnd, int NextLine, int Remaining, int NextOffset, int Level)
{
    public bool HasCondition => ConditionEnd > Start;
}

/// <summary>
/// Finds where statements and brackets end in a hunk. A hunk shows the middle of a file, so nothing here needs balanced input. Preprocessor conditionals
/// are followed one arm at a time, each from the nesting at their start.
/// </summary>
public sealed class StatementScanner
{
    /// <summary>Characters that may be looked ahead over, for each character of the patch, before looking ahead becomes short-sighted.</summary>
    private const int BudgetPerCharacter = 32;

    private const int BaseBudget = 4_000_000;

    /// <summary>How far to look ahead once the budget is spent. Keeps the time linear for input that is made to be slow.</summary>
    private const int ExhaustedLookahead = 512;

    /// <summary>Characters after which no further line of a directive is read; nobody writes longer ones.</summary>
    private const int MaxDirective = 16 * 1024;

    private readonly TextLines _raw;
    private readonly CleanText _clean;
    private readonly bool _endsAtDefinitions;
    private readonly ValueList<OpenConditional> _conditionals = new();
    private readonly List<int> _levels = [];
    private long _budget;

    // The last scan from a line's start: lines in this range of joined lines begin at its outermost level, so their statements end where its does.
    private int _memoFirst = -1;
    private int _memoLast = -1;
    private int _memoRemaining;
    private Statement _memo;

    /// <param name="endsAtDefinitions">A macro's definition ends with its last line, and with it a statement that it stands in.</param>
    public StatementScanner(TextLines raw, CleanText clean, bool endsAtDefinitions)
    {
        _raw = raw;
        _clean = clean;
        _endsAtDefinitions = endsAtDefinitions;
        _budget = BaseBudget + (long)BudgetPerCharacter * raw.Text.Length;
    }

    /// <summary>The statement that begins <paramref name="offset"/> characters into a line.</summary>
    /// <param name="lineNumber">Patch line, from 1.</param>
    /// <param name="remaining">Lines that the hunk has from there on.</param>
    public Statement StatementAt(int lineNumber, int remaining, int offset)
    {
        var first = _clean.JoinedIndexOf(lineNumber - 1);
        if (offset == 0 && first > _memoFirst && first <= _memoLast && remaining == _memoRemaining - (first - _memoFirst))
        {
            var start = _clean.StartOfJoined(first);
            return _memo with { Start = start, ConditionEnd = Math.Max(start, _memo.ConditionEnd) };
        }
        return FollowStatement(lineNumber, remaining, offset, first);
    }

    /// <summary>A preprocessor directive with its continuation lines, their markers kept, without the last line's end.</summary>
    public ReadOnlySpan<char> DirectiveAt(int lineNumber, int remaining)
    {
        var first = _clean.JoinedIndexOf(lineNumber - 1);
        var start = _clean.StartOfJoined(first);
        var limit = start + (_budget > 0 ? MaxDirective : ExhaustedLookahead);
        var end = start;
        for (var joined = first; remaining > 0 && joined < _clean.JoinedCount && end < limit; joined++, remaining--)
        {
            end = _clean.StartOfJoined(joined + 1);
            if (end - 2 < start || _clean.Joined[end - 2] != '\\')
                break;
        }
        _budget -= end - start;
        return _clean.Joined[start..end].TrimEnd('\n');
    }

    private Statement FollowStatement(int lineNumber, int remaining, int offset, int first)
    {
        var text = _clean.Joined;
        var joined = first;
        var nextLine = lineNumber - 1;
        var blockStart = joined < _clean.JoinedCount ? _clean.StartOfJoined(joined) : text.Length;
        var statementStart = blockStart + offset;
        var at = statementStart;
        var limit = at + (_budget > 0 ? int.MaxValue / 2 : ExhaustedLookahead);
        var end = blockStart;
        var lineStart = blockStart;
        var conditionEnd = statementStart;
        var conditionSet = false;
        var bracket = '\0';
        var level = 0;
        var previous = '\0';
        var left = remaining;
        var outermostThrough = first;
        var outermost = offset == 0;
        _conditionals.Clear();
        while (true)
        {
            if (at >= end)
            {
                if (left > 0 && joined < _clean.JoinedCount && at < limit)
                {
                    left--;
                    lineStart = _clean.StartOfJoined(joined);
                    if (outermost && level == 0 && bracket == '\0' && !conditionSet)
                        outermostThrough = joined;
                    else
                        outermost = false;
                    nextLine = _clean.LineOfJoined(joined) + 1;
                    joined++;
                    end = _clean.StartOfJoined(joined);
                }
                if (at >= end)
                    break;
                if (_endsAtDefinitions && level == 0 && Directives.EndOfNamed(text[at..end], "define") >= 0)
                    (bracket, level) = ('#', 1);
            }
            if (_conditionals.Count == 0)
                _conditionals.Add(new OpenConditional('\0', 0));
            var c = text[at];
            if (c == '#' && FollowConditional(text[at..end], ref bracket, ref level))
                outermost = false;
            if (level == 0 && c == ';')
                break;
            if (c == 'e' && level == 0 && !conditionSet && (previous is '\0' or '}' or '+' || Scan.IsSpace(previous)) && IsLoneElse(text[at..end]))
            {
                conditionEnd = at + "else".Length;
                conditionSet = true;
            }
            if (bracket is '\0' or '(' && c == '(')
            {
                level++;
                bracket = '(';
            }
            else if (bracket == '(' && c == ')')
            {
                level--;
                bracket = level != 0 ? '(' : '\0';
                if (level == 0 && conditionEnd <= statementStart)
                {
                    conditionEnd = at + 1;
                    conditionSet = true;
                }
            }
            else if (bracket is '\0' or '{' && c == '{')
            {
                level++;
                bracket = '{';
            }
            else if (bracket == '{' && c == '}')
            {
                level--;
                bracket = level != 0 ? '{' : '\0';
                if (level == 0)
                {
                    if (at + 1 < end && text[at + 1] == ';')
                        at++;
                    break;
                }
            }
            else if (bracket == '#' && c == '\n' && previous != '\\')
            {
                (bracket, level) = ('\0', 0);
                at++;
                break;
            }
            previous = c;
            at++;
        }
        _budget -= at - statementStart;
        var ranOut = at >= end;
        var statementEnd = Math.Min(at + 1, Math.Max(end, statementStart));
        var result = ranOut
            ? new Statement(statementStart, statementEnd, conditionEnd, nextLine + 1, left, Math.Max(at - end, 0), level)
            : new Statement(statementStart, statementEnd, conditionEnd, nextLine, left + 1, at - lineStart + 1, level);
        if (offset == 0 && outermostThrough > first)
            (_memoFirst, _memoLast, _memoRemaining, _memo) = (first, outermostThrough, remaining, result);
        return result;
    }

    /// <summary>Saves or restores the nesting at a preprocessor conditional; false when the text is none.</summary>
    private bool FollowConditional(ReadOnlySpan<char> text, ref char bracket, ref int level)
    {
        switch (Directives.ConditionalAt(text, 0))
        {
            case ConditionalDirective.If:
                _conditionals.Add(new OpenConditional(bracket, level));
                return true;
            case ConditionalDirective.Else:
                (bracket, level) = _conditionals[Math.Max(_conditionals.Count - 2, 0)];
                return true;
            case ConditionalDirective.EndIf:
                (bracket, level) = _conditionals[^1];
                _conditionals.RemoveLast();
                return true;
            default:
                return false;
        }
    }

    /// <summary>Whether text begins with an <c>else</c> that no <c>if</c> follows.</summary>
    private static bool IsLoneElse(ReadOnlySpan<char> text)
    {
        if (!text.StartsWith("else") || text.Length == 4 || (!Scan.IsSpace(text[4]) && text[4] != '{'))
            return false;
        var next = Scan.SkipSpace(text, 4);
        return next == 4 || !Scan.WordAt(text, next, "if");
    }

    /// <summary>A conditional statement with its further arms: each a statement of its own, its condition first.</summary>
    /// <param name="level">Nesting left open by the first statement after the arms.</param>
    public void ArmsAt(int lineNumber, int remaining, int offset, ValueList<Statement> arms, out int level)
    {
        arms.Clear();
        var next = StatementAt(lineNumber, remaining, offset);
        arms.Add(next);
        level = next.Level;
        if (next.Remaining <= 0 || !BeginsWith(next, repeated: false, s_control))
            return;
        while (true)
        {
            next = StatementAt(next.NextLine, next.Remaining, next.NextOffset);
            level = next.Level;
            if (next.Remaining <= 0 || !BeginsWith(next, repeated: true, s_furtherArms))
                return;
            arms.Add(next);
        }
    }

    private static readonly string[] s_control = ["if", "else", "do"];

    private static readonly string[] s_furtherArms = ["else", "do"];

    private bool BeginsWith(in Statement statement, bool repeated, string[] words)
    {
        var condition = _clean.Joined[statement.Start..statement.ConditionEnd];
        var at = repeated ? Scan.SkipSpaceAndMarkers(condition, 0) : SkipOneMarker(condition);
        foreach (var word in words)
        {
            if (Scan.WordAt(condition, at, word))
                return true;
        }
        return false;
    }

    private static int SkipOneMarker(ReadOnlySpan<char> text)
    {
        var at = Scan.SkipSpace(text, 0);
        if (at > 0 && at < text.Length && text[at] is '+' or '-' && text[at - 1] == '\n')
            at = Scan.SkipSpace(text, at + 1);
        return at;
    }

    /// <summary>
    /// The lines, by index from 0, from a line to the one in which its brackets are balanced again; only the first when it opens none.
    /// </summary>
    /// <param name="outermost">Leaves out lines that are nested deeper than one level.</param>
    /// <returns>Nesting left open at the hunk's end.</returns>
    public int BracketedLines(int lineNumber, int remaining, char open, char close, bool outermost, List<int> lines)
    {
        lines.Clear();
        _levels.Clear();
        var level = 0;
        _levels.Add(level);
        var visited = 0;
        for (var index = lineNumber - 1; remaining > 0 && _raw.Has(index); index++)
        {
            var line = _clean[index];
            if (CleanText.IsRemoved(line))
                continue;
            remaining--;
            visited += line.Length + 1;
            FollowConditionalLine(line, ref level);
            foreach (var c in line)
            {
                if (c == close && level > 0)
                {
                    level--;
                    if (level == 0)
                        break;
                }
                else if (c == open)
                {
                    level++;
                }
            }
            if (!outermost || level <= 1)
                lines.Add(index);
            if (level == 0 || (_budget <= 0 && visited > ExhaustedLookahead))
                break;
        }
        _budget -= visited;
        return level;
    }

    private void FollowConditionalLine(ReadOnlySpan<char> line, ref int level)
    {
        if (line.IsEmpty)
            return;
        switch (Directives.ConditionalAt(line, Scan.SkipSpace(line, 1)))
        {
            case ConditionalDirective.If:
                _levels.Add(level);
                break;
            case ConditionalDirective.Else when _levels.Count > 0:
                level = _levels[_levels.Count >= 2 ? _levels.Count - 2 : 0];
                break;
            case ConditionalDirective.EndIf:
                level = _levels.Count > 0 ? _levels[^1] : 0;
                if (_levels.Count > 0)
                    _levels.RemoveAt(_levels.Count - 1);
                break;
        }
    }

    /// <summary>The index of the patch line that is <paramref name="count"/> lines after one, removed lines not counted; it may be past the end.</summary>
    public int IndexAfter(int lineNumber, int count)
    {
        var joined = _clean.JoinedIndexOf(lineNumber - 1) + count;
        return joined < _clean.JoinedCount ? _clean.LineOfJoined(joined) : _raw.Count + (joined - _clean.JoinedCount);
    }

    /// <summary>
    /// Whether a comment ends a line or stands on the lines just above it.
    /// </summary>
    /// <param name="firstLine">The hunk's first line, from 1.</param>
    public bool HasCommentAt(int firstLine, int lineNumber)
    {
        var own = _raw[lineNumber - 1];
        var tail = Scan.TrimEnd(own);
        if (tail.EndsWith("\\"))
            tail = Scan.TrimEnd(tail[..^1]);
        if (tail.EndsWith("*/") && tail[..^2].Contains("/*", StringComparison.Ordinal))
            return true;
        var inside = false;
        var commented = false;
        for (var number = Math.Max(firstLine, lineNumber - MaxCommentLines); number < lineNumber; number++)
        {
            var line = _raw[number - 1];
            if (number == firstLine && line.Length > 1 && Scan.SkipSpace(line, 1) is var start && start < line.Length && line[start] == '*')
                inside = true;
            if (line.Contains("/*", StringComparison.Ordinal))
                inside = true;
            commented = inside;
            if (line.Contains("*/", StringComparison.Ordinal))
                inside = false;
        }
        return commented;
    }

    /// <summary>How many lines above a line are searched for its comment's start.</summary>
    private const int MaxCommentLines = 200;

    /// <summary>Where a preprocessor conditional began: the bracket that was open, and how deep.</summary>
    private readonly record struct OpenConditional(char Bracket, int Level);
}
