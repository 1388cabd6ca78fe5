using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>
/// A patch being read line by line: what rules see. Line numbers count from 1, indices from 0. The walk over the lines belongs to a rule set's checker, which
/// moves this along.
/// </summary>
public sealed class PatchScan
{
    private readonly RuleSelection _selection;
    private int _previousIndex = -1;
    private int _stashedIndex = -1;
    private int _stashedIndent;
    private CharacterSet? _characters;
    private CharacterSet? _rawCharacters;
    private Statement _statement;
    private bool _hasStatement;
    private int _codeLength;
    private string? _lineText;
    private string? _spacedText;
    private string? _rawText;
    private string? _statementText;

    public PatchScan(TextLines lines, TypeMatcher types, RuleSelection selection)
        : this(lines, CleanText.Create(lines, types.Dialect.HasLineComments), types, selection)
    {
    }

    private PatchScan(TextLines lines, CleanText clean, TypeMatcher types, RuleSelection selection)
    {
        _selection = selection;
        Lines = lines;
        Clean = clean;
        Types = types;
        Learner = new TypeLearner(types);
        Values = new ValueAnnotator(types);
        Statements = new StatementScanner(lines, Clean, types.Dialect.EndsAtDefinitions);
    }

    /// <summary>Longer lines are not read as code: nobody writes them, and patterns need not be quick on them.</summary>
    public const int MaxCodeLine = 8192;

    public TextLines Lines { get; }

    public CleanText Clean { get; }

    public TypeMatcher Types { get; }

    public TypeLearner Learner { get; }

    public ValueAnnotator Values { get; }

    public StatementScanner Statements { get; }

    public List<Finding> Findings { get; } = [];

    /// <summary>The input is a source file shown as a patch that adds it.</summary>
    public bool WholeFile { get; init; }

    /// <summary>Columns after which lines are too long.</summary>
    public int MaxLineLength { get; init; }

    /// <summary>Root of the source tree that the patch is for; null when there is none.</summary>
    public string? Root { get; init; }

    /// <summary>Whether the repository has a commit, by its name; null when there is no repository to ask.</summary>
    public Predicate<string>? HasCommit { get; init; }

    /// <summary>Names of structures that are normally constant; null when the tree has no list of them.</summary>
    public IReadOnlySet<string>? ConstStructures { get; init; }

    /// <summary>Words that are often misspelled; null when there is no list.</summary>
    public Spelling? Spelling { get; init; }

    /// <summary>Number of the line.</summary>
    public int Number { get; private set; }

    /// <summary>The line as it is in the patch.</summary>
    public ReadOnlySpan<char> Raw => _rawText is { } text ? text : Lines[Number - 1];

    /// <summary>The line with strings and comments blanked.</summary>
    public ReadOnlySpan<char> Line => _lineText is { } text ? text : Clean[Number - 1];

    /// <summary>The same without a <c>//</c> comment.</summary>
    public ReadOnlySpan<char> Code => Line[.._codeLength];

    /// <summary>The line before, removed lines not counted, blanked; empty at the patch's start.</summary>
    public ReadOnlySpan<char> Previous => Clean[_previousIndex];

    public ReadOnlySpan<char> PreviousRaw => Lines[_previousIndex];

    /// <summary><see cref="Line"/> for patterns.</summary>
    public string LineText => _lineText ??= Line.ToString();

    /// <summary><see cref="Line"/> with comments as spaces, for patterns.</summary>
    public string SpacedText => _spacedText ??= LineText.Replace(CleanText.Comment, ' ');

    /// <summary><see cref="Raw"/> for patterns.</summary>
    public string RawText => _rawText ??= Raw.ToString();

    /// <summary>Matters of taste are reported for this file even when they are not asked for.</summary>
    public bool ShowsTaste { get; set; }

    /// <summary>Matters of taste are reported here.</summary>
    public bool ReportsTaste => _selection.Strict || ShowsTaste;

    /// <summary>A statement is followed from this line; not so on the further lines of one that has no boundary inside.</summary>
    public bool StartsStatement { get; set; }

    /// <summary>Patterns see the statement here although its start was on a line before: the line begins a control statement. Markers of its further lines stay.</summary>
    public bool ShowsControl { get; set; }

    /// <summary>Path of the file that is changed, without the diff's prefix; empty before the first.</summary>
    public string File { get; set; } = "";

    /// <summary>Line in the file after the patch.</summary>
    public int FileLine { get; private set; }

    /// <summary>Lines that the hunk has from this one on; 0 outside of hunks.</summary>
    public int Remaining { get; private set; }

    /// <summary>Number of the hunk's first line.</summary>
    public int FirstLine { get; private set; }

    /// <summary>Columns of the line without its marker.</summary>
    public int Length { get; private set; }

    /// <summary>Columns of the line's indentation.</summary>
    public int Indent { get; private set; }

    public int PreviousIndent { get; private set; }

    /// <summary>What the code before this line ended in, see <see cref="ValueAnnotator"/>.</summary>
    public char ValueBefore { get; set; } = ValueAnnotator.End;

    public bool IsAdded => Raw is ['+', ..];

    public bool IsRemoved => Raw is ['-', ..];

    /// <summary>The diff says that something is a patch: a hunk or a rename.</summary>
    public bool IsPatch { get; set; }

    /// <summary>The line belongs to the log before the diff.</summary>
    public bool InCommitLog { get; set; }

    /// <summary>Lines of hunks so far.</summary>
    public int CheckedLines { get; private set; }

    /// <summary>Whether the line, blanked, has a character of ASCII: a quick way out for rules that look for punctuation.</summary>
    public bool Has(char character) => Characters.Has(character);

    /// <summary>Characters of <see cref="Line"/>.</summary>
    public CharacterSet Characters => _characters ??= CharacterSet.Of(LineText);

    /// <summary>Characters of <see cref="Raw"/>.</summary>
    public CharacterSet RawCharacters => _rawCharacters ??= CharacterSet.Of(RawText);

    /// <summary>Goes to a line. False at a hunk's header, which is not a line of its own.</summary>
    public bool MoveTo(int number)
    {
        Number = number;
        _hasStatement = StartsStatement = ShowsControl = false;
        _lineText = _spacedText = _rawText = _statementText = null;
        _characters = _rawCharacters = null;
        var line = Line;
        _codeLength = line.Length;
        if (HunkHeader.TryParse(line, out var header))
        {
            IsPatch = true;
            FirstLine = number + 1;
            FileLine = header.NewStart - 1;
            Remaining = header.NewCount + 1;
            Values.Reset();
            ValueBefore = ValueAnnotator.End;
            return false;
        }
        if (line.IsEmpty || line[0] is ' ' or '+')
        {
            FileLine++;
            if (Remaining != 0)
                Remaining--;
            var raw = Raw;
            Length = raw.IsEmpty ? 0 : Scan.Columns(raw[1..]);
            _previousIndex = _stashedIndex;
            _stashedIndex = number - 1;
            PreviousIndent = _stashedIndent;
            Indent = _stashedIndent = Scan.Indent(raw);
        }
        else if (Remaining == 1)
        {
            Remaining = 0;
        }
        return true;
    }

    public void CountLine()
    {
        if (Remaining != 0)
            CheckedLines++;
    }

    /// <summary>Annotates the line's values, see <see cref="Values"/>.</summary>
    public void Annotate()
    {
        var joined = Clean.JoinedIndexOf(Number - 1);
        ValueBefore = Values.Annotate(Clean.Blanked[Clean.StartOfJoined(joined)..Clean.StartOfJoined(joined + 1)], ValueBefore);
    }

    /// <summary>Cuts a <c>//</c> comment off <see cref="Code"/>.</summary>
    public void StripLineComment()
    {
        var comment = Line.IndexOf("//");
        _codeLength = comment < 0 ? Line.Length : comment;
    }

    /// <summary>Whether a statement can begin on the line: it shows anything after its marker.</summary>
    public bool HasStatement => Remaining != 0 && Line.Length > 1 && !Scan.OnlySpaceFrom(Line, 1);

    /// <summary>The statement that begins on the line; only when <see cref="HasStatement"/>.</summary>
    public Statement Statement
    {
        get
        {
            if (!_hasStatement)
            {
                _statement = Statements.StatementAt(Number, Remaining, 0);
                _hasStatement = true;
            }
            return _statement;
        }
    }

    /// <summary>How much of a statement patterns see.</summary>
    private const int MaxStatementText = 1024;

    /// <summary>The statement for patterns: its first line's marker, then its text with the markers of further lines blanked. Empty when none is followed from here.</summary>
    public string StatementText
    {
        get
        {
            if (_statementText is null)
            {
                var text = StartsStatement ? TextOf(Statement) : ShowsControl ? Clean.Joined[Statement.Start..Statement.End] : default;
                text = text.Length > MaxStatementText ? text[..MaxStatementText] : text;
                _statementText = text.IsEmpty ? "" : string.Concat(Line[..1], text[1..]);
            }
            return _statementText;
        }
    }

    /// <summary>Lines as they are from this one on, removed ones left out, each ended by a line feed.</summary>
    public string RawLines(int count)
    {
        var text = new System.Text.StringBuilder();
        for (var i = 0; i < count && Statements.IndexAfter(Number, i) is var index && Lines.Has(index); i++)
            text.Append(Lines[index]).Append('\n');
        return text.ToString();
    }

    /// <summary>Lines as they are from this one to another by its number; in a removed one's place stands the next that is not.</summary>
    public string RawLinesThrough(int last)
    {
        var next = last;
        while (Lines.Has(next - 1) && CleanText.IsRemoved(Lines[next - 1]))
            next++;
        var texts = new string[Math.Max(last - Number + 1, 0)];
        for (var number = last; number >= Number; number--)
        {
            if (Lines.Has(number - 1) && !CleanText.IsRemoved(Lines[number - 1]))
                next = number;
            texts[number - Number] = Lines.LineString(next - 1);
        }
        return string.Join('\n', texts) + "\n";
    }

    /// <summary>A statement's text, markers of its lines blanked.</summary>
    public ReadOnlySpan<char> TextOf(in Statement statement) => Clean.Blanked[statement.Start..statement.End];

    /// <summary>The condition that a statement begins with.</summary>
    public ReadOnlySpan<char> ConditionOf(in Statement statement) => Clean.Blanked[statement.Start..Math.Max(statement.Start, statement.ConditionEnd)];

    /// <summary>What a statement has after its condition.</summary>
    public ReadOnlySpan<char> BodyOf(in Statement statement) =>
        Clean.Blanked[Math.Min(Math.Max(statement.ConditionEnd, statement.Start), statement.End)..statement.End];

    public void Report(Rule rule, string? message = null, Excerpt excerpt = Excerpt.Line) => Add(rule, message, excerpt, 0, null);

    /// <summary>Reports with the line before.</summary>
    public void ReportWithPrevious(Rule rule, string? message = null) => Add(rule, message, Excerpt.PreviousLine, _previousIndex, null);

    /// <summary>Reports with a mark beneath a column of the line, from 0, its marker counted.</summary>
    public void ReportAt(Rule rule, int column, string? message = null) => Add(rule, message, Excerpt.Pointer, column, null);

    /// <summary>Reports with lines of its own, each ended by a line feed.</summary>
    public void ReportWithText(Rule rule, string text, string? message = null) => Add(rule, message, Excerpt.Text, 0, text);

    /// <summary>Reports the patch as a whole.</summary>
    public void ReportPatch(Rule rule, string? message = null, Excerpt excerpt = Excerpt.None) => Add(rule, message, excerpt, 0, null);

    /// <summary>A scan of the same patch from its start, which another thread may move.</summary>
    public PatchScan CreateTwin() => new(Lines, Clean, Types.Copy(), _selection) { WholeFile = WholeFile, MaxLineLength = MaxLineLength, Root = Root, ConstStructures = ConstStructures };

    /// <summary>Adds what a twin found, for each line after what was found here.</summary>
    public void AddFindings(PatchScan twin)
    {
        var own = Findings.ToArray();
        Findings.Clear();
        var next = 0;
        foreach (var finding in own)
        {
            for (; next < twin.Findings.Count && twin.Findings[next].PatchLine < finding.PatchLine; next++)
                Findings.Add(twin.Findings[next]);
            Findings.Add(finding);
        }
        Findings.AddRange(twin.Findings[next..]);
    }

    private void Add(Rule rule, string? message, Excerpt excerpt, int argument, string? text)
    {
        var severity = WholeFile && rule.IsMilderInFiles ? Severity.Check : rule.Severity;
        if (_selection.Selects(rule, severity, ShowsTaste))
            Findings.Add(new Finding(rule, severity, message ?? rule.Message, Number, File, Remaining != 0 ? FileLine : 0, excerpt, argument, text));
    }
}
