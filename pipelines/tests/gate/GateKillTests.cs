using System.Diagnostics;
using System.Reflection;
using Gauntlet.Pipelines.Tests.Isolation;

namespace Gauntlet.Pipelines.Tests.Gate;

/// <summary>
/// kill -9 at any instant loses no entry, merges nothing twice and nothing untested. <c>GAUNTLET_GATE_KILLS</c> sets how many kills; the default suits
/// continuous integration.
/// </summary>
public sealed class GateKillTests
{
    private const int SeriesCount = 20;

    private static readonly TimeSpan GivenUp = TimeSpan.FromMinutes(2);

    private static int Kills => int.TryParse(Environment.GetEnvironmentVariable("GAUNTLET_GATE_KILLS"), out var kills) ? kills : 20;

    [IsolationFact]
    public async Task AGateThatIsKilledAgainAndAgainEndsWithTheHistoryOfOneThatIsNot()
    {
        using var undisturbed = await NewQueueAsync();
        await undisturbed.RunAsync();
        var random = new Random(20261120);
        // A queue is worked off in spite of the kills, so there are as many queues as it takes.
        for (var kills = 0; kills < Kills;)
        {
            using var killed = await NewQueueAsync();
            for (var done = false; !done;)
            {
                using var process = StartGate(killed);
                // Some kills come while it starts, most in the middle of the work.
                var instant = kills < Kills ? TimeSpan.FromMilliseconds(100 + random.Next(700)) : GivenUp;
                done = process.WaitForExit(instant);
                if (done)
                {
                    Assert.Equal(0, process.ExitCode);
                    continue;
                }
                Assert.True(kills < Kills, "a gate that nobody disturbs does not end");
                process.Kill();
                process.WaitForExit();
                kills++;
                await AssertNothingUntestedAsync(killed);
            }

            Assert.Equal(await undisturbed.HistoryAsync(), await killed.HistoryAsync());
            Assert.Equal(await TreeAsync(undisturbed), await TreeAsync(killed));
            Assert.Equal(States(undisturbed), States(killed));
        }
    }

    private static async Task<GateFixture> NewQueueAsync()
    {
        var gate = await GateFixture.CreateAsync();
        for (var i = 0; i < SeriesCount; i++)
            await gate.EnqueueFileAsync($"file{i:d2}.c", i % 7 == 3 ? "BROKEN" : $"int f{i};");
        return gate;
    }

    private static Process StartGate(GateFixture gate) => Process.Start(new ProcessStartInfo(
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
        ["exec", Assembly.GetExecutingAssembly().Location, "gate", gate.StoreFolder, gate.GitFolder, GateFixture.Target])
    { RedirectStandardOutput = true })!;

    // Whatever the instant: each merge of the target is an entry that passed, and none is there twice.
    private static async Task AssertNothingUntestedAsync(GateFixture gate)
    {
        var merges = (await gate.HistoryAsync()).Where(subject => subject.StartsWith("Merge ", StringComparison.Ordinal)).ToArray();
        Assert.Equal(merges.Length, merges.Distinct().Count());
        Assert.DoesNotContain(merges, subject => Enumerable.Range(0, SeriesCount).Any(i => i % 7 == 3 && subject.Contains($"file{i:d2}.c", StringComparison.Ordinal)));
        Assert.Equal(SeriesCount, gate.Queue.All().Count);
    }

    private static async Task<string> TreeAsync(GateFixture gate) => await gate.Repository.RevisionAsync(GateFixture.Target + "^{tree}");

    private static string[] States(GateFixture gate) => [.. gate.Queue.All().Select(entry => $"{entry.Title} {entry.State}").Order(StringComparer.Ordinal)];
}
