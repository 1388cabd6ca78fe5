using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Engine;

public sealed class CorpusToolsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Cmin_keeps_all_that_is_hit_and_merging_the_rest_adds_nothing()
    {
        var run = Path.Combine(_folder, "run");
        await FuzzSession.RunAsync(new FuzzRequest("isa-serial", run) { Execs = 20_000 }, static _ => { }, CancellationToken.None);
        var inputs = CorpusTools.Inputs(run);

        var (chosen, covered, failed) = await CorpusTools.DistilAsync("isa-serial", [], inputs, CancellationToken.None);

        Assert.InRange(chosen.Count, 1, inputs.Count - 1);
        Assert.Equal(0, failed);
        var (more, coveredByAll, _) = await CorpusTools.DistilAsync("isa-serial", chosen, inputs, CancellationToken.None);
        Assert.Empty(more);
        Assert.Equal(covered, coveredByAll);
    }

    [Fact]
    public async Task Two_workers_share_what_they_find_in_directories_of_their_own()
    {
        var run = Path.Combine(_folder, "run");
        var seed = Path.Combine(run, "worker-00");
        new OutputDirectory(seed).AddQueue([1, 2, 3]);

        var last = await FuzzSession.RunAsync(new FuzzRequest("isa-serial", run) { Time = TimeSpan.FromSeconds(4), Jobs = 2 }, static _ => { }, CancellationToken.None);

        Assert.Equal(["worker-00", "worker-01"], OutputDirectory.Parts(run).Select(Path.GetFileName));
        Assert.All(OutputDirectory.Parts(run), part => Assert.NotEmpty(new OutputDirectory(part).Inputs("queue")));
        Assert.True(last is { Execs: > 1_000, Edges: > 0 }, $"{last}");
    }

    [Fact]
    public void A_corpus_that_is_not_there_is_told() =>
        Assert.Contains("there is no directory", Assert.Throws<UserException>(() => CorpusTools.Inputs(Path.Combine(_folder, "none"))).Message, StringComparison.Ordinal);
}
