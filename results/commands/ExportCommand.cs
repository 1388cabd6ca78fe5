using System.CommandLine;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results export</c>.</summary>
internal static class ExportCommand
{
    private static readonly Dictionary<string, Action<RunReport, Stream>> Formats = new(StringComparer.Ordinal)
    {
        ["html"] = HtmlReport.Write,
        ["junit"] = JUnitReport.Write,
        ["tap"] = TapReport.Write,
        ["json"] = JsonReport.Write,
        ["markdown"] = MarkdownReport.Write,
    };

    public static Command Create(Output output, StoreOption storeOption)
    {
        var run = storeOption.RunArgument();
        var format = new Option<string?>("--format", "-f") { Description = "html, junit, tap, json or markdown (default: by the file's name)", HelpName = "FORMAT" };
        format.CompletionSources.Add(Formats.Keys.ToArray());
        var file = new Option<string?>("--output", "-o") { Description = "File to write; -: standard output", HelpName = "FILE" };
        var baseline = storeOption.BranchOption("--baseline", "With what changed against this branch (html, json, markdown)");
        var against = new Option<string?>("--against") { Description = "With what changed against this run", HelpName = "RUN" };
        var command = new Command("export", "A run as a file for people, CI systems or other programs") { run, format, file, baseline, against };
        command.SetAction(parsed =>
        {
            var target = parsed.GetValue(file) ?? "-";
            var name = parsed.GetValue(format) ?? ByName(target);
            if (!Formats.TryGetValue(name, out var write))
                throw new UserException($"There is no format '{name}'; there are {string.Join(", ", Formats.Keys)}.");
            if (parsed.GetValue(baseline) is not null && parsed.GetValue(against) is not null)
                throw new UserException("Give --baseline or --against, not both.");

            using var store = storeOption.Open(parsed);
            var found = StoreOption.Find(store, parsed.GetValue(run)!);
            RunDiff? diff = null;
            if (parsed.GetValue(baseline) is { } branch)
                diff = DiffCommand.Compare(store, [found.Id], branch);
            else if (parsed.GetValue(against) is { } other)
                diff = DiffCommand.Compare(store, [other, found.Id], null);
            var report = RunReport.Load(store, found, diff);
            if (target == "-")
            {
                CommandJson.WriteBytes(output.Out, stream => write(report, stream));
                return ExitCode.Success;
            }

            using var stream = CreateFile(target);
            write(report, stream);
            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results export -o report.html", "the newest run as a page of its own")
            .WithExample("gauntlet results export latest --format junit -o results.xml", "for a CI system")
            .WithExample("gauntlet results export --baseline main -f markdown >> \"$GITHUB_STEP_SUMMARY\"", "for a job's page");
    }

    /// <exception cref="UserException">It cannot be made.</exception>
    internal static FileStream CreateFile(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Create, FileAccess.Write);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserException($"Cannot write {path}: {e.Message}", inner: e);
        }
    }

    private static string ByName(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".html" or ".htm" => "html",
        ".xml" => "junit",
        ".tap" => "tap",
        ".json" => "json",
        ".md" => "markdown",
        _ => throw new UserException($"In which format? Give --format: {string.Join(", ", Formats.Keys)}."),
    };
}
