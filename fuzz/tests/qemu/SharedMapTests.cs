using System.Diagnostics;
using FsCheck.Fluent;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Tests.Qemu;

public sealed class SharedMapTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [AflFact]
    public void A_program_of_aflpps_compiler_counts_its_edges_into_the_map_without_a_fork_server()
    {
        var program = Compile();
        var bytes = QemuBinary.MapBytesOf(program);
        Assert.InRange(bytes, 1, 1 << 20);
        using var map = new SharedMap(bytes);

        var once = Run(program, map, "a");
        Assert.NotEmpty(once);
        Assert.Equal(once, Run(program, map, "a"));
        Assert.NotEqual(once.Keys, Run(program, map, "b").Keys);
        // Five times is another bucket than once.
        var often = Run(program, map, "aaaaa");
        Assert.Contains(often, edge => once.TryGetValue(edge.Key, out var count) && CoverageMap.Bucket(count) < CoverageMap.Bucket(edge.Value));
    }

    [Theory]
    [InlineData("QEMU emulator version 7.2.22\n", 0)]
    [InlineData("65536\n", 65536)]
    [InlineData("", 0)]
    [InlineData("-1", 0)]
    [InlineData("99999999999", 0)]
    public void A_program_that_does_not_tell_the_size_of_a_map_is_not_instrumented(string said, int bytes) => Assert.Equal(bytes, QemuBinary.MapBytesIn(said));

    [Fact]
    public void A_program_of_another_compiler_tells_its_version() => Assert.Equal(0, QemuBinary.MapBytesOf("/bin/sh"));

    [Fact]
    public void What_comes_again_is_new_once()
    {
        using var feedback = new MapFeedback(100);
        Assert.Equal(1, Take(feedback, (97, 1)));
        Assert.Equal(0, Take(feedback, (97, 1)));
        Assert.Equal(1, Take(feedback, (97, 9)));
        Assert.Equal(0, Take(feedback, (97, 12)));
        Assert.Equal(2, Take(feedback, (3, 1), (4, 1)));
        Assert.Equal(3, feedback.Features);
    }

    [Fact]
    public void An_edge_that_does_not_come_again_is_left_out_after_a_few_times()
    {
        using var feedback = new MapFeedback(64);
        for (var i = 0; i < 4; i++)
        {
            Set(feedback, (7, 1), (9, 1));
            feedback.Collect();
            Set(feedback, (9, 1));
            Assert.Equal(i == 0 ? 1 : 0, Confirm(feedback));
        }
        Assert.Equal(1, feedback.Unstable);
        Assert.Equal(0, Take(feedback, (7, 1)));
        Assert.Equal(1, feedback.Features);
    }

    [Fact]
    public void A_new_edge_counts_though_how_often_it_is_taken_is_chance()
    {
        using var feedback = new MapFeedback(64);
        Set(feedback, (5, 1));
        feedback.Collect();
        Set(feedback, (5, 3));
        Assert.Equal(1, Confirm(feedback));
        Assert.Equal(0, Take(feedback, (5, 1)));
        Assert.Equal(0, Take(feedback, (5, 3)));
    }

    // Three programs take an edge four times each, together in a higher bucket: only the first alone is something new.
    [Fact]
    public void Of_programs_that_ran_together_those_count_that_show_alone_what_was_new()
    {
        using var feedback = new MapFeedback(64);
        Set(feedback, (5, 12), (6, 1));
        feedback.Collect();
        Assert.Equal([1, 0, 1], RunAlone(feedback, [(5, 4)], [(5, 4)], [(6, 1)]));
        feedback.Settle();

        Set(feedback, (5, 12), (6, 1));
        feedback.Collect();
        Assert.False(feedback.HasCandidates);
        Assert.Equal(2, feedback.Features);
    }

    // Eight counters are looked at at once; the length need be no multiple.
    [Fact]
    public void Each_counter_of_a_map_is_looked_at()
    {
        var maps = from length in Gen.Choose(1, 40) from counts in Gen.Choose(0, 255).ArrayOf(length) select counts;
        Prop.ForAll(maps.ToArbitrary(), counts =>
        {
            using var feedback = new MapFeedback(counts.Length);
            var set = counts.Select((count, edge) => (edge, (byte)count)).Where(edge => edge.Item2 != 0).ToArray();
            return Take(feedback, set) == set.Length && Take(feedback, set) == 0;
        }).Holds();
    }

    private static int Take(MapFeedback feedback, params (int, byte)[] counts)
    {
        Set(feedback, counts);
        feedback.Collect();
        return Confirm(feedback);
    }

    private static int[] RunAlone(MapFeedback feedback, params (int, byte)[][] runs) => [.. runs.Select(run =>
    {
        Set(feedback, run);
        return feedback.Match(isSame: false);
    })];

    private static int Confirm(MapFeedback feedback)
    {
        var found = feedback.Match(isSame: true);
        feedback.Settle();
        return found;
    }

    private static void Set(MapFeedback feedback, params (int Edge, byte Count)[] counts)
    {
        feedback.Begin();
        foreach (var (edge, count) in counts)
            feedback.Map.Counts[edge] = count;
    }

    private static Dictionary<int, byte> Run(string program, SharedMap map, string input)
    {
        map.Counts.Clear();
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (name, value) in map.Variables)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        var counts = map.Counts.ToArray();
        return Enumerable.Range(0, counts.Length).Where(edge => counts[edge] != 0).ToDictionary(edge => edge, edge => counts[edge]);
    }

    private string Compile()
    {
        var (source, program) = (Path.Combine(_folder, "letters.c"), Path.Combine(_folder, "letters"));
        File.WriteAllText(source, "#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) { if (c == 'a') puts(\"first\"); else if (c == 'b') putchar('2'); } return 0; }\n");
        var start = new ProcessStartInfo("afl-clang-fast", ["-o", program, source]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["AFL_QUIET"] = "1";
        using var process = Process.Start(start)!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, said);
        return program;
    }

    private sealed class AflFactAttribute : FactAttribute
    {
        public AflFactAttribute()
        {
            if (WhyNot is { } why)
                Skip = why;
        }

        private static string? WhyNot => ProgramFinder.InPath("afl-clang-fast") is null ? "afl-clang-fast is not installed (Debian's package afl++)" : null;
    }
}
