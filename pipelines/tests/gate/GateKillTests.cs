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

    private static int Kills => int.TryParse(Environment.GetEnvironmentVariable("GAUNTLET_GATE_KILLS"), out var kills) ? kills : 20;

    [IsolationFact]
    public async Task AGateThatIsKilledAgainAndAgainEndsWithTheHistoryOfOneThatIsNot()
    {
        using var undisturbed = await GateFixture.CreateAsync();
        using var killed = await GateFixture.CreateAsync();
        foreach (var gate in (GateFixture[])[undisturbed, killed])
        {
            for (var i = 0; i < SeriesCount; i++)
                await gate.EnqueueFileAsync($"file{i:d2}.c", i % 7 == 3 ? "BROKEN" : $"int f{i};");
        }

        await undisturbed.RunAsync();
        var random = new Random(20261120);
        var kills = 0;
        for (var done = false; !done;)
        {
            using var process = StartGate(killed);
            // Most kills come soon after the start, some in the middle of the work.
            var instant = TimeSpan.FromMilliseconds(kills < Kills ? 250 + random.Next(900) : 120_000);
            done = process.WaitForExit(instant);
            if (!done)
            {
                process.Kill();
                process.WaitForExit();
                kills++;
                await AssertNothingUntestedAsync(killed);
            }
            else
            {
                Assert.Equal(0, process.ExitCode);
            }
        }

        Assert.Equal(await undisturbed.HistoryAsync(), await killed.HistoryAsync());
        Assert.Equal(await TreeAsync(undisturbed), await TreeAsync(killed));
        Assert.Equal(States(undisturbed), States(killed));
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
