using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Parsing;

/// <summary>Reads unified diffs, as git, diff and quilt write them, bare or in a mail. Takes any text; linear in its length.</summary>
public sealed class PatchParser
{
    private readonly TextLines _lines;
    private int _at;

    private PatchParser(string text) => _lines = new TextLines(text);

    /// <summary>Takes a patch apart.</summary>
    /// <param name="text">Decoded by <see cref="ByteText"/>.</param>
    public static PatchDocument Parse(string text) => new PatchParser(text).ReadDocument();

    /// <summary>The text that a document was read from.</summary>
    public static string Print(PatchDocument document)
    {
        var text = new System.Text.StringBuilder();
        Append(text, document.Preamble);
        foreach (var file in document.Files)
        {
            Append(text, file.Header);
            foreach (var hunk in file.Hunks)
            {
                text.Append(hunk.Header);
                Append(text, hunk.Lines);
            }
        }
        Append(text, document.Trailer);
        return text.ToString();
    }

    private static void Append(System.Text.StringBuilder text, IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
            text.Append(line);
    }

    private PatchDocument ReadDocument()
    {
        var preamble = new List<string>();
        while (_at < _lines.Count && !StartsFile())
            preamble.Add(Take());
        var files = new List<PatchFile>();
        var trailer = new List<string>();
        while (_at < _lines.Count)
        {
            if (StartsFile())
                files.Add(ReadFile());
            else
                trailer.Add(Take());
            // Text between two files belongs to the second's header.
            if (trailer.Count > 0 && _at < _lines.Count && StartsFile())
            {
                files.Add(ReadFile(trailer));
                trailer = [];
            }
        }
        return new PatchDocument(preamble, files, trailer);
    }

    private bool StartsFile()
    {
        var line = _lines[_at];
        return line.StartsWith("diff --git ") || (line.StartsWith("--- ") && _lines[_at + 1].StartsWith("+++ ") && HunkHeader.TryParse(_lines[_at + 2], out _));
    }

    private PatchFile ReadFile(IEnumerable<string>? before = null)
    {
        var header = new List<string>(before ?? []);
        var facts = new FileFacts();
        var isGit = _lines[_at].StartsWith("diff --git ");
        facts.Read(_lines[_at]);
        header.Add(Take());
        while (_at < _lines.Count && !HunkHeader.TryParse(_lines[_at], out _) && IsHeader(isGit))
        {
            facts.Read(_lines[_at]);
            header.Add(Take());
        }
        var hunks = new List<PatchHunk>();
        while (_at < _lines.Count && HunkHeader.TryParse(_lines[_at], out var range))
            hunks.Add(ReadHunk(range));
        return new PatchFile(header, facts.Change, facts.OldPath, facts.NewPath, facts.IsBinary, hunks);
    }

    private static readonly string[] s_extendedHeaders = ["index ", "old mode ", "new mode ", "new file mode ", "deleted file mode ", "rename ", "copy ", "similarity index ", "dissimilarity index ", "Binary files ", "GIT binary patch", "literal ", "delta "];

    /// <summary>Whether the line goes on with a file's header: of git's known kinds, or the two paths.</summary>
    private bool IsHeader(bool isGit)
    {
        var line = _lines[_at];
        if (line.StartsWith("--- ") || line.StartsWith("+++ "))
            return !line.StartsWith("--- ") || _lines[_at + 1].StartsWith("+++ ");
        if (!isGit)
            return false;
        foreach (var word in s_extendedHeaders)
        {
            if (line.StartsWith(word))
                return true;
        }
        return IsBinaryData(line);
    }

    /// <summary>A line of git's base85: a length letter and groups of five, or the empty line between two parts.</summary>
    private bool IsBinaryData(ReadOnlySpan<char> line)
    {
        if (line.IsEmpty)
            return _at > 0 && _lines[_at - 1] is { Length: > 5 } previous && IsBase85(previous);
        return IsBase85(line);
    }

    private static bool IsBase85(ReadOnlySpan<char> line) =>
        line.Length >= 6 && line.Length % 5 == 1 && char.IsAsciiLetter(line[0]) && line.IndexOfAnyExceptInRange('!', '~') < 0;

    private PatchHunk ReadHunk(HunkHeader range)
    {
        var header = Take();
        var lines = new List<string>();
        var old = range.OldCount;
        var added = range.NewCount;
        while (_at < _lines.Count && (old > 0 || added > 0))
        {
            var line = _lines[_at];
            switch (line.IsEmpty || line[0] == '\r' ? ' ' : line[0])
            {
                case ' ':
                    old--;
                    added--;
                    break;
                case '-':
                    old--;
                    break;
                case '+':
                    added--;
                    break;
                case '\\':
                    break;
                default:
                    return new PatchHunk(header, range, lines, IsComplete: false);
            }
            lines.Add(Take());
        }
        while (_at < _lines.Count && _lines[_at].StartsWith("\\"))
            lines.Add(Take());
        return new PatchHunk(header, range, lines, old == 0 && added == 0);
    }

    private string Take()
    {
        var start = _lines.StartOf(_at);
        var end = Math.Min(_lines.StartOf(_at + 1), _lines.Text.Length);
        _at++;
        return _lines.Text[start..end];
    }

    /// <summary>What a file's header says.</summary>
    private sealed class FileFacts
    {
        public FileChange Change { get; private set; } = FileChange.Modified;

        public string? OldPath { get; private set; }

        public string? NewPath { get; private set; }

        public bool IsBinary { get; private set; }

        public void Read(ReadOnlySpan<char> line)
        {
            if (line.StartsWith("diff --git "))
                ReadGitPaths(line["diff --git ".Length..]);
            else if (line.StartsWith("new file mode "))
                (Change, OldPath) = (FileChange.Added, null);
            else if (line.StartsWith("deleted file mode "))
                (Change, NewPath) = (FileChange.Deleted, null);
            else if (line.StartsWith("rename from "))
                (Change, OldPath) = (FileChange.Renamed, QuotedPath.ReadIfQuoted(line["rename from ".Length..]));
            else if (line.StartsWith("rename to "))
                (Change, NewPath) = (FileChange.Renamed, QuotedPath.ReadIfQuoted(line["rename to ".Length..]));
            else if (line.StartsWith("copy from "))
                (Change, OldPath) = (FileChange.Copied, QuotedPath.ReadIfQuoted(line["copy from ".Length..]));
            else if (line.StartsWith("copy to "))
                (Change, NewPath) = (FileChange.Copied, QuotedPath.ReadIfQuoted(line["copy to ".Length..]));
            else if (line.StartsWith("new mode ") && Change == FileChange.Modified)
                Change = FileChange.ModeChanged;
            else if (line.StartsWith("GIT binary patch") || line.StartsWith("Binary files "))
                IsBinary = true;
            else if (line.StartsWith("--- "))
                OldPath = PathOf(line[4..]);
            else if (line.StartsWith("+++ "))
                ReadNewPath(PathOf(line[4..]));
        }

        private void ReadNewPath(string? path)
        {
            NewPath = path;
            if (Change == FileChange.ModeChanged)
                Change = FileChange.Modified;
        }

        private void ReadGitPaths(ReadOnlySpan<char> paths)
        {
            // Both paths are the same but for renames, whose own lines name them.
            var middle = paths.Length / 2;
            if (paths.Length % 2 == 1 && paths[middle] == ' ')
                (OldPath, NewPath) = (PathOf(paths[..middle]), PathOf(paths[(middle + 1)..]));
        }

        /// <summary>A path without its prefix and without a time stamp; null for <c>/dev/null</c>.</summary>
        private static string? PathOf(ReadOnlySpan<char> text)
        {
            var tab = text.IndexOf('\t');
            if (tab >= 0)
                text = text[..tab];
            text = text.TrimEnd('\r');
            if (text is "/dev/null")
                return null;
            if (text is ['"', .., '"'])
                text = QuotedPath.Read(text[1..^1]);
            var slash = text.IndexOf('/');
            return (slash > 0 ? text[(slash + 1)..] : text).ToString();
        }
    }
}
