using Gauntlet.Results.Records;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Results.Reports;

/// <summary>
/// Prints a run's results as a compact grid: suites down, cells across; turned when that is too wide, and as a list when both are. Colours on a
/// terminal, the same symbols and counts in plain text.
/// </summary>
public static class GridRenderer
{
    /// <summary>Characters between two columns, borders included.</summary>
    private const int ColumnGap = 3;

    /// <summary>Prints the grid with a line that explains its symbols and sums up.</summary>
    public static void Render(Output output, IEnumerable<JobResult> results)
    {
        var grid = new ResultGrid(results);
        if (grid.Total.Total == 0)
        {
            output.Out.WriteLine("no results");
            return;
        }

        var rows = grid.Suites.Select(suite => Harmless.Line(suite)).ToList();
        var columns = grid.Cells.Select(cell => Harmless.Line(cell.ToString())).ToList();
        VerdictCounts? Field(int row, int column) => grid[grid.Suites[row], grid.Cells[column]];

        if (WidthOf(rows, columns, Field) <= output.Console.Profile.Width)
            RenderTable(output, "suite", rows, columns, Field);
        else if (WidthOf(columns, rows, (row, column) => Field(column, row)) <= output.Console.Profile.Width)
            RenderTable(output, "cell", columns, rows, (row, column) => Field(column, row));
        else
            RenderList(output, rows, columns, Field);
        RenderLegend(output, grid);
    }

    private static void RenderTable(Output output, string corner, List<string> rows, List<string> columns, Func<int, int, VerdictCounts?> field)
    {
        if (!output.Live)
        {
            var widths = columns.Select((column, c) => Math.Max(column.Length, rows.Select((_, r) => Text(field(r, c)).Length).Max())).ToList();
            var first = Math.Max(corner.Length, rows.Max(row => row.Length));
            output.Out.WriteLine(string.Join("   ", columns.Select((column, c) => column.PadRight(widths[c])).Prepend(corner.PadRight(first))).TrimEnd());
            for (var r = 0; r < rows.Count; r++)
                output.Out.WriteLine(string.Join("   ", columns.Select((_, c) => Text(field(r, c)).PadRight(widths[c])).Prepend(rows[r].PadRight(first))).TrimEnd());
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).BorderColor(Color.Grey);
        table.AddColumn(new TableColumn($"[grey]{corner}[/]").NoWrap());
        foreach (var column in columns)
            table.AddColumn(new TableColumn(Markup.Escape(column)).NoWrap());
        for (var r = 0; r < rows.Count; r++)
        {
            var cells = new List<string> { Markup.Escape(rows[r]) };
            for (var c = 0; c < columns.Count; c++)
                cells.Add(Coloured(field(r, c)));
            table.AddRow(cells.ToArray());
        }

        output.Console.Write(table);
    }

    private static void RenderList(Output output, List<string> rows, List<string> columns, Func<int, int, VerdictCounts?> field)
    {
        for (var c = 0; c < columns.Count; c++)
        {
            output.Out.WriteLine(columns[c]);
            for (var r = 0; r < rows.Count; r++)
            {
                if (field(r, c) is not { } counts)
                    continue;
                if (output.Live)
                    output.Console.MarkupLine($"  {Markup.Escape(rows[r])}  {Coloured(counts)}");
                else
                    output.Out.WriteLine($"  {rows[r]}  {Text(counts)}");
            }
        }
    }

    private static void RenderLegend(Output output, ResultGrid grid)
    {
        var flaky = grid.Flaky > 0 ? $"; {grid.Flaky} flaky" : "";
        if (output.Live)
            output.Console.MarkupLine(string.Join("   ", grid.Total.Present.Select(p => $"[{p.Verdict.Style()}]{p.Verdict.Symbol()} {p.Count} {p.Verdict.Name()}[/]")) + flaky);
        else
            output.Out.WriteLine($"{string.Join("   ", grid.Total.Present.Select(p => $"{p.Verdict.Symbol()} {p.Count} {p.Verdict.Name()}"))}{flaky}");
    }

    private static int WidthOf(List<string> rows, List<string> columns, Func<int, int, VerdictCounts?> field) =>
        1 + ColumnGap + rows.Max(row => row.Length)
        + columns.Select((column, c) => ColumnGap + Math.Max(column.Length, rows.Select((_, r) => Text(field(r, c)).Length).Max())).Sum();

    private static string Text(VerdictCounts? counts) => counts is null ? "" : string.Join(' ', counts.Present.Select(p => $"{p.Verdict.Symbol()}{p.Count}"));

    private static string Coloured(VerdictCounts? counts) =>
        counts is null ? "" : string.Join(' ', counts.Present.Select(p => $"[{p.Verdict.Style()}]{p.Verdict.Symbol()}{p.Count}[/]"));
}
