using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>With an afl-fuzz that is installed.</summary>
public sealed class AflFuzzTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [AflFact]
    public async Task Afl_fuzz_drives_a_target_and_finds_edges_that_its_seed_did_not_reach()
    {
        var (seeds, output) = (Path.Combine(_folder, "in"), Path.Combine(_folder, "out"));
        Directory.CreateDirectory(seeds);
        File.WriteAllBytes(Path.Combine(seeds, "seed"), [0, 0, 0]);
        var start = new ProcessStartInfo(
            "afl-fuzz", ["-i", seeds, "-o", output, "-V", "3", "-t", "10000", "-m", "none", "--", "dotnet", "exec", Path.Combine(AppContext.BaseDirectory, "Gauntlet.Fuzz.dll"), "afl", "isa-serial"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in (string[])["AFL_SKIP_BIN_CHECK", "AFL_NO_UI", "AFL_SKIP_CPUFREQ", "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "AFL_NO_AFFINITY"])
            start.Environment[name] = "1";
        start.Environment["AFL_FORKSRV_INIT_TMOUT"] = "60000";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();

        var path = Path.Combine(output, "default", "fuzzer_stats");
        Assert.True(File.Exists(path), $"{said}\n{await error}");
        var stats = File.ReadLines(path).Select(line => line.Split(':', 2, StringSplitOptions.TrimEntries)).ToDictionary(words => words[0], words => words[1], StringComparer.Ordinal);
        Assert.True(Number("execs_done") > 100, $"{stats["execs_done"]} runs\n{said}");
        // The seed is one input; more are kept only for edges that it did not reach.
        Assert.True(Number("corpus_count") > 1, $"{stats["corpus_count"]} inputs kept\n{said}");
        Assert.Equal(0, Number("saved_crashes"));

        long Number(string name) => long.Parse(stats[name], CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Without_afl_fuzz_around_it_the_server_says_what_to_do()
    {
        var exception = Assert.Throws<Terminal.UserException>(() => Worker.AflServer.Serve(TargetCatalogue.All[0].Name));

        Assert.Contains("afl-fuzz -i", exception.Message, StringComparison.Ordinal);
    }

    private sealed class AflFactAttribute : FactAttribute
    {
        public AflFactAttribute()
        {
            if (ProgramFinder.InPath("afl-fuzz") is null)
                Skip = "afl-fuzz is not installed (Debian's package afl++)";
        }
    }
}
