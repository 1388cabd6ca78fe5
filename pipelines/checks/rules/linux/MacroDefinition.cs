using System.Text;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>A macro's definition, read over its continuation lines.</summary>
internal sealed class MacroDefinition
{
    private MacroDefinition(string text, string[] parameters, bool hasParameters, string body)
    {
        Text = text;
        Parameters = parameters;
        HasParameters = hasParameters;
        Body = body;
    }

    /// <summary>All of it with the markers of its lines, strings and comments blanked, without the last line's end.</summary>
    public string Text { get; }

    /// <summary>Names of the parameters, as they are written.</summary>
    public IReadOnlyList<string> Parameters { get; }

    /// <summary>Parentheses follow the name at once.</summary>
    public bool HasParameters { get; }

    /// <summary>What the name and parameters stand for.</summary>
    public string Body { get; }

    /// <summary>The lines as they are in the patch.</summary>
    public string Shown(PatchScan scan) => scan.RawLines(1 + Text.AsSpan().Count('\n'));

    /// <summary>Whether a line begins a definition; its name's position.</summary>
    public static bool BeginsOn(ReadOnlySpan<char> line, out int name)
    {
        var end = Directives.EndOfNamed(line, "define");
        name = end < 0 ? -1 : Scan.SkipSpace(line, end);
        return name > end && name < line.Length && Scan.IsIdentifierStart(line[name]);
    }

    /// <summary>Reads the definition that begins on the scan's line; null when none does.</summary>
    public static MacroDefinition? Read(PatchScan scan)
    {
        if (!BeginsOn(scan.Line, out var name))
            return null;
        var text = scan.Statements.DirectiveAt(scan.Number, scan.Remaining).ToString();
        var end = Scan.IdentifierEnd(text, name);
        if (end < 0)
            return null;
        var hasParameters = end < text.Length && text[end] == '(';
        string[] parameters = [];
        if (hasParameters && text.IndexOf(')', end) is > 0 and var close)
        {
            parameters = Names(text.AsSpan((end + 1)..close));
            end = close + 1;
        }
        return new MacroDefinition(text, parameters, hasParameters, text[Scan.SkipSpace(text, end)..]);
    }

    private static string[] Names(ReadOnlySpan<char> parameters)
    {
        var names = new StringBuilder(parameters.Length);
        for (var at = 0; at < parameters.Length; at++)
        {
            if (parameters[at] == '\\')
            {
                // A continuation, with the next line's marker.
                var next = Scan.SkipSpace(parameters, at + 1);
                at = next < parameters.Length && parameters[next] == '+' ? next : next - 1;
            }
            else if (!Scan.IsSpace(parameters[at]))
            {
                names.Append(parameters[at]);
            }
        }
        return names.ToString().Split(',', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The body without comments, continuations joined with the markers of their lines dropped.</summary>
    public string Joined()
    {
        var joined = new StringBuilder(Body.Length);
        for (var at = 0; at < Body.Length; at++)
        {
            if (Body[at] == '\\' && at + 2 < Body.Length && Body[at + 1] == '\n')
                at += 2;
            else if (Body[at] != CleanText.Comment)
                joined.Append(Body[at]);
        }
        return Scan.Trim(joined.ToString()).ToString();
    }
}
