using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;

namespace Gauntlet.Results.Tests;

/// <summary>The other process of tests that need one.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["write", var location, var runId, var count]:
                Write(location, runId, int.Parse(count));
                return 0;

            case ["demo", var location]:
                using (var store = ResultStore.Open(location))
                    Demo.Fill(store);
                return 0;

            default:
                Console.Error.WriteLine("usage: write LOCATION RUN COUNT | demo LOCATION");
                return 2;
        }
    }

    /// <summary>Writes a run, telling each result's number when it is stored; ends the run when standard input ends.</summary>
    private static void Write(string location, string runId, int count)
    {
        using var store = ResultStore.Open(location);
        var jobs = Enumerable.Range(0, count).Select(i => Samples.Job($"case-{i}")).ToList();
        store.BeginRun(Samples.Run(runId) with { JobCount = count }, jobs);
        for (var i = 0; i < count; i++)
        {
            var artifact = store.PutArtifact("console.log", new MemoryStream(Samples.Bytes(i)));
            store.AddResult(runId, Samples.Result(jobs[i], Verdict.Pass, artifact));
            Console.WriteLine(i);
        }

        Console.In.ReadToEnd();
        store.EndRun(runId, RunState.Finished, DateTime.UtcNow);
    }
}
