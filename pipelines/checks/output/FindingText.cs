using System.Text;
using Gauntlet.Pipelines.Checks.Rules;

namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>A finding in checkpatch's words: message, place, and the lines it is about.</summary>
internal static class FindingText
{
    /// <summary>Appends the lines beneath the message, as checkpatch has them: the last of them is empty.</summary>
    public static void AppendExcerpt(StringBuilder output, CheckedPatch patch, in Finding finding)
    {
        if (finding.Excerpt == Excerpt.Bare)
            return;
        if (finding.Excerpt == Excerpt.None)
        {
            output.Append('\n');
            return;
        }
        output.Append('#').Append(patch.WholeFile ? finding.FileLine : finding.PatchLine).Append(": ");
        if (finding.Excerpt == Excerpt.Place)
        {
            output.Append("FILE: ").Append(finding.File).Append("\n\n");
            return;
        }
        if (finding.FileLine != 0)
            output.Append("FILE: ").Append(finding.File).Append(':').Append(finding.FileLine).Append(':');
        output.Append('\n');
        var line = patch.Lines[finding.PatchLine - 1];
        switch (finding.Excerpt)
        {
            case Excerpt.Line:
                output.Append(line).Append('\n');
                break;
            case Excerpt.PreviousLine:
                output.Append(patch.Lines[finding.Argument]).Append('\n').Append(line).Append('\n');
                break;
            case Excerpt.Visible:
                AppendVisible(output, line);
                output.Append('\n');
                break;
            case Excerpt.Pointer:
                output.Append(line).Append('\n');
                foreach (var c in line[..Math.Min(finding.Argument, line.Length)])
                    output.Append(c == '\t' ? '\t' : ' ');
                output.Append("^\n");
                break;
            case Excerpt.Text:
                output.Append(finding.Text);
                break;
        }
        output.Append('\n');
    }

    /// <summary>Control characters as <c>^X</c>, the line's end as <c>$</c>.</summary>
    private static void AppendVisible(StringBuilder output, ReadOnlySpan<char> line)
    {
        foreach (var c in line)
        {
            if (c is < ' ' or '\x7F')
                output.Append('^').Append((char)((c + 64) & 0xFF));
            else
                output.Append(c);
        }
        output.Append('$');
    }

    /// <summary>The message's first line.</summary>
    public static ReadOnlySpan<char> FirstLine(ReadOnlySpan<char> message)
    {
        var end = message.IndexOf('\n');
        return end < 0 ? message : message[..end];
    }
}
