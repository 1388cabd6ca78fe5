namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>Which rules of a set report: those of <c>--types</c>, or all but those of <c>--ignore</c>.</summary>
public sealed class RuleSelection
{
    public static RuleSelection All { get; } = new();

    /// <summary>Only these, when there are any.</summary>
    public HashSet<string> Types { get; init; } = [];

    public HashSet<string> Ignored { get; init; } = [];

    /// <summary>Release of the project's checker that is followed; null for the newest.</summary>
    public Version? Release { get; init; }

    /// <summary>Matters of taste are reported too.</summary>
    public bool Strict { get; init; } = true;

    /// <param name="taste">Matters of taste count where the rule found something, whatever <see cref="Strict"/> says.</param>
    public bool Selects(Rule rule, bool taste = false) => Selects(rule, rule.Severity, taste);

    /// <param name="severity">What the rule's finding weighs where it was found.</param>
    /// <param name="taste">As above.</param>
    public bool Selects(Rule rule, Severity severity, bool taste) =>
        (Strict || taste || severity != Severity.Check)
        && (Release is null || rule.Since <= Release)
        && (Types.Count > 0 ? Types.Contains(rule.Id) : Ignored.Count == 0 || !Ignored.Contains(rule.Id));
}
