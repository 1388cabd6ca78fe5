namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>How much a finding weighs.</summary>
public enum Severity
{
    /// <summary>Matter of taste; shown when strict.</summary>
    Check,

    Warning,

    Error,
}

/// <summary>A patch that shows a rule, as lines of the file that it adds, or as a whole patch when it begins with <c>From</c> or <c>diff</c>.</summary>
/// <param name="Path">The file that the lines are added to.</param>
public readonly record struct Example(string Text, string Path = "hw/misc/example.c")
{
    public static implicit operator Example(string text) => new(text);
}

/// <summary>What <c>--explain</c> prints for a rule. The examples are the rule's tests.</summary>
/// <param name="Why">The reason, in whole sentences.</param>
/// <param name="Bad">What the rule reports.</param>
/// <param name="Good">The same done right: the rule is silent.</param>
public sealed record Explanation(string Why, Example Bad, Example Good);

/// <summary>One thing that a patch can do wrong.</summary>
public abstract class Rule(string id, Severity severity, string message)
{
    /// <summary>Name in capitals, for <c>--types</c>, <c>--ignore</c> and configuration. Linux's checkpatch's where that has one.</summary>
    public string Id { get; } = id;

    public Severity Severity { get; } = severity;

    /// <summary>A matter of taste in a whole file, which nobody is about to change.</summary>
    public bool IsMilderInFiles { get; init; }

    /// <summary>What is reported; rules that name what they found replace it.</summary>
    public string Message { get; } = message;

    /// <summary>First release of the project's own checker that reports this; 0 when all do.</summary>
    public virtual Version Since => AllReleases;

    public abstract Explanation Explanation { get; }

    protected static Version AllReleases { get; } = new(0, 0);
}

/// <summary>A rule that looks at one line after the other, with the lines around it.</summary>
public abstract class LineRule(string id, Severity severity, string message) : Rule(id, severity, message)
{
    /// <summary>Called before a patch; forgets what the last one showed.</summary>
    public virtual void Begin()
    {
    }

    public abstract void Check(PatchScan scan);
}

/// <summary>A rule that another one reports, which finds both in one look.</summary>
internal sealed class ReportedRule(string id, Severity severity, string message, string why, Example bad, Example good) : LineRule(id, severity, message)
{
    public override Explanation Explanation => new(why, bad, good);

    public override void Check(PatchScan scan)
    {
    }
}

/// <summary>A rule that remembers lines of a hunk.</summary>
internal interface IHunkRule
{
    void BeginHunk();
}

/// <summary>A rule whose finding comes from the walk over the patch itself, or from the whole of it.</summary>
public sealed class WholeRule(string id, Severity severity, string message, Func<Explanation> explanation, Version? since = null) : Rule(id, severity, message)
{
    public override Version Since => since ?? AllReleases;

    public override Explanation Explanation => explanation();
}
