using FsCheck.Fluent;
using Gauntlet.Results.Comparing;

namespace Gauntlet.Results.Tests.Comparing;

public sealed class TimingComparisonTests
{
    [Fact]
    public void A_job_within_its_own_noise_is_neither_slower_nor_faster()
    {
        var sides = from seed in Gen.Choose(0, int.MaxValue) from before in Gen.Choose(3, 20) from after in Gen.Choose(1, 5) select (seed, before, after);
        var flagged = 0;
        const int rounds = 1000;
        Prop.ForAll(sides.ToArbitrary(), side =>
        {
            var random = new Random(side.seed);
            double Sample() => 1 + 0.1 * random.NextDouble();
            var timing = Of(Enumerable.Range(0, side.before).Select(_ => Sample()), Enumerable.Range(0, side.after).Select(_ => Sample()));
            flagged += timing.IsSlower || timing.IsFaster ? 1 : 0;
        }).Holds(rounds);
        Assert.Equal(0, flagged);
    }

    [Fact]
    public void Half_again_as_slow_is_seen_through_noise_of_five_percent_and_an_outlier_on_each_side()
    {
        var timing = Of([1.00, 1.05, 0.97, 1.03, 9, 1.01, 0.96], [1.5, 1.55, 0.2, 1.48]);
        Assert.True(timing.IsSlower);
        Assert.False(timing.IsFaster);
        Assert.InRange(timing.Ratio, 1.4, 1.6);
        Assert.True(Of([1.5, 1.52, 1.48], [1.0]).IsFaster);
    }

    [Theory]
    [InlineData(1.0, 1.05, false)]
    [InlineData(0.010, 0.030, false)]
    [InlineData(1.0, 1.3, false)]
    [InlineData(1.0, 3.0, true)]
    [InlineData(0.0, 3.0, true)]
    [InlineData(0.0, 0.0, false)]
    public void Against_a_single_sample_only_a_large_change_counts(double before, double after, bool slower) => Assert.Equal(slower, Of([before], [after]).IsSlower);

    [Fact]
    public void Without_samples_nothing_is_said()
    {
        Assert.Null(TimingComparison.Of([], [1]));
        Assert.Null(TimingComparison.Of([1], []));
    }

    [Fact]
    public void Swapping_the_sides_swaps_the_sign()
    {
        var samples = from list in Gen.Choose(100, 400).Select(x => x / 100.0).NonEmptyListOf() where list.Count >= 3 select list;
        Prop.ForAll(samples.ToArbitrary(), samples.ToArbitrary(), (one, other) =>
            Assert.Equal(Math.Sign(Of(one, other).Z), -Math.Sign(Of(other, one).Z))).Holds();
    }

    private static TimingComparison Of(IEnumerable<double> before, IEnumerable<double> after) => TimingComparison.Of(before.ToList(), after.ToList())!;
}
