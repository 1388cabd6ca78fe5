using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;

namespace Gauntlet.Pipelines.Tests;

/// <summary>The gate as a process of its own, for tests that kill it.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is not ["gate", var location, var repository, var target])
        {
            Console.Error.WriteLine("usage: gate STORE REPOSITORY TARGET");
            return 2;
        }

        using var results = ResultStore.Open(location);
        var runner = new GateRunner(
            repository, target, new GateQueue(results, "gate"), new SeriesStore(results), new GateEnvironment("/bin/false", "/usr", [], new Dictionary<string, string>(), new IsolationLimits()), Console.WriteLine);
        await runner.RunAsync(untilEmpty: true, CancellationToken.None);
        return 0;
    }
}
