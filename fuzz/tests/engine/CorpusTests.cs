using FsCheck.Fluent;
using Gauntlet.Fuzz.Engine;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>Whose turn it is, and how long: the power schedules.</summary>
public sealed class CorpusTests
{
    private const int Edges = 64;

    public static TheoryData<PowerSchedule> Schedules => [.. Enum.GetValues<PowerSchedule>()];

    [Theory]
    [MemberData(nameof(Schedules))]
    public void Whatever_the_corpus_is_a_turn_has_some_mutations_and_not_too_many(PowerSchedule schedule)
    {
        var entries = from length in Gen.Choose(0, 40) from hit in Gen.Choose(0, Edges - 1).ArrayOf() from path in ArbMap.Default.GeneratorFor<uint>() from isChild in ArbMap.Default.GeneratorFor<bool>() select (length, hit, path, isChild);
        Prop.ForAll(entries.NonEmptyListOf().ToArbitrary(), found =>
        {
            var (corpus, random) = (new Corpus(Edges, schedule), new FuzzRandom(1));
            foreach (var (length, hit, path, isChild) in found)
            {
                corpus.Add(new byte[length], [.. hit.Distinct()], path, isChild ? corpus.Entries.LastOrDefault() : null);
                for (var turn = 0; turn < 3; turn++)
                {
                    // Some entry is favoured as soon as one hits an edge; where none does, chance decides.
                    var entry = corpus.Pick(random);
                    if (corpus.EnergyOf(entry) is < 1 or > Corpus.MostEnergy)
                        return false;
                    Corpus.TakeTurn(entry);
                    if (corpus.CountsRuns)
                        corpus.CountRun(entry.Path);
                }
            }
            return corpus.Entries.All(static entry => entry.Handicap >= 0);
        }).Holds();
    }

    [Fact]
    public void Fast_gives_more_to_an_entry_whose_path_few_runs_took_and_always_less_with_more_of_them()
    {
        var corpus = new Corpus(Edges, PowerSchedule.Fast);
        var (seldom, often) = (corpus.Add([1], [1], path: 1), corpus.Add([2], [2], path: 2));
        Corpus.TakeTurn(seldom);
        Corpus.TakeTurn(often);
        Assert.Equal(corpus.EnergyOf(seldom), corpus.EnergyOf(often));

        var before = corpus.EnergyOf(often);
        for (var run = 0; run < 1_000; run++)
        {
            corpus.CountRun(often.Path);
            Assert.True(corpus.EnergyOf(often) <= before, $"after {run} runs");
            before = corpus.EnergyOf(often);
        }

        // AFL++'s factors: 4 for the first two powers of two, 1 from the eighth on where it is favoured.
        Assert.Equal(4 * corpus.EnergyOf(often), corpus.EnergyOf(seldom), 5.0);
    }

    [Fact]
    public void Fast_takes_the_favour_of_a_common_path_from_entries_that_are_not_favoured()
    {
        var corpus = new Corpus(Edges, PowerSchedule.Fast);
        // The shorter one is the best for their edge.
        var (plain, favoured) = (corpus.Add([1, 2], [1], path: 1), corpus.Add([1], [1], path: 2));
        Corpus.TakeTurn(plain);
        Corpus.TakeTurn(favoured);
        for (var run = 0; run < 256; run++)
        {
            corpus.CountRun(plain.Path);
            corpus.CountRun(favoured.Path);
        }

        Assert.True(favoured.Favoured && !plain.Favoured);
        Assert.Equal((40, 115), (corpus.EnergyOf(plain), corpus.EnergyOf(favoured)));
    }

    [Fact]
    public void Fast_gives_a_first_turn_what_explore_does()
    {
        foreach (var schedule in (PowerSchedule[])[PowerSchedule.Explore, PowerSchedule.Fast])
            Assert.Equal(100, new Corpus(Edges, schedule) is var corpus ? corpus.EnergyOf(corpus.Add([1], [1], path: 1)) : 0);
    }

    [Fact]
    public void Explore_gives_more_to_what_hits_much_lies_deep_or_was_found_late()
    {
        var corpus = new Corpus(Edges, PowerSchedule.Explore);
        var parent = corpus.Add([0], [0]);
        var usual = corpus.EnergyOf(parent);
        CorpusEntry deep = parent;
        for (var depth = 2; depth <= 4; depth++)
            deep = corpus.Add([(byte)depth], [0], parent: deep);
        Assert.Equal(4, deep.Depth);
        Assert.Equal(2 * usual, corpus.EnergyOf(deep));

        // All have had their turns several times: who comes now catches up, and then has as much as the others.
        var random = new FuzzRandom(1);
        for (var turn = 0; turn < 40; turn++)
            Corpus.TakeTurn(corpus.Pick(random));
        var late = corpus.Add([9], [0]);
        Assert.Equal(4 * usual, corpus.EnergyOf(late));
        for (var turn = late.Handicap; turn > 0; turn--)
            Corpus.TakeTurn(late);
        Assert.Equal(usual, corpus.EnergyOf(late));

        Assert.True(corpus.EnergyOf(corpus.Add([7], [.. Enumerable.Range(0, Edges)])) > 4 * usual);
    }

    [Fact]
    public void Rare_gives_more_where_few_entries_hit_an_edge_and_less_with_every_turn()
    {
        var corpus = new Corpus(Edges, PowerSchedule.Rare);
        for (var i = 0; i < 20; i++)
            corpus.Add([1, 2, 3], [0]);
        var common = corpus.Add([1, 2, 3], [0]);
        var rare = corpus.Add([1, 2, 3], [0, 1]);
        Assert.True(corpus.EnergyOf(rare) > 4 * corpus.EnergyOf(common));

        for (var (turn, before) = (0, corpus.EnergyOf(rare)); turn < 20; turn++, before = corpus.EnergyOf(rare))
        {
            Corpus.TakeTurn(rare);
            Assert.True(corpus.EnergyOf(rare) <= before);
        }

        // What was rare is so no more.
        for (var i = 0; i < 20; i++)
            corpus.Add([1, 2, 3], [1]);
        var (now, fresh) = (corpus.EnergyOf(rare), corpus.Add([1, 2, 3], [0, 2]));
        Assert.True(now < corpus.EnergyOf(fresh));
    }

    [Fact]
    public void Paths_are_counted_only_where_the_schedule_asks_how_many_runs_took_them() =>
        Assert.Equal([PowerSchedule.Fast], Enum.GetValues<PowerSchedule>().Where(static schedule => new Corpus(Edges, schedule).CountsRuns));
}
