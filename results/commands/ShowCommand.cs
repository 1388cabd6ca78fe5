using System.CommandLine;
using System.Text.Json;
using Gauntlet.Results.Records;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results show</c>: a run, or single results of it.</summary>
internal static class ShowCommand
{
    /// <summary>Results that are shown in full; more are listed.</summary>
    private const int MaxInFull = 10;

    private const string Console = "console.log";

    public static Command Create(Output output, StoreOption storeOption)
    {
        var run = storeOption.RunArgument();
        var job = new Argument<string?>("job") { Description = JobPattern.Help, DefaultValueFactory = _ => null };
        storeOption.CompleteJobs(job);
        var attempt = new Option<int?>("--attempt") { Description = "Only this attempt, from 1 (default: all; of artifacts the last)", HelpName = "N" };
        var console = new Option<bool>("--console") { Description = "Print the console, with control characters made visible" };
        var artifact = new Option<string?>("--artifact") { Description = "Print this artifact: console.log, stderr.log, qmp.log, registers.txt …", HelpName = "NAME" };
        artifact.CompletionSources.Add(Console, "stderr.log", "qmp.log", "registers.txt");
        var save = new Option<string?>("--save") { Description = "Write the artifact's bytes as they are to a file instead", HelpName = "FILE" };
        var subtests = new Option<bool>("--subtests") { Description = "List all subtests, also those that passed" };
        var json = StoreOption.JsonOption();
        var command = new Command("show", "A run, or a case of it with the command line that repeats it") { run, job, attempt, console, artifact, save, subtests, json };
        command.SetAction(parsed =>
        {
            using var store = storeOption.Open(parsed);
            var found = StoreOption.Find(store, parsed.GetValue(run)!);
            if (parsed.GetValue(job) is not { } pattern)
            {
                if (parsed.GetValue(console) || parsed.GetValue(artifact) is not null)
                    throw new UserException("Which job's? Name it after the run: `gauntlet results show latest CASE --console`.");
                return ShowRun(output, RunReport.Load(store, found), parsed.GetValue(json));
            }

            var results = Matching(store, found, pattern);
            var name = parsed.GetValue(artifact) ?? (parsed.GetValue(console) || parsed.GetValue(save) is not null ? Console : null);
            if (name is not null)
                return PrintArtifact(output, store, results, name, parsed.GetValue(attempt), parsed.GetValue(save));
            if (parsed.GetValue(json))
            {
                CommandJson.WriteBytes(output.Out, stream => WriteJson(stream, results));
                return ExitCode.Success;
            }

            if (results.Count > MaxInFull)
            {
                foreach (var result in results)
                    output.Out.WriteLine($"{VerdictText.Of(output, result.Verdict)}  {Harmless.Line(result.Job.Key)}");
                output.Out.WriteLine($"{results.Count} results; up to {MaxInFull} are shown in full.");
                return ExitCode.Success;
            }

            foreach (var result in results)
                ResultPrinter.Print(output, result, parsed.GetValue(attempt), parsed.GetValue(subtests));
            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results show", "the newest run")
            .WithExample("gauntlet results show latest paging", "a case: verdict, reason, subtests, how to repeat it")
            .WithExample("gauntlet results show 20261120-2315 'cpu/* @ qemu/kvm/*'", "all that match, in an older run")
            .WithExample("gauntlet results show latest paging --console", "what its guest said")
            .WithExample("gauntlet results show latest paging --artifact qmp.log --save qmp.log", "a file of it, byte for byte");
    }

    private static List<JobResult> Matching(ResultStore store, Run run, string pattern)
    {
        var all = store.GetResults(run.Id).ToList();
        var exact = all.FindAll(result => result.Job.Key == pattern);
        var matching = exact.Count > 0 ? exact : all.FindAll(result => JobPattern.Matches(pattern, result.Job.Suite, result.Job.Case, result.Job.Key));
        if (matching.Count > 0)
            return matching;
        var announced = store.GetJobs(run.Id).Where(job => JobPattern.Matches(pattern, job.Suite, job.Case, job.Key)).ToList();
        throw new UserException(announced.Count > 0
            ? $"The run {run.Id} has no result of {JobPattern.Some(announced.Select(job => job.Key))} yet."
            : $"The run {run.Id} has no job that '{Harmless.Line(pattern)}' names; it has {all.Count} results{(all.Count > 0 ? ", " + JobPattern.Some(all.Select(r => r.Job.Key), 3) + " among them" : "")}.");
    }

    private static int ShowRun(Output output, RunReport report, bool json)
    {
        if (json)
        {
            CommandJson.WriteBytes(output.Out, stream => JsonReport.Write(report, stream));
            return ExitCode.Success;
        }

        var run = report.Run;
        output.Out.WriteLine($"run {run.Id}, {run.State.ToString().ToLowerInvariant()}: {MarkdownReport.Headline(report)}");
        output.Out.WriteLine($"  {Quantity.Instant(run.StartedUtc)}{(run.FinishedUtc is { } end ? $", took {Quantity.Seconds(Math.Max(0, (end - run.StartedUtc).TotalSeconds))}" : "")}");
        output.Out.WriteLine($"  {Harmless.Line(run.CommandLine)}");
        if (run.Branch is not null || run.Revision is not null)
            output.Out.WriteLine($"  {Harmless.Line(string.Join(" at ", new[] { run.Branch, run.Revision }.OfType<string>()))}");
        foreach (var (name, value) in run.Host)
            output.Out.WriteLine($"  {Harmless.Line(name)}: {Harmless.Line(value)}");
        if (report.Results.Count < run.JobCount)
            output.Out.WriteLine($"  {report.Results.Count} of {run.JobCount} jobs have a result{(run.State is RunState.Interrupted or RunState.Cancelled ? $"; `gauntlet run --continue {run.Id}` does the rest" : "")}");
        output.Out.WriteLine();
        GridRenderer.Render(output, report.Results);
        foreach (var result in report.Failures)
        {
            output.Out.WriteLine();
            output.Out.WriteLine($"{VerdictText.Of(output, result.Verdict)}  {Harmless.Line(result.Job.Key)}{(result.Job.Repetition > 1 ? $" #{result.Job.Repetition}" : "")}{(result.Flaky ? " (flaky)" : "")}");
            output.Out.WriteLine($"  {Harmless.Line(result.Reason ?? "no reason given")}");
        }

        if (report.Counts.Failures > 0)
        {
            output.Out.WriteLine();
            output.Out.WriteLine($"More about one: gauntlet results show {run.Id} {ShellCommand.Quote(report.Failures.First().Job.Key)}");
        }

        return ExitCode.Success;
    }

    private static void WriteJson(Stream stream, List<JobResult> results)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (var result in results)
        {
            json.WriteStartObject();
            json.WritePropertyName("result");
            JsonSerializer.Serialize(json, result, RecordJson.Default.JobResult);
            json.WriteStartArray("commands");
            foreach (var attempt in result.Attempts)
                json.WriteStringValue(ShellCommand.Of(attempt));
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static int PrintArtifact(Output output, ResultStore store, List<JobResult> results, string name, int? number, string? save)
    {
        if (results.Count > 1)
            throw new UserException($"{results.Count} results match, {JobPattern.Some(results.Select(r => r.Job.Key))}. Name one to print its {name}.");
        var attempts = results[0].Attempts;
        var attempt = number is null ? attempts.LastOrDefault() : attempts.FirstOrDefault(a => a.Number == number);
        if (attempt is null)
            throw new UserException(attempts.Count == 0 ? $"{results[0].Job.Key} was not executed: {results[0].Reason}" : $"There is no attempt {number}; it has {attempts.Count}.");
        if (attempt.Artifacts.FirstOrDefault(a => a.Name == name) is not { } artifact)
            throw new UserException($"The attempt has no {name}; it has {(attempt.Artifacts.Count == 0 ? "no artifacts" : string.Join(", ", attempt.Artifacts.Select(a => a.Name)))}.");
        using var stream = store.OpenArtifact(artifact.Sha256) ?? throw new UserException($"The {name} of this attempt was pruned from the store.");
        if (save is not null)
        {
            using var file = ExportCommand.CreateFile(save);
            stream.CopyTo(file);
        }
        else
        {
            HarmlessText.Copy(stream, output.Out);
            if (artifact.Truncated)
                output.Error.WriteLine($"gauntlet: of this {name} only head and tail were kept: it passed the harness's limit");
        }

        return ExitCode.Success;
    }
}
