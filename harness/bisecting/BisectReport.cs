using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Results.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Bisecting;

/// <summary>Tells people and scripts of a search.</summary>
public static class BisectReport
{
    /// <summary>A step, when it is done, on standard error.</summary>
    public static void Tell(Output output, BisectStep step) => output.Error.WriteLine(Harmless.Line(string.Create(
        CultureInfo.InvariantCulture, $"{step.Verdict.ToString().ToLowerInvariant(),-7} {Name(step)} ({step.Left} left){(step.Reason is null ? "" : $": {step.Reason}")}")));

    /// <summary>What came of it.</summary>
    /// <param name="json">For scripts.</param>
    /// <returns>The command's exit code: success when it is certain.</returns>
    public static async Task<int> TellAsync(Output output, BisectResult result, BisectHistory history, bool json, CancellationToken cancellation)
    {
        if (json)
            output.Out.WriteLine(JsonSerializer.Serialize(result, BisectJson.Default.BisectResult));
        else
            await TellPeopleAsync(output, result, history, cancellation);
        return result.Certain ? ExitCode.Success : ExitCode.Failure;
    }

    private static async Task TellPeopleAsync(Output output, BisectResult result, BisectHistory history, CancellationToken cancellation)
    {
        output.Out.WriteLine(result.Candidates.Count == 1 ? $"The first bad {history.Noun} is" : $"The first bad {history.Noun} is one of these; those before the last could not be tried:");
        foreach (var step in result.Candidates)
            output.Out.WriteLine(Harmless.Line($"  {await history.PresentAsync(step, cancellation)}"));
        foreach (var flaky in result.Steps.Where(step => step.Verdict == StepVerdict.Flaky))
            output.Out.WriteLine(Harmless.Line($"Not certain: the repetitions at {Name(flaky)} did not agree; it was taken as bad. More of them (--repeat) tell more."));
        output.Out.WriteLine($"{result.Steps.Count} {history.Noun}s tried");
    }

    /// <summary>A commit has a subject, and needs only the first digits of its name.</summary>
    private static string Name(BisectStep step) => step.Subject.Length > 0 ? $"{step.Name[..12]} {step.Subject}" : step.Name;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(BisectResult))]
internal sealed partial class BisectJson : JsonSerializerContext;
