using System.CommandLine;
using System.Diagnostics;
using Gauntlet.Cli.Testing;
using Gauntlet.Terminal;

namespace Gauntlet.Cli.Commands;

/// <summary>
/// <c>gauntlet test</c>: all of Gauntlet's own tests. Installs what they need when it may, builds with every warning as an error, checks the formatting, runs each
/// test project and ends with one line that sums them up.
/// </summary>
public sealed class TestCommand : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        var room = new Option<string?>("--room") { Description = "Only the tests of this room: vmm, guests, results, harness, fuzz, pipelines" };
        var filter = new Option<string?>("--filter") { Description = "Only tests that match, as dotnet test takes it: FullyQualifiedName~Uart" };
        var noInstall = new Option<bool>("--no-install") { Description = "Install nothing; tests that lack something are skipped and say so" };
        var command = new Command("test", "Run Gauntlet's own tests") { room, filter, noInstall };
        command.SetAction((parsed, cancellation) =>
            RunAsync(output, parsed.GetValue(room), parsed.GetValue(filter), install: !parsed.GetValue(noInstall), cancellation));
        yield return command
            .WithExample("./gauntlet test", "everything, installing what is missing when root")
            .WithExample("./gauntlet test --room vmm --filter FullyQualifiedName~Uart", "one room, some tests");
    }

    private static async Task<int> RunAsync(Output output, string? room, string? filter, bool install, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        var root = SourceTree.Root;
        var projects = TestProjects(root, room);
        await PrepareAsync(output, install, cancellation);

        output.Out.WriteLine("== build, warnings as errors");
        if (await DotnetCommand.RunAsync(["build", Path.Combine(root, "Gauntlet.slnx"), "-v", "quiet", "--nologo"], output.Out.WriteLine, cancellation) != 0)
            return Close(output, [], watch, "the build failed");
        output.Out.WriteLine("== formatting");
        string[] format = ["format", "whitespace", Path.Combine(root, "Gauntlet.slnx"), "--verify-no-changes", "--no-restore"];
        var formatted = await DotnetCommand.RunAsync(format, output.Out.WriteLine, cancellation) == 0;

        var artifacts = Path.Combine(root, ".artifacts", "test-results");
        Directory.CreateDirectory(artifacts);
        var results = new List<TestProjectResult>();
        foreach (var project in projects)
        {
            output.Out.WriteLine($"== {Path.GetFileNameWithoutExtension(project)}");
            results.Add(await TestProjectRun.RunAsync(project, filter, artifacts, output.Out.WriteLine, cancellation));
        }

        return Close(output, results, watch, formatted ? null : "files are not formatted: run dotnet format whitespace Gauntlet.slnx");
    }

    private static string[] TestProjects(string root, string? room)
    {
        var projects = Directory.EnumerateDirectories(room is null ? root : Path.Combine(root, room))
            .Where(folder => !Path.GetFileName(folder).StartsWith('.'))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.Tests.csproj", SearchOption.AllDirectories))
            .Order(StringComparer.Ordinal)
            .ToArray();
        return projects.Length > 0 ? projects : throw new UserException($"looking for tests: no *.Tests.csproj below {root}/{room}");
    }

    private static async Task PrepareAsync(Output output, bool install, CancellationToken cancellation)
    {
        var missing = TestPrerequisites.Missing();
        if (missing.Count == 0)
            return;
        var command = TestPrerequisites.InstallCommand(missing);
        if (install && TestPrerequisites.CanInstall)
        {
            output.Out.WriteLine($"== {command}");
            var script = $"apt-get update -q && DEBIAN_FRONTEND=noninteractive {command} -q -y";
            using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true })
                ?? throw new IOException("starting apt-get: it did not start");
            await process.StandardOutput.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation);
            missing = TestPrerequisites.Missing();
        }

        foreach (var prerequisite in missing)
            output.Out.WriteLine($"{prerequisite.Package} is not installed; skipped for that: {prerequisite.For}");
        if (missing.Count > 0)
            output.Out.WriteLine($"To have them: {TestPrerequisites.InstallCommand(missing)}");
    }

    /// <summary>The summary, ending in the plain line <c>N passed, N failed, N skipped</c>.</summary>
    private static int Close(Output output, IReadOnlyList<TestProjectResult> results, Stopwatch watch, string? fault)
    {
        output.Out.WriteLine();
        foreach (var result in results)
        {
            var note = result.Counted ? "" : "  (gave no count: it ended early, or holds no test)";
            output.Out.WriteLine($"{(result.Green ? "ok  " : "FAIL")} {result.Name,-28} {result.Passed,5} passed {result.Failed,3} failed {result.Skipped,3} skipped{note}");
        }

        foreach (var reason in results.SelectMany(result => result.SkipReasons).GroupBy(pair => pair.Key, pair => pair.Value))
            output.Out.WriteLine($"skipped {reason.Sum()}: {reason.Key}");
        if (fault is not null)
            output.Out.WriteLine($"FAIL {fault}");

        // A project that fails without a failed test (it crashed, or had none) counts as one failure; so does a failed build or formatting.
        var failed = results.Sum(result => Math.Max(result.Failed, result.Green ? 0 : 1)) + (fault is null ? 0 : 1);
        output.Out.WriteLine($"in {watch.Elapsed.TotalSeconds:0} s");
        output.Out.WriteLine($"{results.Sum(result => result.Passed)} passed, {failed} failed, {results.Sum(result => result.Skipped)} skipped");
        return failed == 0 ? ExitCode.Success : ExitCode.Failure;
    }
}
