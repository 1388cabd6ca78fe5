using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;

namespace Gauntlet.Pipelines.Tests;

/// <summary>The gate as a process of its own, for tests that kill it; an isolated command under another user.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is ["isolate", var command])
            return await IsolateAsync(command);
        if (arguments is not ["gate", var location, var repository, var target])
        {
            Console.Error.WriteLine("usage: gate STORE REPOSITORY TARGET | isolate COMMAND");
            return 2;
        }

        using var results = ResultStore.Open(location);
        var runner = new GateRunner(
            repository, target, new GateQueue(results, "gate"), new SeriesStore(results), new GateEnvironment("/bin/false", "/usr", [], new Dictionary<string, string>(), new IsolationLimits()), Console.WriteLine);
        await runner.RunAsync(untilEmpty: true, CancellationToken.None);
        return 0;
    }

    private static async Task<int> IsolateAsync(string command)
    {
        var tree = Directory.CreateTempSubdirectory("gauntlet-test-tree-");
        try
        {
            var limits = new IsolationLimits { Time = TimeSpan.FromSeconds(5), MemoryBytes = 256 << 20, DiskBytes = 64 << 20, Processes = 64 };
            var result = await IsolatedCommand.RunAsync(tree.FullName, command, [], new Dictionary<string, string>(), limits, CancellationToken.None);
            Console.Write($"{(result.LimitHit is { } limit ? $"limit {limit}" : $"status {result.ExitStatus}")}\n{result.Output}");
            return 0;
        }
        finally
        {
            tree.Delete(recursive: true);
        }
    }
}
