namespace Gauntlet.Pipelines.Checks.Rules;

/// <summary>A project's rules, and the walk over a patch that asks them. Keeps state between lines: one thread at a time, one patch after the other.</summary>
public abstract class RuleSet
{
    /// <summary>As in <c>--rules</c> and configuration.</summary>
    public abstract string Name { get; }

    /// <summary>All rules, those too that another reports.</summary>
    public abstract IReadOnlyList<Rule> All { get; }

    /// <summary>Types of the project's own checker that have no rule here yet.</summary>
    public virtual IReadOnlyList<string> NotYetDone => [];

    /// <summary>Reads a patch from its first line to its last; findings are added to the scan.</summary>
    public abstract void Walk(PatchScan scan, WalkOptions options);
}

/// <summary>What a walk is told.</summary>
public sealed record WalkOptions
{
    /// <summary>A patch without Signed-off-by is an error.</summary>
    public bool RequireSignOff { get; init; } = true;

    /// <summary>The input is meant to be a patch: not being one is an error.</summary>
    public bool MustBePatch { get; init; } = true;

    /// <summary>The input is a cover letter: it need not be a patch.</summary>
    public bool IsCoverLetter { get; init; }

    /// <summary>Does what the project's own checker does where that is wrong.</summary>
    public bool Legacy { get; init; }
}
