using Gauntlet.Pipelines.Checks.Rules.Safety;
using Gauntlet.Pipelines.Checks.Rules.Series;

namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>All rules that a check can report: a project's own, and those for every project.</summary>
internal static class RuleCatalogue
{
    /// <summary>Rules that hold whatever the project.</summary>
    public static IEnumerable<Rule> ForEveryProject => SafetyRules.All.Concat(SeriesRules.All);

    public static IEnumerable<Rule> All(RuleSet rules) => rules.All.Concat(ForEveryProject);
}
