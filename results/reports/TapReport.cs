using System.Text;
using System.Text.Json;
using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>
/// TAP 14 (testanything.org, tap-version-14-specification): a test point for each job, with the guest's own result lines as its subtests. Known failures
/// are TODO; infra errors, which do not count, are SKIP.
/// </summary>
public static class TapReport
{
    private const string SubtestIndent = "    ";

    public static void Write(RunReport report, Stream target)
    {
        using var writer = new StreamWriter(target, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        writer.WriteLine("TAP version 14");
        writer.WriteLine($"1..{report.Results.Count}{(report.Results.Count == 0 ? " # SKIP the run has no results" : "")}");
        for (var i = 0; i < report.Results.Count; i++)
            WriteJob(writer, i + 1, report.Results[i]);
    }

    private static void WriteJob(StreamWriter writer, int number, JobResult result)
    {
        var name = $"{result.Job.Suite}/{RunReport.NameOf(result.Job)} @ {result.Job.Cell}";
        var last = result.Attempts.Count > 0 ? result.Attempts[^1] : null;
        if (last is { Subtests.Count: > 0 })
        {
            // "# Subtest" is a comment: it shows the name, but what it says counts for nothing.
            writer.WriteLine($"{SubtestIndent}# Subtest: {Escape(name)}");
            writer.WriteLine($"{SubtestIndent}1..{last.Subtests.Count}");
            for (var i = 0; i < last.Subtests.Count; i++)
                writer.WriteLine(SubtestIndent + Point(last.Subtests[i].Verdict, i + 1, last.Subtests[i].Name, last.Subtests[i].Detail));
        }

        writer.WriteLine(Point(result.Verdict, number, name, result.Reason));
        if (result.Verdict.IsFailure() || result.Flaky)
            WriteDiagnostics(writer, result, last);
    }

    /// <summary>YAML between <c>---</c> and <c>...</c>; JSON strings are YAML.</summary>
    private static void WriteDiagnostics(StreamWriter writer, JobResult result, Attempt? last)
    {
        writer.WriteLine("  ---");
        writer.WriteLine($"  verdict: {result.Verdict.Name()}");
        if (result.Reason is not null)
            writer.WriteLine($"  message: {JsonSerializer.Serialize(Harmless.Line(result.Reason))}");
        if (result.Flaky)
            writer.WriteLine("  flaky: true");
        if (last is not null)
        {
            writer.WriteLine($"  duration_ms: {(long)(last.WallSeconds * 1000)}");
            writer.WriteLine($"  command: {JsonSerializer.Serialize(ShellCommand.Of(last))}");
        }

        writer.WriteLine("  ...");
    }

    private static string Point(Verdict verdict, int number, string name, string? reason)
    {
        var directive = verdict switch
        {
            Verdict.Skip => "SKIP " + Reason(reason, "no reason given"),
            Verdict.InfraError => "SKIP infra-error: " + Reason(reason, "no reason given"),
            Verdict.KnownFail => "TODO " + Reason(reason, "known to fail"),
            _ => null,
        };
        var ok = verdict is Verdict.Pass or Verdict.Skip or Verdict.InfraError ? "ok" : "not ok";
        return $"{ok} {number} - {Escape(name)}{(directive is null ? "" : " # " + directive)}".TrimEnd();
    }

    private static string Reason(string? reason, string otherwise) => Escape(string.IsNullOrWhiteSpace(reason) ? otherwise : reason);

    /// <summary>A description holds no line end, and <c>\</c> and <c>#</c> only escaped.</summary>
    private static string Escape(string text) => Harmless.Line(text).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("#", "\\#", StringComparison.Ordinal);
}
