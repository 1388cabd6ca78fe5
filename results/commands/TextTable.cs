using Gauntlet.Results.Reports;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Results.Commands;

/// <summary>Columns of text, the same with and without colours. Texts are made harmless here.</summary>
internal sealed class TextTable
{
    private const string Gap = "  ";

    private readonly List<(string Text, string? Style)[]> rows = [];

    public TextTable(params string[] header) => rows.Add(header.Select(text => (text, (string?)"grey")).ToArray());

    public void Add(params (string Text, string? Style)[] cells) => rows.Add(cells.Select(cell => (Harmless.Line(cell.Text), cell.Style)).ToArray());

    public void Write(Output output)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Text.Length)).ToArray();
        foreach (var row in rows)
        {
            // Not through the console's own layout: a line stays a line, for grep and for a narrow terminal alike.
            for (var column = 0; column < row.Length; column++)
            {
                var (text, style) = row[column];
                var padded = column == row.Length - 1 ? text : text.PadRight(widths[column]) + Gap;
                output.Out.Write(style is null || !output.Live ? padded : Styled(output, padded, style));
            }

            output.Out.WriteLine();
        }
    }

    /// <summary>The text in a style of Spectre.Console, without its line breaking.</summary>
    public static string Styled(Output output, string text, string style)
    {
        if (!output.Live)
            return text;
        var writer = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = output.Console.Profile.Capabilities.Ansi ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = output.Console.Profile.Capabilities.ColorSystem == ColorSystem.NoColors ? ColorSystemSupport.NoColors : ColorSystemSupport.Standard,
        });
        console.Profile.Width = int.MaxValue / 2;
        console.Write(new Text(text, Style.Parse(style)) { Overflow = Overflow.Ellipsis });
        return writer.ToString();
    }
}
