using Gauntlet.Pipelines.Checks.Rules.Qemu;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>Which of Linux's rules see which lines.</summary>
internal sealed class LinuxWalk
{
    private readonly LinuxRules _rules;
    private readonly PatchScan _scan;
    private readonly Part _part;
    private bool _inHeader;
    private bool _hasLog;
    private int _signOffs;
    private int _statementEnd;
    private bool _isSource;
    private bool _isLaidOut;
    private bool _isC;

    private LinuxWalk(LinuxRules rules, PatchScan scan, Part part)
    {
        _rules = rules;
        _scan = scan;
        _part = part;
        _inHeader = !scan.WholeFile;
        foreach (var rule in rules.All)
        {
            if (rule is LineRule lineRule)
                lineRule.Begin();
        }
    }

    /// <summary>Which rules a walk asks.</summary>
    private enum Part
    {
        All,

        /// <summary>All but those for added lines of C, which come last for a line.</summary>
        First,

        /// <summary>Those for added lines of C.</summary>
        Last,
    }

    /// <summary>Patches with more lines are walked over twice at the same time, each time with a part of the rules.</summary>
    private const int MaxLinesOfOneWalk = 20_000;

    public static void Run(LinuxRules rules, PatchScan scan, WalkOptions options)
    {
        var isLarge = scan.Lines.Count > MaxLinesOfOneWalk;
        var twin = isLarge ? scan.CreateTwin() : null;
        var last = twin is null ? null : Task.Run(new LinuxWalk(new LinuxRules(), twin, Part.Last).WalkLines);
        var walk = new LinuxWalk(rules, scan, isLarge ? Part.First : Part.All);
        walk.WalkLines();
        last?.GetAwaiter().GetResult();
        if (twin is not null)
            scan.AddFindings(twin);
        if (scan.Lines.Count == 0)
            return;
        if (!scan.IsPatch && options is { MustBePatch: true, IsCoverLetter: false })
            scan.ReportPatch(rules.NotAPatch);
        if (scan.IsPatch && walk._hasLog && options.RequireSignOff && walk._signOffs == 0)
            scan.ReportPatch(rules.MissingSignOff);
        else if (scan.IsPatch && walk._hasLog && options.RequireSignOff)
            rules.Trailers.Finish(scan);
    }

    private void WalkLines()
    {
        for (var number = 1; number <= _scan.Lines.Count; number++)
        {
            if (_scan.MoveTo(number))
                CheckLine();
            else
                BeginHunk();
        }
    }

    private void BeginHunk()
    {
        _statementEnd = 0;
        _rules.FunctionName.EnterHunk(_scan.Raw);
        foreach (var rule in _rules.All)
        {
            if (rule is IHunkRule hunkRule)
                hunkRule.BeginHunk();
        }
    }

    private void CheckLine()
    {
        if (ReadFileName())
            return;
        _scan.CountLine();
        if (_part == Part.Last)
        {
            if (_scan.Remaining != 0 && !_scan.IsRemoved && IsC)
                CheckC();
            return;
        }
        CheckAnyLine();
        if (_scan.Remaining == 0 || _scan.IsRemoved)
            return;
        if (DosLineEnding.Matches(_scan))
            _rules.Dos.Check(_scan);
        else
            _rules.TrailingSpace.Check(_scan);
        _rules.Address.Check(_scan);
        foreach (var rule in _rules.File)
            rule.Check(_scan);
        if (!_isSource)
            return;
        foreach (var rule in _rules.Source)
            rule.Check(_scan);
        if (!_isLaidOut)
            return;
        foreach (var rule in _rules.Layout)
            rule.Check(_scan);
        if (IsC)
            CheckC();
    }

    private bool IsC => _isC && _scan.Raw.Length is > 0 and <= PatchScan.MaxCodeLine;

    private void CheckC()
    {
        if (_scan.HasStatement && _scan.Number > _statementEnd && ShowsCode(_scan.Line))
        {
            _scan.StartsStatement = true;
            var statement = _scan.Statement;
            var text = _scan.TextOf(statement);
            // Nothing begins inside of a statement that has no boundary within.
            if (Scan.TrimEnd(text).TrimEnd(';').IndexOfAny('{', ';') < 0)
                _statementEnd = statement.NextLine;
            _scan.Learner.Learn(text.Length > MaxDeclaration ? text[..MaxDeclaration] : text, _scan.ValueBefore == Source.ValueAnnotator.End);
        }
        else if (_scan.IsAdded && _scan.HasStatement && BeginsControl(_scan.Line))
        {
            _scan.ShowsControl = true;
        }
        if (_part != Part.Last)
        {
            foreach (var rule in _rules.Context)
                rule.Check(_scan);
        }
        _scan.Annotate();
        if (!_scan.IsAdded || _part == Part.First)
            return;
        foreach (var rule in _rules.C)
            rule.Check(_scan);
    }

    /// <summary>Whether a line has anything but its marker, white space and comments: those begin no statement.</summary>
    private static bool ShowsCode(ReadOnlySpan<char> line)
    {
        foreach (var c in line[1..])
        {
            if (c != CleanText.Comment && !Scan.IsSpace(c))
                return true;
        }
        return false;
    }

    /// <summary>A line with the start of a control statement, no directive and no loop's end.</summary>
    private static bool BeginsControl(ReadOnlySpan<char> line) =>
        (Scan.FindCall(line, "if", spaces: true) >= 0 || Scan.FindCall(line, "while", spaces: true) >= 0 || Scan.FindCall(line, "for", spaces: true) >= 0
            || line.Contains("for_each", StringComparison.Ordinal) || Scan.HasWord(line, "do") || Scan.HasWord(line, "else"))
        && !Directives.IsDirective(line) && !EndsLoop(line);

    private static bool EndsLoop(ReadOnlySpan<char> line) =>
        line.IndexOf('}') is >= 0 and var brace && Scan.StartsAt(line, Scan.SkipSpace(line, brace + 1), "while");

    /// <summary>How much of a statement is looked at for types.</summary>
    private const int MaxDeclaration = 4096;

    private void CheckAnyLine()
    {
        var line = _scan.Line;
        if (!_scan.InCommitLog && (GitHeaders.IsRename(line, copies: false) || line.StartsWith(" mode change ")))
            _scan.IsPatch = true;
        _rules.Description.Check(_scan);
        foreach (var rule in _rules.Any)
            rule.Check(_scan);
        if (line[Scan.SkipSpace(line, 0)..] is ['F' or 'f' or 'S' or 's', ..])
            _rules.Trailers.ReadAuthor(_scan);
        if (line[Scan.SkipSpace(line, 0)..].StartsWith("signed-off-by:", StringComparison.OrdinalIgnoreCase))
        {
            _signOffs++;
            _scan.InCommitLog = false;
        }
        if (line is "---")
            _scan.InCommitLog = false;
        if (FilesMoved.IsMaintainersStat(line))
            _rules.FilesMoved.Settled = true;
        if (_inHeader)
        {
            _rules.Subject.Check(_scan);
        }
        else
        {
            _rules.Trailers.Check(_scan);
            _rules.Fixes.Check(_scan);
        }
        foreach (var rule in _rules.Log)
            rule.Check(_scan);
        if (!_scan.InCommitLog)
        {
            _scan.IsPatch |= !_rules.FilesMoved.Settled && FilesMoved.Moves(line);
            _rules.FilesMoved.Check(_scan);
        }
        foreach (var rule in _rules.AfterLog)
            rule.Check(_scan);
        if (_inHeader && _scan.File.Length == 0 && !IsHeader(_scan.Raw))
        {
            _inHeader = false;
            _scan.InCommitLog = _hasLog = _rules.Description.HasLog = true;
        }
        if (_inHeader)
            _rules.DeclinedUtf8.ReadHeader(_scan.Raw);
        _rules.DeclinedUtf8.Check(_scan);
        _rules.Spelling.Check(_scan);
    }

    /// <summary>Follows which file the diff is about; true when the line is done with.</summary>
    private bool ReadFileName()
    {
        var line = _scan.Line;
        if (line.StartsWith("diff --git") && line.Length > "diff --git ".Length && !Scan.IsSpace(line[^1]))
        {
            Enter(line[(line.LastIndexOfAny(' ', '\t') + 1)..]);
            // Only paths of plain characters make a patch of a header alone.
            _scan.IsPatch |= line.StartsWith("diff --git a/");
            return true;
        }
        if (!line.StartsWith("+++"))
            return false;
        var name = Scan.SkipSpace(line, 3);
        if (name == 3 || name == line.Length)
            return false;
        var end = name;
        while (end < line.Length && !Scan.IsSpace(line[end]))
            end++;
        Enter(line[name..end]);
        CheckFileName(line[name..end]);
        return true;
    }

    private void CheckFileName(ReadOnlySpan<char> path)
    {
        if (_part == Part.Last)
            return;
        var slash = path.IndexOf('/');
        var prefix = slash < 0 ? "" : path[..slash].ToString();
        if (!_scan.WholeFile && _scan.Root is not null && prefix.Length > 0 && Path.Exists(Path.Combine(_scan.Root, prefix)))
            _scan.ReportPatch(_rules.PathPrefix, $"patch prefix '{prefix}' exists, appears to be a -p0 patch");
        if (_scan.File.StartsWith("include/asm/", StringComparison.Ordinal))
            _scan.ReportPatch(_rules.OldHeaders);
    }

    private void Enter(ReadOnlySpan<char> path)
    {
        var slash = path.IndexOf('/');
        _scan.File = (_scan.WholeFile || slash < 0 ? path : path[(slash + 1)..]).ToString();
        _scan.InCommitLog = false;
        var suffix = Path.GetExtension(_scan.File);
        _isC = suffix is ".h" or ".c";
        _isSource = _isC || suffix is ".rs" or ".s" or ".S" or ".sh" or ".dtsi" or ".dts";
        _isLaidOut = _isC || suffix is ".dtsi" or ".dts";
        _scan.ShowsTaste = _scan.File.StartsWith("net/", StringComparison.Ordinal) || _scan.File.StartsWith("drivers/net/", StringComparison.Ordinal)
            || _scan.File.StartsWith("drivers/staging/", StringComparison.Ordinal);
        if (_part != Part.Last)
            _rules.Binding.EnterFile(_scan);
    }

    private static readonly string[] s_headerWords = ["commit", "from"];

    private static bool IsHeader(ReadOnlySpan<char> line)
    {
        if (!line.IsEmpty && Scan.IsSpace(line[0]))
            return true;
        foreach (var word in s_headerWords)
        {
            if (line.StartsWith(word, StringComparison.OrdinalIgnoreCase) && (line.Length == word.Length || !Scan.IsWord(line[word.Length])))
                return true;
        }
        var end = 0;
        while (end < line.Length && (Scan.IsWord(line[end]) || line[end] == '-'))
            end++;
        return end > 0 && end < line.Length && line[end] == ':';
    }
}
