using System.Text;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>The format of QEMU's checkpatch.pl, or Linux's, to the letter.</summary>
/// <param name="linux">Linux's closing lines instead of QEMU's.</param>
internal sealed class TextReport(Stream output, CheckOptions options, bool linux = false) : IReport
{
    /// <summary>Written out when this many characters have gathered.</summary>
    private const int FlushLength = 64 * 1024;

    private readonly StringBuilder _text = new();

    public void Announce(string text) => _text.Append(text).Append('\n');

    public void Add(CheckedPatch patch)
    {
        if (patch.Lines.Count == 0 || (options.Mailback && (patch.Findings.Count == 0 || !patch.IsPatch)))
            return;
        if (!options.MustBePatch && !patch.IsPatch && patch.NotChecked is null)
            return;
        foreach (var finding in patch.Findings)
        {
            AppendFinding(patch, finding);
            if (_text.Length > FlushLength)
                Flush();
        }
        if (patch.NotChecked is not null)
            _text.Append("ERROR: could not check: ").Append(ByteText.FromDisplay(patch.NotChecked)).Append("\n\n");
        AppendSummary(patch);
    }

    public void End() => Flush();

    private void AppendFinding(CheckedPatch patch, in Finding finding)
    {
        if (options.Emacs)
            _text.Append(patch.Name).Append(':').Append(patch.WholeFile ? finding.FileLine : finding.PatchLine).Append(": ");
        _text.Append(finding.Severity switch { Severity.Error => "ERROR", Severity.Warning => "WARNING", _ => "CHECK" }).Append(':');
        if (options.ShowTypes)
            _text.Append(finding.Rule.Id).Append(':');
        _text.Append(' ');
        if (options.Terse)
        {
            _text.Append(FindingText.FirstLine(finding.Message)).Append('\n');
            return;
        }
        _text.Append(finding.Message).Append('\n');
        FindingText.AppendExcerpt(_text, patch, finding);
    }

    private void AppendSummary(CheckedPatch patch)
    {
        var clean = patch.Findings.Count == 0 && patch.NotChecked is null;
        if (options.Summary && !(clean && options.Quiet == 1))
        {
            if (options.SummaryFile)
                _text.Append(patch.Name).Append(' ');
            _text.Append("total: ").Append(patch.Count(Severity.Error) + (patch.NotChecked is null ? 0 : 1)).Append(" errors, ").Append(patch.Count(Severity.Warning))
                .Append(" warnings, ").Append(linux && options.Strict ? $"{patch.Count(Severity.Check)} checks, " : "").Append(patch.CheckedLines).Append(" lines checked\n");
            if (options.Quiet == 0 && !linux)
                _text.Append('\n');
        }
        if (options.Quiet != 0)
            return;
        if (linux)
        {
            AppendLinuxClosing(patch, clean);
            return;
        }
        _text.Append(patch.DisplayName);
        _text.Append(clean
            ? " has no obvious style problems and is ready for submission.\n"
            : " has style problems, please review.  If any of these errors\nare false positives report them to the maintainer, see\nCHECKPATCH in MAINTAINERS.\n");
    }

    private void AppendLinuxClosing(CheckedPatch patch, bool clean)
    {
        if (!clean)
        {
            _text.Append("\nNOTE: For some of the reported defects, checkpatch may be able to\n      mechanically convert to the typical style using --fix or --fix-inplace.\n");
            if (HasWhiteSpaceError(patch))
                _text.Append("\nNOTE: Whitespace errors detected.\n      You may wish to use scripts/cleanpatch or scripts/cleanfile\n");
        }
        _text.Append('\n').Append(patch.DisplayName)
            .Append(clean ? " has no obvious style problems and is ready for submission.\n" : " has style problems, please review.\n");
    }

    private static bool HasWhiteSpaceError(CheckedPatch patch)
    {
        foreach (var finding in patch.Findings)
        {
            if (finding.Rule.Id is "TRAILING_WHITESPACE" or "CODE_INDENT")
                return true;
        }
        return false;
    }

    private void Flush()
    {
        output.Write(ByteText.Encode(_text.ToString()));
        _text.Clear();
    }
}
