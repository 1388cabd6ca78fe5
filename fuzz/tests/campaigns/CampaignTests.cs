using System.Xml.Linq;
using Gauntlet.Fuzz.Campaigns;
using Gauntlet.Results.Store;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Campaigns;

public sealed class CampaignTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_campaign_gives_each_target_a_turn_runs_what_once_failed_first_and_reports()
    {
        var regressions = Path.Combine(_folder, "regressions", "isa-serial");
        Directory.CreateDirectory(regressions);
        File.WriteAllText(Path.Combine(regressions, "loopback.program"), "program 1\noutb 0x3fc 0x10\noutb 0x3f8 0x41\ninb 0x3f8\n");
        var file = CampaignFile.Read(YamlFile.Parse(
            $"schema: 1\noutput: {_folder}/out\ntime: 2s\nslice: 1s\nworkers: 2\nregressions: {_folder}/regressions\ntargets:\n  - name: isa-serial\n  - name: isa-debug-exit\n    most: 1s\n", "night.yaml"));

        var outcomes = await new Campaign(file, 1, static _ => { }).RunAsync(CancellationToken.None);

        Assert.Equal(["isa-serial", "isa-debug-exit"], outcomes.Select(outcome => outcome.Target));
        Assert.All(outcomes, outcome => Assert.True(outcome is { IsBad: false, Last.Edges: > 0 } && outcome.Spent > TimeSpan.Zero));
        var junit = Path.Combine(_folder, "fuzz.xml");
        CampaignJUnit.Write(junit, outcomes);
        Assert.Equal("0", XDocument.Load(junit).Root!.Attribute("failures")!.Value);
        var page = HtmlPage.Render(Path.Combine(_folder, "out"));
        Assert.Contains("<h2>isa-serial</h2>", page, StringComparison.Ordinal);
        Assert.Equal(6, page.Split("<polyline").Length - 1);
        // Both kinds of lines are there: no run of a second reaches all of a device.
        Assert.Contains("Uart16550A.cs:", page, StringComparison.Ordinal);
        Assert.Contains("class=\"in\"", page, StringComparison.Ordinal);
        Assert.Contains("class=\"out\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_that_another_campaign_stored_is_known()
    {
        var crashes = Path.Combine(_folder, "out", "isa-debug-exit", "crashes");
        using var store = ResultStore.Open(Path.Combine(_folder, "store"));
        var findings = new FindingStore(store);
        findings.Record("isa-debug-exit", ["old fault"], DateTime.UnixEpoch);
        var file = CampaignFile.Read(YamlFile.Parse($"schema: 1\noutput: {_folder}/out\ntime: 2s\nslice: 1s\nworkers: 1\ntargets:\n  - name: isa-debug-exit\n", "night.yaml"));
        var campaign = new Campaign(file, 1, _ =>
        {
            // As a worker leaves what it finds.
            foreach (var (number, bucket) in ((int, string)[])[(0, "old fault"), (1, "new fault")])
            {
                File.WriteAllText(Path.Combine(crashes, $"id:{number:d6}.txt"), bucket + "\n");
                File.WriteAllBytes(Path.Combine(crashes, $"id:{number:d6}"), []);
            }
        }, findings);

        var outcome = Assert.Single(await campaign.RunAsync(CancellationToken.None));

        Assert.Equal(["new fault"], outcome.New);
        Assert.Contains("old fault", outcome.Known);
        Assert.Equal(["new fault", "old fault"], findings.Known("isa-debug-exit").Order());
    }

    [Fact]
    public void What_is_new_or_came_back_fails_its_case_in_JUnit()
    {
        var junit = Path.Combine(_folder, "fuzz.xml");
        CampaignJUnit.Write(junit, [new CampaignOutcome("pc", default, TimeSpan.FromSeconds(1), ["old"], ["InvalidOperationException I8259.Write\u001b"], [])]);

        var failure = XDocument.Load(junit).Descendants("failure").Single();
        Assert.Equal("InvalidOperationException I8259.Write\\x1b", failure.Value);
    }

    [Theory]
    [InlineData("schema: 1\noutput: o\ntargets:\n  - name: pc\n", "'time' is missing")]
    [InlineData("schema: 1\noutput: o\ntime: 1h\n", "'targets' names none")]
    [InlineData("schema: 1\noutput: o\ntime: 1h\ntargets:\n  - name: frob\n", "night.yaml:5: \"frob\" is no fuzz target")]
    [InlineData("schema: 1\noutput: o\ntime: soon\ntargets:\n  - name: pc\n", "night.yaml:3: 'time' must be a number")]
    [InlineData("schema: 1\noutput: o\ntime: 1h\ntargets:\n  - name: pc\n    machine: q35\n", "night.yaml:6: 'machine' is for devices of QEMU")]
    [InlineData("schema: 1\noutput: o\ntime: 1h\ntargets:\n  - name: pc\n  - name: pc\n", "night.yaml:6: 'pc' is there twice")]
    public void What_is_wrong_in_a_campaign_is_told_with_its_line(string text, string message) =>
        Assert.Contains(message, Assert.Throws<UserException>(() => CampaignFile.Read(YamlFile.Parse(text, "night.yaml"))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_report_of_a_directory_that_no_fuzzer_wrote_is_refused() =>
        Assert.Contains("plot_data", Assert.Throws<UserException>(() => HtmlPage.Render(_folder)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_line_of_the_plot_that_a_kill_cut_off_is_passed_over()
    {
        File.WriteAllText(Path.Combine(_folder, "plot_data"), "# relative_time\n1, 0, 0, 5, 0, 0, 10.00%, 0, 0, 0, 100.00, 100, 12\n2, 0, 0, 6, 0");

        Assert.Contains("12 edges", HtmlPage.Render(_folder), StringComparison.Ordinal);
    }
}
