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

    [Fact]
    public void The_hash_is_the_same_for_the_same_edges_and_buckets_and_another_for_any_other()
    {
        const int Edges = 1_000;
        using var map = new CoverageMap(Edges);
        var hashes = new Dictionary<ulong, (int, byte)>();
        for (var edge = 0; edge < Edges; edge++)
        {
            foreach (var count in (byte[])[1, 2, 3, 4, 8, 16, 32, 128])
            {
                map.Clear();
                CoverageRuntime.Map[edge] = count;
                Assert.True(hashes.TryAdd(map.Hash(), (edge, count)), $"edge {edge}, {count} times: as another");
            }
            // 255 times is as often as 128.
            var before = map.Hash();
            CoverageRuntime.Map[edge] = 255;
            Assert.Equal(before, map.Hash());
        }
        // By these bits paths are told apart: with 8,000 of them most must differ.
        Assert.True(hashes.Keys.Select(static hash => hash % (1 << 18)).Distinct().Count() > 7_500);
    }
}
