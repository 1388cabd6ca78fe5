using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>Which hits of edges are new, against the table of AFL's buckets.</summary>
public sealed unsafe class CoverageMapTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1_000)]
    public void An_edge_is_new_once_for_each_bucket_wherever_it_is(int edges)
    {
        using var map = new CoverageMap(edges);
        var hit = new List<int>();
        var seen = new HashSet<(int, byte)>();
        var random = new FuzzRandom((ulong)edges);
        Assert.False(map.TakeNew(hit));
        for (var run = 0; run < 2_000; run++)
        {
            map.Clear();
            var (edge, count) = (random.Below(edges), (byte)(1 + random.Below(255)));
            CoverageRuntime.Map[edge] = count;

            var isNew = seen.Add((edge, CoverageMap.Bucket(count)));

            Assert.Equal(isNew, map.TakeNew(hit));
            Assert.Equal(isNew ? [edge] : [], hit);
        }
        Assert.Equal(seen.Select(one => one.Item1).Distinct().Count(), map.EdgesSeen);
    }
}
