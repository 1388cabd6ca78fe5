using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Gauntlet.Pipelines.GitTool;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Series;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Gate;

/// <summary>Where a step's commands find this program and what they may use.</summary>
/// <param name="Program">The program <c>gauntlet</c> itself.</param>
/// <param name="ProgramTree">Folder that it needs at run time, read-only for steps.</param>
/// <param name="Readable">Further folders of the host that steps may read, at their own places: a cache of packages, a toolchain.</param>
/// <param name="Variables">Set for them besides those that every step has.</param>
/// <param name="Limits">Of one execution; the time is the step's own.</param>
/// <param name="Containers">What runs the pipeline's image; null: no engine answers, and namespaces serve for every step.</param>
public sealed record GateEnvironment(
    string Program, string ProgramTree, IReadOnlyList<string> Readable, IReadOnlyDictionary<string, string> Variables, IsolationLimits Limits, ContainerEngine? Containers = null)
{
    /// <summary>How a step's commands are kept apart from this host.</summary>
    public IIsolation IsolationOf(GateStep step) => step.Image is { } image && Containers is not null ? Containers.In(image) : NamespaceIsolation.Instance;
}

/// <summary>Runs a pipeline's steps on a candidate, reusing what is known of the same trees.</summary>
public sealed class GateSteps(GateQueue queue, SeriesStore series, GateEnvironment environment)
{
    /// <summary>Characters of a step's output that are kept for the report.</summary>
    private const int KeptLogCharacters = 4000;

    /// <summary>What <c>gauntlet check</c> finds its configuration and rule set by.</summary>
    private static readonly string[] TreeMarks = ["/.gauntlet/", "/MAINTAINERS", "/linux-user/meson.build", "/Kbuild", "/kernel/Makefile"];

    /// <summary>All steps until one fails that may not.</summary>
    /// <param name="candidate">What would be merged.</param>
    /// <param name="folder">A repository that holds its commits.</param>
    /// <param name="pipeline">From the commit below the queue.</param>
    /// <param name="cancellation">Ends it: what is tested will not be merged like this.</param>
    public async Task<GateRecord> RunAsync(GateCandidate candidate, string folder, GatePipeline pipeline, CancellationToken cancellation)
    {
        var results = new List<StepResult>();
        var subjects = new HashSet<string>();
        foreach (var step in pipeline.Steps)
        {
            var fatal = false;
            var work = new Work(step, step.Text, "");
            if (step.Fuzz is { } fuzz)
            {
                var plan = await FuzzPlan.MakeAsync(fuzz, candidate, new Git(folder), cancellation);
                if (plan.Nothing is not null)
                {
                    results.Add(new StepResult(step.Name, plan.IsStale ? StepVerdict.InfraError : StepVerdict.Skip, plan.Nothing, null));
                    if (plan.IsStale && !step.AllowFailure)
                        break;
                    continue;
                }

                // The same tree has other targets when another change led to it.
                work = new Work(step, step.Text + fuzz.Command(plan.Names), " " + string.Join(' ', plan.Names));
            }

            foreach (var (tree, patch, commit) in Trees(step, candidate))
            {
                subjects.Add(tree + work.Suffix);
                var result = await RunOnceAsync(work, tree, patch, commit, candidate, folder, cancellation);
                if (result.Verdict == StepVerdict.Fail && step is { Kind: not GateStepKind.Check, AllowFailure: false })
                    result = await FindCulpritAsync(work, result, candidate, folder, subjects, cancellation);
                results.Add(result);
                if (result.Verdict is StepVerdict.Pass or StepVerdict.Skip || step.AllowFailure)
                    continue;
                fatal = true;
                break;
            }

            if (fatal)
                break;
        }

        return new GateRecord { Below = candidate.Below, Tip = candidate.Tip, Tree = candidate.Tree, Patches = candidate.Patches, Steps = results, Subjects = [.. subjects] };
    }

    /// <summary>What a record says of its entry: the first failure that counts; else the first error; else a pass.</summary>
    public static StepResult? Decisive(GateRecord record, GatePipeline pipeline)
    {
        var counting = record.Steps.Where(result => pipeline.Steps.Any(step => step.Name == result.Step && !step.AllowFailure)).ToArray();
        return counting.FirstOrDefault(result => result.Verdict == StepVerdict.Fail) ?? counting.FirstOrDefault(result => result.Verdict == StepVerdict.InfraError);
    }

    /// <summary>A step as it is to be run on one candidate.</summary>
    /// <param name="Step">As the pipeline has it.</param>
    /// <param name="Text">Its command for this candidate.</param>
    /// <param name="Suffix">Tells its verdicts from those of the same step and tree with another command.</param>
    private readonly record struct Work(GateStep Step, string Text, string Suffix);

    private static IEnumerable<(string Tree, int? Patch, string Commit)> Trees(GateStep step, GateCandidate candidate)
    {
        if (step.Kind == GateStepKind.Check)
            return [(HashOfMails(candidate), null, candidate.Tip)];
        return step.EachPatch
            ? candidate.Patches.Select(patch => (patch.Tree, (int?)patch.Number, patch.Commit))
            : [(candidate.Tree, null, candidate.Tip)];
    }

    /// <summary>
    /// Whose a failure is: the first patch after which the step fails, by halving, or the commit below, when the step fails there too. Only this step is run,
    /// and not on a tree that it was run on before.
    /// </summary>
    private async Task<StepResult> FindCulpritAsync(
        Work work, StepResult failure, GateCandidate candidate, string folder, HashSet<string> subjects, CancellationToken cancellation)
    {
        var belowTree = (await new Git(folder).RunAsync(["rev-parse", candidate.Below + "^{tree}"], default, cancellation)).Text;
        subjects.Add(belowTree + work.Suffix);
        var below = await RunOnceAsync(work, belowTree, null, candidate.Below, candidate, folder, cancellation);
        if (below.Verdict == StepVerdict.Fail)
            return failure with { Verdict = StepVerdict.InfraError, Reason = $"it fails on {candidate.Below[..12]} without the series too: {below.Reason}" };
        // With each-patch those before the failing one have passed.
        if (below.Verdict != StepVerdict.Pass || failure.Patch is not null)
            return failure;
        var (passing, failing) = (0, candidate.Patches.Count);
        while (failing - passing > 1)
        {
            var middle = (passing + failing) / 2;
            var patch = candidate.Patches[middle - 1];
            subjects.Add(patch.Tree + work.Suffix);
            var result = await RunOnceAsync(work, patch.Tree, patch.Number, patch.Commit, candidate, folder, cancellation);
            if (result.Verdict == StepVerdict.InfraError)
                return failure;
            (passing, failing) = result.Verdict == StepVerdict.Pass ? (middle, failing) : (passing, middle);
            if (failing == middle)
                failure = result;
        }

        return failure with { Patch = candidate.Patches[failing - 1].Number };
    }

    private static string HashOfMails(GateCandidate candidate) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', candidate.Patches.Select(patch => patch.MailSha256)))));

    private async Task<StepResult> RunOnceAsync(
        Work work, string tree, int? patch, string commit, GateCandidate candidate, string folder, CancellationToken cancellation)
    {
        var (step, subject) = (work.Step, tree + work.Suffix);
        if (queue.FindVerdict(step.Hash, subject) is { } known)
            return known with { Step = step.Name, Patch = patch, Reused = true };
        for (var attempt = 0; ; attempt++)
        {
            StepResult result;
            try
            {
                result = step.Kind == GateStepKind.Check
                    ? await CheckAsync(step, candidate, folder, cancellation)
                    : await CommandAsync(work, patch, commit, folder, cancellation);
            }
            catch (IOException exception)
            {
                result = new StepResult(step.Name, StepVerdict.InfraError, exception.Message, null, patch);
            }

            if (result.Verdict == StepVerdict.InfraError && attempt < step.Retries)
                continue;
            queue.KeepVerdict(step.Hash, subject, result);
            return result;
        }
    }

    private async Task<StepResult> CheckAsync(GateStep step, GateCandidate candidate, string folder, CancellationToken cancellation)
    {
        // In the tree below: its rules and its history count, never the series' own.
        using var tree = await ScratchTree.CreateAsync(folder, candidate.Below, cancellation, TreeMarks);
        var mails = Directory.CreateTempSubdirectory("gauntlet-gate-check-");
        try
        {
            var files = new List<string>();
            foreach (var patch in candidate.Patches)
            {
                var file = Path.Combine(mails.FullName, $"{patch.Number:d4}.patch");
                await File.WriteAllBytesAsync(file, series.ReadMail(patch.MailSha256), cancellation);
                files.Add(file);
            }

            var start = new ProcessStartInfo(environment.Program, ["check", .. step.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries), .. files])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
                WorkingDirectory = tree.Folder,
            };
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(step.Timeout);
            var output = new TailBuffer(KeptLogCharacters, long.MaxValue);
            try
            {
                await Task.WhenAll(output.DrainAsync(process.StandardOutput.BaseStream), output.DrainAsync(process.StandardError.BaseStream)).WaitAsync(limit.Token);
                await process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                cancellation.ThrowIfCancellationRequested();
                return new StepResult(step.Name, StepVerdict.Fail, $"the check took longer than {step.Timeout.TotalSeconds:0} s", output.Text);
            }

            var log = output.Text.Replace(mails.FullName + "/", "", StringComparison.Ordinal);
            return process.ExitCode switch
            {
                0 => new StepResult(step.Name, StepVerdict.Pass, null, log),
                1 => new StepResult(step.Name, StepVerdict.Fail, "the check rules found errors", log),
                var status => new StepResult(step.Name, StepVerdict.InfraError, $"gauntlet check ended with status {status}", log),
            };
        }
        finally
        {
            mails.Delete(recursive: true);
        }
    }

    private async Task<StepResult> CommandAsync(Work work, int? patch, string commit, string folder, CancellationToken cancellation)
    {
        // The command gets the files alone: nothing that git would read afterwards.
        var tree = Path.GetTempFileName();
        try
        {
            await new Git(folder).RunAsync(["archive", "--format=tar", "--output=" + tree, commit], default, cancellation);
            return await IsolatedAsync(work, patch, tree, cancellation);
        }
        finally
        {
            File.Delete(tree);
        }
    }

    private async Task<StepResult> IsolatedAsync(Work work, int? patch, string tree, CancellationToken cancellation)
    {
        var step = work.Step;
        var variables = new Dictionary<string, string>(environment.Variables) { ["GAUNTLET"] = environment.Program, ["GAUNTLET_ROOT"] = environment.ProgramTree, ["CI"] = "true" };
        var result = await environment.IsolationOf(step).RunAsync(tree, work.Text, [environment.ProgramTree, .. environment.Readable], variables, environment.Limits with { Time = step.Timeout }, cancellation);
        var log = result.Output.Length > KeptLogCharacters ? result.Output[^KeptLogCharacters..] : result.Output;
        return Judge() with { Command = work.Text };

        StepResult Judge() => result switch
        {
            { LimitHit: { } limit } => new StepResult(step.Name, StepVerdict.Fail, limit, log, patch),
            { ExitStatus: 0 } => new StepResult(step.Name, StepVerdict.Pass, null, log, patch),
            // What gauntlet's own commands say when the environment is at fault.
            { ExitStatus: ExitCode.Environment } when step.Kind == GateStepKind.Gauntlet => new StepResult(step.Name, StepVerdict.InfraError, "the environment is at fault", log, patch),
            _ => new StepResult(step.Name, StepVerdict.Fail, $"the command ended with status {result.ExitStatus}", log, patch),
        };
    }
}
