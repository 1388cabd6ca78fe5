using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Each rule's examples: the bad one is reported by it, the good one is not.</summary>
public sealed class ExampleTests
{
    public static TheoryData<string, int, string> Rules()
    {
        var data = new TheoryData<string, int, string>();
        foreach (var set in CheckSetup.RuleSetNames)
        {
            var rules = CheckSetup.CreateRules(set).All;
            for (var i = 0; i < rules.Count; i++)
                data.Add(set, i, rules[i].Id);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void BadExampleIsReported(string set, int index, string id)
    {
        var rule = CheckSetup.CreateRules(set).All[index];
        var findings = Examples.Check(set, rule.Explanation.Bad);
        Assert.Contains(findings, finding => finding.Rule.Id == id && finding.Rule.Message == rule.Message && finding.Severity == rule.Severity);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void GoodExampleIsNot(string set, int index, string id)
    {
        var rule = CheckSetup.CreateRules(set).All[index];
        Assert.DoesNotContain(Examples.Check(set, rule.Explanation.Good), finding => finding.Rule.Id == id);
    }

    /// <summary>Linux's types have several messages each; QEMU's names are ours, one a rule.</summary>
    [Fact]
    public void NoTwoOfQemusRulesShareAName()
    {
        var names = CheckSetup.CreateRules("qemu").All.Select(rule => rule.Id).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(names, name => Assert.Matches("^[A-Z][A-Z0-9_]*$", name));
    }

    [Fact]
    public void EveryRuleSaysWhy()
    {
        foreach (var set in CheckSetup.RuleSetNames)
            Assert.All(CheckSetup.CreateRules(set).All, rule => Assert.EndsWith(".", rule.Explanation.Why.TrimEnd(')')));
    }
}
