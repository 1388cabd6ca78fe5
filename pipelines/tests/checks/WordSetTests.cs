using FsCheck.Fluent;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>The set that spans are looked up in is a set.</summary>
public sealed class WordSetTests
{
    [Fact]
    public void ItHasWhatWasAddedAndNothingElse() =>
        Prop.ForAll<string[], string[]>((added, others) =>
        {
            string[] words = [.. added.OfType<string>()];
            var set = new WordSet(words);
            return words.All(word => set.Contains(word)) && others.OfType<string>().All(word => set.Contains(word) == words.Contains(word));
        }).Holds();

    [Fact]
    public void ItGrows()
    {
        var set = new WordSet();
        for (var i = 0; i < 10_000; i++)
            set.Add($"word{i}");
        Assert.All(Enumerable.Range(0, 10_000), i => Assert.True(set.Contains($"word{i}")));
        Assert.False(set.Contains("word10000"));
        set.Clear();
        Assert.False(set.Contains("word1"));
    }

    [Fact]
    public void AListOfValuesKeepsTheirOrder()
    {
        var list = new ValueList<int>();
        for (var i = 0; i < 100; i++)
            list.Add(i);
        list.RemoveLast();
        Assert.Equal(Enumerable.Range(0, 99), list.Items.ToArray());
        list.Clear();
        Assert.Equal(0, list.Count);
    }
}
