using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Harness.Matrix;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Matrix;

public sealed class PairwiseTests
{
    private static readonly string?[] s_machines = [null, "pc", "q35"], s_cpus = [null, "max"];

    // Subsets of a product, with some cells that cannot run: what exclude, include and a host leave of one.
    private static Arbitrary<List<CellStatus>> Statuses() =>
        (from vmms in Gen.Choose(1, 4)
         from accels in Gen.Choose(1, 3)
         from archs in Gen.Choose(1, 3)
         from fates in Gen.Choose(0, 3).ArrayOf(vmms * accels * archs * s_machines.Length * s_cpus.Length)
         select Product(vmms, accels, archs).Zip(fates).Where(pair => pair.Second > 0)
             .Select(pair => new CellStatus(pair.First, pair.Second == 1 ? "not here" : null, null)).ToList()).ToArbitrary();

    private static IEnumerable<Cell> Product(int vmms, int accels, int archs) =>
        from vmm in Enumerable.Range(0, vmms)
        from accel in Enumerable.Range(0, accels)
        from arch in Enumerable.Range(0, archs)
        from machine in s_machines
        from cpu in s_cpus
        select new Cell($"v{vmm}", $"a{accel}", $"x{arch}", Machine: machine, Cpu: cpu);

    private static HashSet<(int, string?, int, string?)> Pairs(IEnumerable<CellStatus> cells) => [.. cells.SelectMany(status => Pairwise.PairsOf(status.Cell))];

    [Fact]
    public void Every_pair_of_a_cell_that_runs_is_in_a_chosen_one_that_runs() => Prop.ForAll(Statuses(), statuses =>
    {
        var chosen = Pairwise.Reduce(statuses);
        return Pairs(statuses.Where(status => status.SkipReason is null)).SetEquals(Pairs(chosen.Where(status => status.SkipReason is null)));
    }).Holds();

    [Fact]
    public void No_pair_at_all_is_lost_and_none_is_made_up() => Prop.ForAll(Statuses(), statuses => Pairs(statuses).SetEquals(Pairs(Pairwise.Reduce(statuses)))).Holds();

    [Fact]
    public void Chosen_cells_are_given_ones_in_their_order_and_each_adds_a_pair() => Prop.ForAll(Statuses(), statuses =>
    {
        var chosen = Pairwise.Reduce(statuses);
        return chosen.SequenceEqual(statuses.Where(chosen.Contains)) && chosen.Count <= Pairs(statuses).Count;
    }).Holds();

    [Fact]
    public void A_product_shrinks_to_about_its_two_largest_axes()
    {
        var cells = Product(4, 3, 3).Select(cell => new CellStatus(cell, null, null)).ToList();
        // 216 cells; no cover can have fewer than the 4 × 3 pairs of the two largest axes.
        Assert.InRange(Pairwise.Reduce(cells).Count, 12, 18);
    }
}
