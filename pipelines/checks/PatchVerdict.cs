namespace Gauntlet.Pipelines.Checks;

/// <summary>What a check came to.</summary>
public enum PatchVerdict
{
    /// <summary>Nothing found.</summary>
    Clean,

    /// <summary>Only warnings or less.</summary>
    Warnings,

    Errors,

    /// <summary>The input could not be read as a patch, whole or in part.</summary>
    NotChecked,
}
