using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary>Prints one result in full.</summary>
internal static class ResultPrinter
{
    /// <param name="number">Only this attempt; null: all.</param>
    /// <param name="allSubtests">Passing ones too.</param>
    public static void Print(Output output, JobResult result, int? number, bool allSubtests)
    {
        output.Out.WriteLine($"{VerdictText.Of(output, result.Verdict)}  {Harmless.Line(result.Job.Key)}{(result.Job.Repetition > 1 ? $" #{result.Job.Repetition}" : "")}{(result.Flaky ? " (flaky: its attempts did not agree)" : "")}");
        if (result.Reason is not null)
            output.Out.WriteLine($"  {Harmless.Line(result.Reason)}");
        if (result.Job.Groups.Count > 0)
            output.Out.WriteLine($"  groups: {Harmless.Line(string.Join(", ", result.Job.Groups))}");
        foreach (var attempt in result.Attempts.Where(a => number is null || a.Number == number))
            Print(output, attempt, result.Attempts.Count, allSubtests);
        output.Out.WriteLine();
    }

    private static void Print(Output output, Attempt attempt, int count, bool allSubtests)
    {
        if (count > 1)
        {
            output.Out.WriteLine($"  attempt {attempt.Number} of {count}: {VerdictText.Of(output, attempt.Verdict)}");
            if (attempt.Reason is not null)
                output.Out.WriteLine($"    {Harmless.Line(attempt.Reason)}");
        }

        foreach (var (name, value) in HtmlReportData.Facts(attempt))
            output.Out.WriteLine($"  {Harmless.Line(name)}: {Harmless.Line(value)}");
        if (attempt.Subtests.Count > 0)
        {
            output.Out.WriteLine($"  subtests: {new VerdictCounts(attempt.Subtests.Select(s => s.Verdict))}");
            foreach (var subtest in attempt.Subtests.Where(s => allSubtests || s.Verdict != Verdict.Pass))
                output.Out.WriteLine($"    {VerdictText.Symbol(output, subtest.Verdict)} {Harmless.Line(subtest.Name)}{(string.IsNullOrEmpty(subtest.Detail) ? "" : ": " + Harmless.Line(subtest.Detail))}");
        }

        if (attempt.Artifacts.Count > 0)
            output.Out.WriteLine($"  artifacts: {string.Join(", ", attempt.Artifacts.Select(a => $"{Harmless.Line(a.Name)} ({Quantity.Bytes(a.Length)}{(a.Truncated ? ", cut" : "")})"))}");
        output.Out.WriteLine("  to repeat by hand:");

        // On a line of its own from its first column, so that a triple click takes it.
        output.Out.WriteLine(ShellCommand.Of(attempt));
    }
}

/// <summary>A verdict on the terminal.</summary>
internal static class VerdictText
{
    public static string Of(Output output, Verdict verdict) => TextTable.Styled(output, $"{verdict.Symbol()} {verdict.Name()}", verdict.Style());

    public static string Symbol(Output output, Verdict verdict) => TextTable.Styled(output, verdict.Symbol(), verdict.Style());
}
