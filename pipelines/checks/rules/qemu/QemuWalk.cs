using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Qemu;

/// <summary>Which of QEMU's rules see which lines.</summary>
internal sealed class QemuWalk
{
    /// <summary>How much of a statement is looked at for types.</summary>
    private const int MaxDeclaration = 4096;

    private readonly QemuRules _rules;
    private readonly PatchScan _scan;
    private readonly WalkOptions _options;
    private bool _inHeader;
    private int _signOffs;

    private QemuWalk(QemuRules rules, PatchScan scan, WalkOptions options)
    {
        _rules = rules;
        _scan = scan;
        _options = options;
        _inHeader = !scan.WholeFile;
    }

    public static void Run(QemuRules rules, PatchScan scan, WalkOptions options)
    {
        foreach (var rule in rules.All)
        {
            // The checker that is followed reports one corrupt line in all the patches that it is given.
            if (rule is LineRule lineRule && !(options.Legacy && rule is CorruptPatch))
                lineRule.Begin();
        }
        new QemuWalk(rules, scan, options).Run();
    }

    private void Run()
    {
        for (var number = 1; number <= _scan.Lines.Count; number++)
        {
            if (_scan.MoveTo(number))
            {
                CheckLine();
            }
            else
            {
                _rules.TrailingStatements.BeginHunk();
                _rules.Braces.BeginHunk();
            }
        }
        if (_scan.IsPatch && _options.RequireSignOff && _signOffs == 0)
            _scan.ReportPatch(_rules.MissingSignOff);
        if (!_scan.IsPatch && _options.MustBePatch && !_options.IsCoverLetter && _scan.Lines.Count > 0)
            _scan.ReportPatch(_rules.NotAPatch);
    }

    private void CheckLine()
    {
        if (ReadFileName())
            return;
        _scan.CountLine();
        CheckAnyLine();
        if (_scan.Remaining == 0 || _scan.IsRemoved)
            return;
        _rules.Imported.Check(_scan);
        if (ImportedHeaders.IsImported(_scan.File))
            return;
        CheckWhiteSpace();
        if (_scan.File.EndsWith("trace-events", StringComparison.Ordinal) && _scan.IsAdded)
        {
            if (TraceHashFlag.Matches(_scan.Raw))
                _rules.TraceHash.Check(_scan);
            else
                _rules.TraceHex.Check(_scan);
        }
        var isC = QemuFiles.IsC(_scan.File);
        if (!isC && !QemuFiles.IsSource(_scan.File))
            return;
        foreach (var rule in _rules.Source)
            rule.Check(_scan);
        if (QemuFiles.MayHaveTabs(_scan.File))
            return;
        _rules.Tabs.Check(_scan);
        if (isC && _scan.Raw.Length is > 0 and <= PatchScan.MaxCodeLine)
            CheckC();
    }

    /// <summary>Follows which file the diff is about; true when the line is done with.</summary>
    private bool ReadFileName()
    {
        var line = _scan.Line;
        if (line.StartsWith("diff --git") && !Scan.IsSpace(line[^1]))
        {
            var start = line.Length;
            while (start > "diff --git".Length && !Scan.IsSpace(line[start - 1]))
                start--;
            if (start == line.Length)
                return false;
            EnterFile(line[start..], out _);
            return false;
        }
        if (!line.StartsWith("+++"))
            return false;
        var name = Scan.SkipSpace(line, 3);
        if (name == 3 || name == line.Length)
            return false;
        var end = name;
        while (end < line.Length && !Scan.IsSpace(line[end]))
            end++;
        EnterFile(line[name..end], out var prefix);
        if (!_scan.WholeFile && _scan.Root is not null && prefix.Length > 0 && Path.Exists(Path.Combine(_scan.Root, prefix)))
            _scan.ReportPatch(_rules.PatchPrefix, $"patch prefix '{prefix}' exists, appears to be a -p0 patch");
        return true;
    }

    private void EnterFile(ReadOnlySpan<char> path, out string prefix)
    {
        var slash = path.IndexOf('/');
        prefix = slash < 0 ? path.ToString() : path[..slash].ToString();
        var name = _scan.WholeFile || slash < 0 ? path : path[(slash + 1)..];
        if (!name.SequenceEqual(_scan.File))
            _scan.File = name.ToString();
        _rules.Acpi.Check(_scan);
    }

    private void CheckAnyLine()
    {
        var line = _scan.Line;
        _rules.Executable.Check(_scan);
        _rules.Python.Check(_scan);
        if (GitHeaders.IsRename(line, copies: true))
            _scan.IsPatch = true;
        _rules.Author.Check(_scan);
        if (line[Scan.SkipSpace(line, 0)..].StartsWith("signed-off-by:", StringComparison.OrdinalIgnoreCase))
        {
            _signOffs++;
            _scan.InCommitLog = false;
            _rules.SignOffForm.Check(_scan);
            _rules.SignOffSpace.Check(_scan);
        }
        if (FilesMoved.IsMaintainersStat(line))
            _rules.FilesMoved.Settled = true;
        if (!_scan.InCommitLog && !(_scan.File.Length > 0 && _scan.File == _rules.Acpi.Expected))
            _rules.FilesMoved.Check(_scan);
        foreach (var rule in _rules.Licences)
            rule.Check(_scan);
        _rules.Corrupt.Check(_scan);
        _rules.Utf8.Check(_scan);
        _rules.Mojibake.Check(_scan);
        if (_inHeader && _scan.File.Length == 0 && !IsHeader(_scan.Raw))
        {
            _inHeader = false;
            _scan.InCommitLog = true;
        }
        if (_inHeader)
            _rules.DeclinedUtf8.ReadHeader(_scan.Raw);
        _rules.DeclinedUtf8.Check(_scan);
        _rules.Spelling.Check(_scan);
    }

    private static readonly string[] s_headerWords = ["commit", "from"];

    /// <summary>Whether a line can belong to a mail's header or git log's.</summary>
    private static bool IsHeader(ReadOnlySpan<char> line)
    {
        var text = Scan.SkipSpace(line, 0);
        if (text > 0 && text < line.Length)
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

    private void CheckWhiteSpace()
    {
        if (DosLineEnding.Matches(_scan))
            _rules.Dos.Check(_scan);
        else if (DocCodeBlock.Applies(_scan.File))
            _rules.DocBlock.Check(_scan);
        else
            _rules.TrailingSpace.Check(_scan);
    }

    private void CheckC()
    {
        foreach (var rule in _rules.Comments)
            rule.Check(_scan);
        if (_scan.HasStatement)
        {
            var text = _scan.TextOf(_scan.Statement);
            _scan.Learner.Learn(text.Length > MaxDeclaration ? text[..MaxDeclaration] : text, _scan.ValueBefore == ValueAnnotator.End);
        }
        foreach (var rule in _rules.Context)
            rule.Check(_scan);
        _scan.Annotate();
        if (!_scan.IsAdded)
            return;
        foreach (var rule in _rules.AddedWithComments)
            rule.Check(_scan);
        _scan.StripLineComment();
        foreach (var rule in _rules.Added)
            rule.Check(_scan);
    }
}

/// <summary>Kinds of files by their names.</summary>
internal static class QemuFiles
{
    private static readonly string[] s_cSuffixes = [".c", ".h", ".c.inc", ".h.inc", ".cpp"];

    private static readonly string[] s_sourceSuffixes = [".s", ".S", ".pl", ".py", ".sh"];

    private static readonly string[] s_notLaidOut = [".s", ".S", "checkpatch.pl", "get_maintainer.pl"];

    public static bool IsC(string file) => HasSuffix(file, s_cSuffixes);

    public static bool IsSource(string file) => HasSuffix(file, s_sourceSuffixes);

    /// <summary>Assembly, and scripts that come from elsewhere.</summary>
    public static bool MayHaveTabs(string file) =>
        HasSuffix(file, s_notLaidOut) || file.StartsWith("target/hexagon/imported/", StringComparison.Ordinal);

    private static bool HasSuffix(string file, string[] suffixes)
    {
        foreach (var suffix in suffixes)
        {
            if (file.EndsWith(suffix, StringComparison.Ordinal))
                return true;
        }
        return false;
    }
}
