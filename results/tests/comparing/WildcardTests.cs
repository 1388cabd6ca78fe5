using System.Text.RegularExpressions;
using FsCheck.Fluent;
using Gauntlet.Results.Comparing;

namespace Gauntlet.Results.Tests.Comparing;

public sealed class WildcardTests
{
    [Fact]
    public void A_pattern_matches_what_the_same_regular_expression_matches()
    {
        var text = from letters in Gen.Elements('a', 'b', '*', '?', '.').ListOf() select string.Concat(letters);
        var pairs = from pattern in text from subject in text select (pattern, subject);
        Prop.ForAll(pairs.ToArbitrary(), pair =>
        {
            var expression = "^" + Regex.Escape(pair.pattern).Replace(@"\*", ".*").Replace(@"\?", ".") + "$";
            return Wildcard.Matches(pair.pattern, pair.subject) == Regex.IsMatch(pair.subject, expression, RegexOptions.Singleline | RegexOptions.NonBacktracking);
        }).Holds(2000);
    }

    [Fact]
    public void A_hostile_pattern_ends_soon()
    {
        var pattern = string.Concat(Enumerable.Repeat("a*", 2000)) + "b";
        Assert.False(Wildcard.Matches(pattern, new string('a', 20_000)));
    }
}
