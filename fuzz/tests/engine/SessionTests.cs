using System.Diagnostics;
using Gauntlet.Fuzz.Commands;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>Whole sessions: woven assemblies, worker processes, output directories.</summary>
public sealed class SessionTests : IDisposable
{
    private const string Tests = "Gauntlet.Fuzz.Tests.dll", Planted = $"{Tests}!Gauntlet.Fuzz.Tests.Engine.PlantedTarget", Deadly = $"{Tests}!Gauntlet.Fuzz.Tests.Engine.DeadlyTarget";

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_bug_behind_four_steps_and_a_32_bit_comparison_is_found_and_made_minimal()
    {
        var last = await FuzzSession.RunAsync(new FuzzRequest(Planted, _folder) { Execs = 150_000, Weave = [Tests] }, static _ => { }, CancellationToken.None);

        Assert.Equal(1, last.Crashes);
        var crash = Assert.Single(new OutputDirectory(_folder).Inputs("crashes"));
        using var target = new PlantedTarget();
        var finding = Replay.Run(target, File.ReadAllBytes(crash));
        Assert.StartsWith("InvalidOperationException PlantedDevice.ReadPort", finding?.Bucket, StringComparison.Ordinal);
        var smallest = Minimizer.Minimize(File.ReadAllBytes(crash), target.Grammar, input => Replay.Run(target, input)?.Bucket == finding!.Bucket);
        Assert.Equal(4, ProgramBytes.Decode(smallest, target.Grammar!).Count);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_corpus()
    {
        var queues = new List<string[]>();
        foreach (var name in (string[])["a", "b"])
        {
            var path = Path.Combine(_folder, name);
            await FuzzSession.RunAsync(new FuzzRequest("isa-serial", path) { Execs = 8_000, Seed = 3 }, static _ => { }, CancellationToken.None);
            queues.Add([.. new OutputDirectory(path).Inputs("queue").Select(file => Convert.ToHexString(File.ReadAllBytes(file)))]);
        }

        Assert.True(queues[0].Length > 20, $"{queues[0].Length} entries: coverage does not guide");
        Assert.Equal(queues[0], queues[1]);
    }

    [Fact]
    public async Task An_input_that_hangs_and_one_that_ends_the_process_are_kept_and_the_session_goes_on()
    {
        await FuzzSession.RunAsync(new FuzzRequest(Deadly, _folder) { Deaths = 3, Hang = TimeSpan.FromMilliseconds(200) }, static _ => { }, CancellationToken.None);

        var output = new OutputDirectory(_folder);
        Assert.Equal(3, output.Hangs + output.Crashes);
        Assert.All(output.Inputs("hangs"), file => Assert.Equal((byte)'H', File.ReadAllBytes(file)[0]));
        Assert.All(output.Inputs("crashes"), file => Assert.Equal((byte)'D', File.ReadAllBytes(file)[0]));
    }

    [Fact]
    public async Task Jobs_have_schedules_of_their_own_unless_one_is_asked_for()
    {
        foreach (var (asked, expected) in ((PowerSchedule?, string[])[])[(null, ["rare", "explore"]), (PowerSchedule.Fast, ["fast", "fast"])])
        {
            var path = Path.Combine(_folder, $"{asked}");
            await FuzzSession.RunAsync(new FuzzRequest("isa-debug-exit", path) { Execs = 2_000, Jobs = 2, Schedule = asked }, static _ => { }, CancellationToken.None);

            Assert.Equal(expected, OutputDirectory.Parts(path).Select(static part => File.ReadLines(Path.Combine(part, "fuzzer_stats")).Last().Split(' ')[^1]));
        }
    }

    [Fact]
    public async Task A_killed_session_leaves_a_directory_that_the_next_one_goes_on_from()
    {
        var before = Array.Empty<string>();
        for (var kill = 0; kill < 2; kill++)
        {
            using var killing = new CancellationTokenSource();
            var session = FuzzSession.RunAsync(new FuzzRequest("i8259", _folder) { Seed = (ulong)kill }, progress =>
            {
                if (progress.Execs > 1)
                    killing.Cancel();
            }, killing.Token);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session);

            var after = new OutputDirectory(_folder).Inputs("queue").ToArray();
            Assert.Equal(before, after.Take(before.Length));
            Assert.NotEmpty(after);
            Assert.Contains("execs_done", File.ReadAllText(Path.Combine(_folder, "fuzzer_stats")), StringComparison.Ordinal);
            before = after;
        }
    }

    [Fact]
    public async Task Smoke_fuzzes_every_target_for_five_seconds_and_none_fails()
    {
        var said = new StringWriter();
        var fuzz = Assert.Single(new FuzzCommands().CreateCommands(new Output(said, TextWriter.Null, live: false, colour: false)));

        var status = await fuzz.Parse(["smoke"]).InvokeAsync();

        var lines = said.ToString().TrimEnd().Split('\n');
        Assert.True(status == ExitCode.Success, said.ToString());
        Assert.Equal(TargetCatalogue.All.Select(entry => entry.Name).Order(), lines.Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]).Order());
        Assert.All(lines, line => Assert.DoesNotMatch(@"\s0(/| runs)", line));
    }

    [Fact]
    public void An_unknown_target_is_refused() =>
        Assert.Contains("gauntlet fuzz list", Assert.Throws<UserException>(() => TargetCatalogue.Create("frob")).Message, StringComparison.Ordinal);

    [AflWhatsupFact]
    public async Task Afl_whatsup_reads_the_directory()
    {
        await FuzzSession.RunAsync(new FuzzRequest("isa-serial", Path.Combine(_folder, "one")) { Execs = 2_000 }, static _ => { }, CancellationToken.None);
        using var process = Process.Start(new ProcessStartInfo("afl-whatsup", ["-s", _folder]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.Contains("Total execs", text, StringComparison.Ordinal);
    }

    private sealed class AflWhatsupFactAttribute : FactAttribute
    {
        public AflWhatsupFactAttribute()
        {
            if (!File.Exists("/usr/bin/afl-whatsup"))
                Skip = "afl-whatsup is not installed (Debian's package afl++)";
        }
    }
}
