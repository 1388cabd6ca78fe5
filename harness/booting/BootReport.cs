using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Harness.Measuring;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Harness.Booting;

/// <summary>All boots of one VMM.</summary>
/// <param name="Vmm">As asked for.</param>
/// <param name="Version">As it says itself; null: not known.</param>
/// <param name="CommandLine">What a person would type.</param>
/// <param name="Boots">One after the other.</param>
/// <param name="Together">Those of <c>--instances</c>.</param>
public sealed record BootSeries(string Vmm, string? Version, IReadOnlyList<string> CommandLine, IReadOnlyList<BootRecord> Boots, IReadOnlyList<BootRecord> Together)
{
    /// <summary>Of the boots that came to the marker; null: none has it.</summary>
    public double? Median(Func<BootRecord, double?> value) => MedianOf(Boots.Where(boot => boot.Outcome == BootOutcome.Booted).Select(value));

    /// <summary>Of the guests that ran at once.</summary>
    public double? MedianTogether(Func<ProcessMemory, double> value) => MedianOf(Together.Select(boot => boot.Memory is { } memory ? value(memory) : (double?)null));

    private static double? MedianOf(IEnumerable<double?> values)
    {
        var sorted = values.OfType<double>().Order().ToList();
        return sorted.Count == 0 ? null : (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }
}

/// <summary>What <c>gauntlet boot --json</c> prints. Times in milliseconds, memory in bytes.</summary>
internal sealed record BootReport(int Schema, string Kernel, IReadOnlyList<BootSeries> Series)
{
    private const double MiB = 1 << 20;

    /// <summary>Rows of the table: what, of which value, in what unit.</summary>
    private static readonly (string Name, Func<BootSeries, double?> Value, string Unit)[] s_rows =
    [
        ("first console byte", series => series.Median(boot => boot.Timeline.FirstByte), "ms"),
        ("kernel entry", series => series.Median(boot => boot.Timeline.Kernel), "ms"),
        ("user space", series => series.Median(boot => boot.Timeline.UserSpace), "ms"),
        ("marker", series => series.Median(boot => boot.Timeline.Marker), "ms"),
        ("power-off", series => series.Median(boot => boot.Timeline.PowerOff), "ms"),
        ("end of the process", series => series.Median(boot => boot.Timeline.End), "ms"),
        ("CPU time to the marker", series => series.Median(boot => boot.CpuAtMarkerMs), "ms"),
        ("CPU time", series => series.Median(boot => boot.CpuMs), "ms"),
        ("USS at the marker", series => series.Median(boot => boot.Memory?.UssBytes / MiB), "MiB"),
        ("PSS at the marker", series => series.Median(boot => boot.Memory?.PssBytes / MiB), "MiB"),
        ("USS each, at once", series => series.MedianTogether(memory => memory.UssBytes / MiB), "MiB"),
        ("PSS each, at once", series => series.MedianTogether(memory => memory.PssBytes / MiB), "MiB"),
    ];

    public void Print(Output output)
    {
        output.Out.WriteLine($"kernel: {Kernel}");
        foreach (var series in Series)
            output.Out.WriteLine($"{series.Vmm}: {string.Join(' ', series.CommandLine.Select(Results.Reports.ShellCommand.Quote))}");
        var table = new Table().Border(TableBorder.Simple).AddColumn(Series[0].Boots.Count > 1 ? $"median of {Series[0].Boots.Count}" : "from the start of the process");
        foreach (var series in Series)
            table.AddColumn(new TableColumn(Markup.Escape(series.Version is null ? series.Vmm : $"{series.Vmm} ({series.Version})")).RightAligned());
        if (Series.Count == 2)
            table.AddColumn(new TableColumn("ratio").RightAligned());
        foreach (var (name, value, unit) in s_rows)
        {
            var values = Series.Select(value).ToList();
            if (values.TrueForAll(number => number is null))
                continue;
            var cells = values.Select(number => number is null ? "–" : string.Create(CultureInfo.InvariantCulture, $"{number:0.0} {unit}"));
            var ratio = Series.Count < 2 ? [] : new[] { values[0] > 0 && values[1] is { } second ? string.Create(CultureInfo.InvariantCulture, $"{second / values[0]:0.00}") : "–" };
            table.AddRow([name, .. cells, .. ratio]);
        }
        output.Console.Write(table);
        foreach (var series in Series)
        {
            foreach (var failed in series.Boots.Concat(series.Together).Where(boot => boot.Outcome != BootOutcome.Booted))
                output.Out.WriteLine(Results.Reports.Harmless.Line($"{series.Vmm}: {failed.Reason}") + Environment.NewLine + Indented(failed.ConsoleTail));
        }
    }

    public string ToJson() => JsonSerializer.Serialize(this, BootJson.Default.BootReport);

    private static string Indented(string text) => string.Concat(text.Split('\n').Select(line => $"  | {Results.Reports.Harmless.Line(line)}{Environment.NewLine}"));
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(BootReport))]
internal sealed partial class BootJson : JsonSerializerContext;
