using Gauntlet.Fuzz.Diverge;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Tests.Qemu;
using Gauntlet.Harness.Drivers;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Diverge;

public sealed class DivergenceTests
{
    public static TheoryData<string> Devices => [.. DivergenceSubject.All.Select(subject => subject.Name)];

    [QemuTheory]
    [MemberData(nameof(Devices))]
    public void What_gvmm_and_QEMU_answer_differs_only_where_it_may(string device)
    {
        var disk = Path.Combine(Path.GetTempPath(), $"gauntlet-diverge-{Guid.NewGuid():n}");
        try
        {
            using var run = new Divergence(DivergenceSubject.All.Single(subject => subject.Name == device), ProgramFinder.InPath("qemu-system-x86_64")!, disk, AllowList.Default(), seed: 3);
            while (run.Programs < 150)
                run.Step();

            Assert.True(run.Compared > 300, $"{run.Compared} replies");
            Assert.Equal(0, run.Deaths);
            Assert.True(run.Found.Count == 0, string.Join('\n', run.Found.Select(run.Describe)));
        }
        finally
        {
            File.Delete(disk);
        }
    }

    [QemuTheory]
    [InlineData(0)]
    public void A_difference_that_nobody_allowed_is_told_with_its_shortest_program(int seed)
    {
        var disk = Path.Combine(Path.GetTempPath(), $"gauntlet-diverge-{Guid.NewGuid():n}");
        try
        {
            using var run = new Divergence(DivergenceSubject.All.Single(subject => subject.Name == "isa-serial"), ProgramFinder.InPath("qemu-system-x86_64")!, disk, [], (ulong)seed);
            while (run.Programs < 300)
                run.Step();

            var found = Assert.Single(run.Found, found => found.Signature == ">MCR <MSR");
            Assert.Equal(2, found.Program.Count);
            Assert.Contains("# operation 2: gvmm 0x", run.Describe(found), StringComparison.Ordinal);
            Assert.NotNull(run.Compare(found.Program));
        }
        finally
        {
            File.Delete(disk);
        }
    }

    [Fact]
    public void Programs_for_a_device_are_the_same_for_the_same_seed_and_stay_on_it()
    {
        foreach (var subject in DivergenceSubject.All)
        {
            Assert.Equal(ProgramText.Format(Made(subject)), ProgramText.Format(Made(subject)));
            using var board = subject.NewBoard();
            Assert.Contains(board.Grammar.Windows, window => subject.Windows.Any(start => window.Name.StartsWith(start, StringComparison.Ordinal)));
        }

        static List<Operation> Made(DivergenceSubject subject)
        {
            var (random, program) = (new FuzzRandom(5), new List<Operation>());
            for (var i = 0; i < 50; i++)
                subject.Append(random, program);
            return program;
        }
    }

    [Theory]
    [InlineData("schema: 1\ndifferences:\n  - device: frob\n    register: A\n    reason: r\n    section: s\n", "allow.yaml:3: 'frob' is no device")]
    [InlineData("schema: 1\ndifferences:\n  - device: isa-pit\n    register: A\n    mask: 7\n    reason: r\n    section: s\n", "allow.yaml:5: 'mask' must be hexadecimal")]
    [InlineData("schema: 1\ndifferences:\n  - device: isa-pit\n    register: A\n    reason: r\n", "section")]
    public void What_is_wrong_in_an_allow_list_is_told_with_its_line(string text, string message) =>
        Assert.Contains(message, Assert.Throws<UserException>(() => AllowList.Read(YamlFile.Parse(text, "allow.yaml"))).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_difference_that_is_allowed_has_its_reason_and_its_section() =>
        Assert.All(AllowList.Default(), entry => Assert.True(entry is { Reason.Length: > 10, Section.Length: > 3, Mask: > 0 }));
}
