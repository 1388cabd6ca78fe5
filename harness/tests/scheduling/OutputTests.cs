using System.Text;
using FsCheck.Fluent;
using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Tests.Scheduling;

public sealed class OutputTests
{
    [Fact]
    public void Output_within_the_capacity_is_kept_whole_and_beyond_it_as_head_and_tail()
    {
        Prop.ForAll(ArbMap.Default.ArbFor<byte[][]>(), Arb.From(Gen.Choose(2, 64)), (chunks, capacity) =>
        {
            var keeper = new OutputKeeper(capacity);
            foreach (var chunk in chunks)
                keeper.Append(chunk);
            var all = chunks.SelectMany(c => c).ToArray();
            var kept = keeper.Take();
            var expected = all.Length <= capacity ? all : [.. all[..(capacity - capacity / 2)], .. all[^(capacity / 2)..]];
            return kept.TotalLength == all.Length && kept.Bytes.SequenceEqual(expected) && kept.Truncated == all.Length > capacity;
        }).Holds();
    }

    [Fact]
    public void Lines_do_not_depend_on_how_the_bytes_arrive()
    {
        var text = Gen.Elements('a', '\n', '\r', '\0', 'é').ArrayOf().Select(c => new string(c));
        Prop.ForAll(Arb.From(text), Arb.From(Gen.Choose(1, 7)), (whole, step) =>
        {
            var bytes = Encoding.UTF8.GetBytes(whole);
            var lines = new List<string>();
            var splitter = new LineSplitter(lines.Add);
            for (var i = 0; i < bytes.Length; i += step)
                splitter.Append(bytes.AsSpan(i, Math.Min(step, bytes.Length - i)));
            splitter.Finish();
            var expected = whole.Split('\n').ToList();
            if (expected[^1].Length == 0)
                expected.RemoveAt(expected.Count - 1);
            return lines.SequenceEqual(expected.Select(l => l.EndsWith('\r') ? l[..^1] : l));
        }).Holds();
    }

    [Fact]
    public void A_line_without_end_comes_in_pieces()
    {
        var lines = new List<string>();
        var splitter = new LineSplitter(lines.Add);
        for (var i = 0; i < 300; i++)
            splitter.Append(new byte[1000].Select(_ => (byte)'x').ToArray());
        splitter.Finish();
        Assert.Equal(300_000, lines.Sum(l => l.Length));
        Assert.All(lines, l => Assert.True(l.Length <= LineSplitter.MaxLineBytes));
    }

    [Fact]
    public void Bytes_that_are_no_text_are_replaced()
    {
        var lines = new List<string>();
        var splitter = new LineSplitter(lines.Add);
        splitter.Append([0xff, (byte)'a', 0xc3, (byte)'\n']);
        Assert.Equal(["\ufffda\ufffd"], lines);
    }
}
