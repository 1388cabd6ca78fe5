using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Worker;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>Workers that are killed at any instant, again and again, on one directory.</summary>
public sealed class KillTests : IDisposable
{
    /// <summary>How many kills, where the usual few are not enough.</summary>
    private const string Variable = "GAUNTLET_FUZZ_KILLS";

    private const int UsualKills = 6, LeastKept = 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Whatever_was_in_the_directory_before_a_kill_is_there_unchanged_after_it()
    {
        var (woven, output) = (Path.Combine(_folder, "woven"), Path.Combine(_folder, "out"));
        WovenFolder.Create(woven, [], []);
        var kills = int.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? asked : UsualKills;
        var random = new FuzzRandom(1);
        var kept = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        for (var kill = 0; kill < kills; kill++)
        {
            using var process = StartWorker(woven, output, seed: kill);
            Assert.NotNull(await process.StandardOutput.ReadLineAsync());
            var until = Stopwatch.GetTimestamp() + random.Below(100) * Stopwatch.Frequency / 1_000;
            // The first one lives until it has found something to lose.
            while (!process.HasExited && (kept.Count < LeastKept || Stopwatch.GetTimestamp() < until))
                new OutputDirectory(output).Inputs("queue").ToList().ForEach(path => kept.TryAdd(path, File.ReadAllBytes(path)));
            process.Kill();
            await process.WaitForExitAsync();

            var left = new OutputDirectory(output);
            foreach (var (path, bytes) in kept)
                Assert.Equal(bytes, File.ReadAllBytes(path));
            Assert.Equal(Enumerable.Range(0, left.Inputs("queue").Count).Select(id => $"id:{id:d6}"), left.Inputs("queue").Select(path => Path.GetFileName(path)));
            var stats = File.ReadAllLines(Path.Combine(output, "fuzzer_stats"));
            Assert.StartsWith("start_time", stats[0], StringComparison.Ordinal);
            Assert.StartsWith("command_line", stats[^1], StringComparison.Ordinal);
        }
        Assert.True(kept.Count >= LeastKept, $"{kept.Count} inputs seen: the worker ended by itself");
    }

    [Fact]
    public async Task A_worker_ends_with_whoever_started_it()
    {
        var (woven, output) = (Path.Combine(_folder, "woven"), Path.Combine(_folder, "out"));
        WovenFolder.Create(woven, [], []);
        using var process = StartWorker(woven, output, seed: 1);
        Assert.NotNull(await process.StandardOutput.ReadLineAsync());

        process.StandardInput.Close();

        await process.WaitForExitAsync();
        Assert.Equal(Program.OrphanStatus, process.ExitCode);
    }

    [Fact]
    public void A_full_disk_is_told_once_and_waited_for()
    {
        var (tries, told) = (0, new List<string>());
        var output = new OutputDirectory(_folder, (path, bytes) =>
        {
            if (tries++ < 2)
                throw new IOException("No space left on device", 28);
            File.WriteAllBytes(path, bytes);
        }, told.Add, TimeSpan.Zero);

        output.AddQueue([1, 2, 3]);

        Assert.Equal(3, tries);
        Assert.Contains("full", Assert.Single(told), StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Assert.Single(output.Inputs("queue"))));
    }

    private static Process StartWorker(string woven, string output, int seed)
    {
        string[] arguments = ["exec", Path.Combine(woven, WovenFolder.Program), "isa-serial", output, $"{seed}", "-1", "-1", "2000", "4096", "", "", "Rare"];
        return Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }
}
