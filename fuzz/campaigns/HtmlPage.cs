using System.Globalization;
using System.Net;
using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Results.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Campaigns;

/// <summary>
/// One HTML page of an output directory, or of a directory of them: edges, runs a second and finds over time, from <c>plot_data</c>, source lines that runs reached, and the failures. No scripts, nothing
/// loaded from elsewhere.
/// </summary>
public static class HtmlPage
{
    private const int Width = 420, Height = 120, Margin = 4, MostPoints = 400, MostSourceLines = 5_000;

    /// <exception cref="UserException">There is nothing that a fuzzer wrote.</exception>
    public static string Render(string directory)
    {
        List<string> folders = File.Exists(Path.Combine(directory, "plot_data")) ? [directory]
            : Directory.Exists(directory) ? [.. Directory.EnumerateDirectories(directory).Where(folder => File.Exists(Path.Combine(folder, "plot_data"))).Order(StringComparer.Ordinal)]
            : [];
        if (folders.Count == 0)
            throw new UserException($"fuzz report: in {directory} there is no plot_data, nor in a directory of it: `gauntlet fuzz run` writes it");
        var page = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Fuzzing</title><style>")
            .Append("body{font:14px sans-serif;margin:2em;max-width:1400px}h2{margin-bottom:.2em}figure{display:inline-block;margin:0 1em 1em 0}figcaption{color:#555}")
            .Append("svg{background:#f6f6f6}polyline{fill:none;stroke:#06c;stroke-width:1.5}pre{background:#f6f6f6;padding:.5em;overflow:auto}.bad{color:#a00}.in{background:#dfd}.out{background:#fdd}</style></head><body>\n<h1>Fuzzing</h1>\n");
        foreach (var folder in folders)
            Target(page, folder);
        return page.Append("</body></html>\n").ToString();
    }

    private static void Target(StringBuilder page, string folder)
    {
        var rows = File.ReadLines(Path.Combine(folder, "plot_data")).Where(line => !line.StartsWith('#')).Select(Row).OfType<double[]>().ToList();
        var output = new OutputDirectory(folder);
        var last = rows.Count == 0 ? new double[13] : rows[^1];
        page.Append(CultureInfo.InvariantCulture, $"<h2>{Text(Path.GetFileName(Path.GetFullPath(folder)))}</h2>\n<p>{last[12]:0} edges, {last[6]:0.0} %; {last[11]:0} runs, {last[10]:0}/s; ")
            .Append(CultureInfo.InvariantCulture, $"{last[3]:0} inputs kept; <span{(output.Crashes + output.Hangs > 0 ? " class=\"bad\"" : "")}>{output.Crashes} crashes, {output.Hangs} hangs</span></p>\n");
        Plot(page, rows, 12, "edges");
        Plot(page, rows, 10, "runs a second");
        Plot(page, rows, 3, "inputs kept");
        foreach (var source in output.Sources().Where(source => source.Covered.Count + source.Uncovered.Count > 0))
            Source(page, source);
        foreach (var crash in output.Inputs("crashes"))
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"bad\">{Text(Path.GetFileName(crash))}</p><pre>{Text(File.ReadAllText(crash + ".txt"))}</pre>\n");
    }

    // The text, where it is on this machine; else numbers of lines.
    private static void Source(StringBuilder page, SourceFile source)
    {
        page.Append(CultureInfo.InvariantCulture, $"<details><summary>{Text(Path.GetFileName(source.Path))}: {source.Covered.Count} of {source.Covered.Count + source.Uncovered.Count} lines reached</summary><pre>");
        if (!File.Exists(source.Path))
        {
            page.Append(CultureInfo.InvariantCulture, $"not reached: {string.Join(' ', source.Uncovered)}</pre></details>\n");
            return;
        }
        var (covered, uncovered) = (source.Covered.ToHashSet(), source.Uncovered.ToHashSet());
        var number = 0;
        foreach (var line in File.ReadLines(source.Path).Take(MostSourceLines))
        {
            number++;
            var kind = covered.Contains(number) ? " class=\"in\"" : uncovered.Contains(number) ? " class=\"out\"" : "";
            page.Append(CultureInfo.InvariantCulture, $"<span{kind}>{number,4}  {Text(line)}</span>\n");
        }
        page.Append("</pre></details>\n");
    }

    // The columns of AFL's plot_data, numbers only; null for a line that a kill cut off.
    private static double[]? Row(string line)
    {
        var words = line.Split(',', StringSplitOptions.TrimEntries);
        var row = new double[13];
        if (words.Length != row.Length)
            return null;
        for (var i = 0; i < row.Length; i++)
        {
            if (!double.TryParse(words[i].TrimEnd('%'), NumberStyles.Float, CultureInfo.InvariantCulture, out row[i]))
                return null;
        }
        return row;
    }

    private static void Plot(StringBuilder page, List<double[]> rows, int column, string caption)
    {
        // A directory that was gone on from starts its time again.
        var (points, time, offset, before) = (new List<(double X, double Y)>(), 0.0, 0.0, 0.0);
        foreach (var row in rows)
        {
            if (row[0] < before)
                offset = time;
            before = row[0];
            time = offset + row[0];
            points.Add((time, row[column]));
        }
        var step = Math.Max(points.Count / MostPoints, 1);
        var shown = points.Where((_, i) => i % step == 0 || i == points.Count - 1).ToList();
        var (longest, most) = (Math.Max(time, 1), Math.Max(points.Count == 0 ? 1 : points.Max(point => point.Y), 1));
        page.Append(CultureInfo.InvariantCulture, $"<figure><svg width=\"{Width}\" height=\"{Height}\" role=\"img\" aria-label=\"{caption} over time\"><polyline points=\"");
        foreach (var (x, y) in shown)
            page.Append(CultureInfo.InvariantCulture, $"{Margin + x / longest * (Width - 2 * Margin):0.0},{Height - Margin - y / most * (Height - 2 * Margin):0.0} ");
        page.Append(CultureInfo.InvariantCulture, $"\"/></svg><figcaption>{caption}: up to {most:0} in {longest:0} s</figcaption></figure>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(Harmless.Lines(text));
}
