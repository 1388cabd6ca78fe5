using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Running;

/// <summary>Writes a finished run's reports: HTML always, the others where they were asked for, Markdown where a CI job page wants it.</summary>
internal static class RunReports
{
    /// <summary>GitHub Actions shows what a job appends to the file named by it ("Adding a job summary", GitHub's workflow commands).</summary>
    private const string SummaryVariable = "GITHUB_STEP_SUMMARY";

    private static readonly (string File, Action<RunReport, Stream> Write)[] All =
        [("report.html", HtmlReport.Write), ("junit.xml", JUnitReport.Write), ("results.tap", TapReport.Write), ("results.json", JsonReport.Write), ("summary.md", MarkdownReport.Write)];

    /// <summary>Writes <c>reports/RUN.html</c> beside the store, or for one on a server below the current folder.</summary>
    /// <returns>Its path; null when it could not be written, which is told and changes no verdict.</returns>
    public static string? WriteHtml(ResultStore store, RunReport report, Output output)
    {
        var path = Path.Combine(store.Folder ?? Path.Combine(Environment.CurrentDirectory, "gauntlet-results"), "reports", $"{report.Run.Id}.html");
        return Attempt(output, path, () => WriteFile(path, report, HtmlReport.Write)) ? path : null;
    }

    /// <summary>Every format into a folder, for continuous integration to pick up.</summary>
    /// <exception cref="UserException">The folder cannot be written.</exception>
    public static void WriteAll(string folder, RunReport report)
    {
        foreach (var (file, write) in All)
        {
            var path = Path.Combine(folder, file);
            try
            {
                WriteFile(path, report, write);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UserException($"The report {path} cannot be written: {e.Message}", ExitCode.Environment, e);
            }
        }
    }

    /// <summary>Appends Markdown to the file that the environment names, if it does.</summary>
    public static void AppendJobSummary(RunReport report, Output output)
    {
        if (Environment.GetEnvironmentVariable(SummaryVariable) is not { Length: > 0 } path)
            return;
        Attempt(output, path, () =>
        {
            using var file = new FileStream(path, FileMode.Append);
            MarkdownReport.Write(report, file);
        });
    }

    /// <summary>What changed since a run, or since the latest of a branch.</summary>
    /// <exception cref="UserException">There is no such run and no such branch.</exception>
    public static RunDiff Compare(IStore store, string baseline, Run run)
    {
        var comparer = new RunComparer(store);
        if (comparer.CompareWithBranch(baseline, run) is { } diff)
            return diff;
        return store.FindRun(baseline) is { } before && before.Id != run.Id
            ? comparer.Compare(before, run)
            : throw new UserException($"The baseline '{baseline}' is neither a branch with a run, nor a run, in {store.Location}.");
    }

    private static void WriteFile(string path, RunReport report, Action<RunReport, Stream> write)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var temporary = path + ".new";
        using (var file = File.Create(temporary))
            write(report, file);
        File.Move(temporary, path, overwrite: true);
    }

    private static bool Attempt(Output output, string path, Action write)
    {
        try
        {
            write();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            output.Error.WriteLine($"note: {path} could not be written: {e.Message}");
            return false;
        }
    }
}
