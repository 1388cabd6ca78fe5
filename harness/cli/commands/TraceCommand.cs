using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Tracing;
using Gauntlet.Vmm.Tracing.Analysis;
using Spectre.Console;

namespace Gauntlet.Cli.Commands;

/// <summary><c>gauntlet trace</c>: what a trace of gvmm tells: requests that stay open, writes that overlap, latencies, busy registers.</summary>
public sealed class TraceCommand : ICommandModule
{
    private const int DefaultTop = 10;

    public IEnumerable<Command> CreateCommands(Output output)
    {
        var file = new Argument<string>("file") { Description = "A trace, as gvmm -trace PATTERN,file=FILE writes it" };
        var disk = new Option<string?>("--disk") { Description = "Look for overlapping writes on this disk only", HelpName = "ID" };
        var range = new Option<string?>("--range") { Description = "… and in these bytes of it only, in decimal or 0x", HelpName = "OFFSET+LENGTH" };
        var top = new Option<int>("--top") { Description = "How many of each list", HelpName = "N", DefaultValueFactory = _ => DefaultTop };
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var dump = new Option<bool>("--dump") { Description = "Print every record as a line instead" };
        var command = new Command("trace", "Requests never completed, overlapping disk writes, latencies and busy registers of a trace") { file, disk, range, top, json, dump };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(file)!;
            if (parsed.GetValue(top) is < 1 and var few)
                throw new UserException($"--top {few}: at least 1");
            var (start, bytes) = Range(parsed.GetValue(range));
            var summary = new TraceSummary(new DiskWrites(parsed.GetValue(disk), start, bytes));
            try
            {
                using var stream = File.OpenRead(path);
                var reader = new SimpleTraceReader(stream);
                while (reader.Read() is { } record)
                {
                    if (parsed.GetValue(dump))
                        output.Out.WriteLine(Line(record));
                    summary.Add(record);
                }
                if (reader.IsCut)
                    output.Error.WriteLine($"gauntlet: {path} ends inside a record, as a killed process leaves it");
            }
            catch (TraceFormatException broken)
            {
                throw new UserException($"reading {path}: {broken.Message}", inner: broken);
            }
            catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
            {
                throw new UserException($"reading {path}: there is no such file", inner: missing);
            }
            if (parsed.GetValue(json))
                output.Out.WriteLine(JsonSerializer.Serialize(TraceFindings.Of(summary, parsed.GetValue(top)), TraceJson.Default.TraceFindings));
            else if (!parsed.GetValue(dump))
                Print(output, TraceFindings.Of(summary, parsed.GetValue(top)));
            return ExitCode.Success;
        });
        yield return command
            .WithExample("gauntlet trace /tmp/boot.trace", "all analyses of a trace, written by gvmm -trace '*',file=/tmp/boot.trace")
            .WithExample("gauntlet trace /tmp/boot.trace --disk hd0 --range 0x100000+65536", "writes that overlap in one place of a disk")
            .WithExample("gauntlet trace /tmp/boot.trace --dump", "every record as text");
    }

    private static (ulong Start, ulong Bytes) Range(string? text)
    {
        if (text is null)
            return (0, ulong.MaxValue);
        var plus = text.IndexOf('+', StringComparison.Ordinal);
        return plus > 0 && TryNumber(text[..plus], out var start) && TryNumber(text[(plus + 1)..], out var bytes)
            ? (start, bytes)
            : throw new UserException($"--range {text}: give it as OFFSET+LENGTH, as 0x100000+4096");
    }

    private static bool TryNumber(string text, out ulong number) => text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
        ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static string Line(TraceRecord record)
    {
        var line = new StringBuilder();
        line.Append(CultureInfo.InvariantCulture, $"{record.Process}@{record.Nanoseconds / 1_000_000_000}.{record.Nanoseconds / 1000 % 1_000_000:d6}:");
        if (record.What is { } what)
            what.Append(line, [.. record.Values]);
        else
            line.Append(record.Name);
        return line.ToString();
    }

    private static void Print(Output output, TraceFindings found)
    {
        output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{found.Records} records of {found.Events.Count} events in {found.Seconds:F3} s"));
        Title("virtqueue requests never completed", found.OpenCount, found.Open.Count);
        if (found.Open.Count > 0)
        {
            var table = NewTable("device", "queue", "id", "taken at");
            foreach (var request in found.Open)
                table.AddRow(Markup.Escape(request.Device), Number(request.Queue), Number(request.Id), Seconds(request.Nanoseconds));
            output.Console.Write(table);
        }
        if (found.GivenUp + found.TakenAgain + found.NeverTaken > 0)
            output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {found.GivenUp} given up by a reset, {found.TakenAgain} taken again, {found.NeverTaken} given back but never taken"));
        Title("overlapping disk writes", found.OverlapCount, found.Overlaps.Count);
        if (found.Overlaps.Count > 0)
        {
            var table = NewTable("disk", "first", "second", "at", "");
            foreach (var (first, second, atOnce) in found.Overlaps)
                table.AddRow(Markup.Escape(first.Disk), Extent(first), Extent(second), Seconds(second.Ended), atOnce ? "at once" : "");
            output.Console.Write(table);
        }
        if (found.Latencies.Count > 0)
        {
            Title("latency", found.Latencies.Count, found.Latencies.Count);
            var table = NewTable("device", "requests", "half below", "99 % below", "longest", "µs: below 1, 2, 4, …");
            foreach (var latency in found.Latencies)
                table.AddRow(Markup.Escape(latency.Device), Number(latency.Count), $"{latency.HalfBelowMicroseconds} µs", $"{latency.MostBelowMicroseconds} µs", Milliseconds(latency.LongestNanoseconds), string.Join(' ', latency.Buckets));
            output.Console.Write(table);
        }
        if (found.Registers.Count > 0)
        {
            Title("busiest registers", found.RegisterCount, found.Registers.Count);
            var table = NewTable("device", "register", "reads", "writes");
            foreach (var register in found.Registers)
                table.AddRow(Markup.Escape(register.Device), Markup.Escape(register.Register), Number(register.Reads), Number(register.Writes));
            output.Console.Write(table);
        }

        void Title(string what, long count, int shown) =>
            output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {count}{(shown < count ? $", the first {shown}" : "")}"));
    }

    private static Table NewTable(params string[] columns) => new Table().Border(TableBorder.Simple).AddColumns(columns);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(long nanoseconds) => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e9:F6} s");

    private static string Milliseconds(long nanoseconds) => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e6:F3} ms");

    private static string Extent(DiskWrite write) => string.Create(CultureInfo.InvariantCulture, $"0x{write.Offset:x}+{write.Bytes}");
}

/// <summary>Latencies of one device or disk. Bucket 0 counts those below 1 µs, bucket n those from 2^(n-1) to below 2^n µs; empty ones at the end are left out.</summary>
internal sealed record TraceLatency(string Device, long Count, long HalfBelowMicroseconds, long MostBelowMicroseconds, long LongestNanoseconds, IReadOnlyList<long> Buckets)
{
    public static TraceLatency Of(string device, LatencyHistogram histogram)
    {
        var used = histogram.Buckets.Count;
        while (used > 0 && histogram.Buckets[used - 1] == 0)
            used--;
        return new TraceLatency(device, histogram.Count, histogram.BelowMicroseconds(0.5), histogram.BelowMicroseconds(0.99), histogram.Longest, [.. histogram.Buckets.Take(used)]);
    }
}

/// <summary>What the command prints.</summary>
internal sealed record TraceFindings(
    long Records, double Seconds, IReadOnlyDictionary<string, long> Events, long OpenCount, IReadOnlyList<OpenRequest> Open, long GivenUp, long TakenAgain, long NeverTaken,
    long OverlapCount, IReadOnlyList<WriteOverlap> Overlaps, IReadOnlyList<TraceLatency> Latencies, long RegisterCount, IReadOnlyList<RegisterCount> Registers)
{
    /// <param name="top">So many of each list.</param>
    public static TraceFindings Of(TraceSummary summary, int top)
    {
        var open = summary.Requests.Open;
        var overlaps = summary.Writes.Overlaps(top, out var overlapCount);
        var registers = summary.Registers.ToList();
        var latencies = summary.Requests.Latencies.Concat(summary.DiskLatencies).Select(pair => TraceLatency.Of(pair.Key, pair.Value));
        return new TraceFindings(
            summary.Records, summary.Nanoseconds / 1e9, summary.Events, open.Count, [.. open.Take(top)], summary.Requests.GivenUp, summary.Requests.TakenAgain, summary.Requests.NeverTaken,
            overlapCount, overlaps, [.. latencies], registers.Count, [.. registers.Take(top)]);
    }
}

/// <summary>JSON of the findings.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(TraceFindings))]
internal sealed partial class TraceJson : JsonSerializerContext;
