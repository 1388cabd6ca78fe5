using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Checks.Rules;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Each rule's examples: the bad one is reported by it, the good one is not.</summary>
public sealed class ExampleTests
{
    public static TheoryData<string, string> Rules()
    {
        var data = new TheoryData<string, string>();
        foreach (var set in CheckSetup.RuleSetNames)
        {
            foreach (var rule in CheckSetup.CreateRules(set).All)
                data.Add(set, rule.Id);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void BadExampleIsReported(string set, string id)
    {
        var rule = CheckSetup.CreateRules(set).All.First(rule => rule.Id == id);
        var findings = Examples.Check(set, rule.Explanation.Bad);
        Assert.Contains(findings, finding => finding.Rule.Id == id && finding.Severity == rule.Severity);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void GoodExampleIsNot(string set, string id)
    {
        var rule = CheckSetup.CreateRules(set).All.First(rule => rule.Id == id);
        Assert.DoesNotContain(Examples.Check(set, rule.Explanation.Good), finding => finding.Rule.Id == id);
    }

    [Fact]
    public void NoTwoRulesShareAName()
    {
        foreach (var set in CheckSetup.RuleSetNames)
        {
            var names = CheckSetup.CreateRules(set).All.Select(rule => rule.Id).ToList();
            Assert.Equal(names.Count, names.Distinct().Count());
            Assert.All(names, name => Assert.Matches("^[A-Z][A-Z0-9_]*$", name));
        }
    }

    [Fact]
    public void EveryRuleSaysWhy()
    {
        foreach (var set in CheckSetup.RuleSetNames)
            Assert.All(CheckSetup.CreateRules(set).All, rule => Assert.EndsWith(".", rule.Explanation.Why.TrimEnd(')')));
    }
}
