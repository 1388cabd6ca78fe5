using System.Diagnostics;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Gauntlet.Cli.Testing;

/// <summary>What one test project came to.</summary>
/// <param name="Name">Project's name.</param>
/// <param name="ExitStatus">Of <c>dotnet test</c>; 0 when nothing failed.</param>
/// <param name="Passed">Tests; likewise the next two.</param>
/// <param name="Failed">Tests.</param>
/// <param name="Skipped">Tests.</param>
/// <param name="Counted">The closing line with the counts came; without it the project counts as failed.</param>
/// <param name="SkipReasons">Each reason with the number of tests that gave it.</param>
public sealed record TestProjectResult(
    string Name, int ExitStatus, int Passed, int Failed, int Skipped, bool Counted, IReadOnlyDictionary<string, int> SkipReasons)
{
    public bool Green => ExitStatus == 0 && Counted && Failed == 0;
}

/// <summary>Runs one built test project through <c>dotnet test</c>.</summary>
public static partial class TestProjectRun
{
    /// <summary>Runs it, passing each line that it prints to <paramref name="line"/> as it comes.</summary>
    public static async Task<TestProjectResult> RunAsync(string project, string? filter, string resultsFolder, Action<string> line, CancellationToken cancellation)
    {
        var name = Path.GetFileNameWithoutExtension(project);
        var trx = Path.Combine(resultsFolder, name + ".trx");
        File.Delete(trx);
        List<string> arguments =
        [
            "test", project, "--no-build", "--nologo", "--results-directory", resultsFolder,
            "--logger", "console;verbosity=minimal", "--logger", $"trx;LogFileName={name}.trx",
        ];
        if (filter is not null)
            arguments.AddRange(["--filter", filter]);

        Match? counts = null;
        var status = await DotnetCommand.RunAsync(arguments, text =>
        {
            if (ClosingLine().Match(text) is { Success: true } match)
                counts = match;
            line(text);
        }, cancellation);

        return new TestProjectResult(name, status, Count("passed"), Count("failed"), Count("skipped"), counts is not null, SkipReasons(trx));

        int Count(string group) => counts is null ? 0 : int.Parse(counts.Groups[group].ValueSpan);
    }

    private static IReadOnlyDictionary<string, int> SkipReasons(string trx)
    {
        if (!File.Exists(trx))
            return new Dictionary<string, int>();
        return XDocument.Load(trx).Descendants()
            .Where(element => element.Name.LocalName == "UnitTestResult" && (string?)element.Attribute("outcome") == "NotExecuted")
            .Select(element => element.Descendants().FirstOrDefault(inner => inner.Name.LocalName is "Message" or "StdOut")?.Value.Trim() ?? "no reason given")
            .GroupBy(reason => reason)
            .ToDictionary(group => group.Key, group => group.Count());
    }

    [GeneratedRegex(@"^(Passed|Failed|Skipped)!\s+- Failed:\s*(?<failed>\d+), Passed:\s*(?<passed>\d+), Skipped:\s*(?<skipped>\d+), Total:\s*\d+")]
    private static partial Regex ClosingLine();
}

/// <summary>The SDK's command line, as a child process.</summary>
public static class DotnetCommand
{
    /// <summary>Runs <c>dotnet ARGUMENTS</c>; both its streams reach <paramref name="line"/>, one call at a time.</summary>
    public static async Task<int> RunAsync(IEnumerable<string> arguments, Action<string> line, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            Environment = { ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1", ["MSBUILDTERMINALLOGGER"] = "off" },
        };
        using var process = Process.Start(start) ?? throw new IOException("starting dotnet: it did not start");
        process.StandardInput.Close();
        var gate = new Lock();
        process.OutputDataReceived += (_, received) => Pass(received.Data);
        process.ErrorDataReceived += (_, received) => Pass(received.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return process.ExitCode;

        void Pass(string? text)
        {
            if (text is null)
                return;
            lock (gate)
                line(text);
        }
    }
}
