using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks;

/// <summary>A patch with what was found in it.</summary>
/// <param name="Name">The file, or the commit.</param>
/// <param name="DisplayName">How the closing sentence names it.</param>
/// <param name="WholeFile">A source file, checked as a whole.</param>
/// <param name="CheckedLines">Lines of hunks.</param>
/// <param name="IsPatch">Whether anything of a patch was found in it.</param>
/// <param name="NotChecked">Why it could not be checked; null when it could.</param>
public sealed record CheckedPatch(
    string Name,
    string DisplayName,
    TextLines Lines,
    bool WholeFile,
    IReadOnlyList<Finding> Findings,
    int CheckedLines,
    bool IsPatch,
    string? NotChecked = null)
{
    public int Count(Severity severity)
    {
        var count = 0;
        foreach (var finding in Findings)
            count += finding.Severity == severity ? 1 : 0;
        return count;
    }

    public PatchVerdict Verdict =>
        NotChecked is not null ? PatchVerdict.NotChecked
        : Count(Severity.Error) > 0 ? PatchVerdict.Errors
        : Findings.Count > 0 ? PatchVerdict.Warnings
        : PatchVerdict.Clean;

    /// <summary>Whether the exit code may be 0.</summary>
    /// <param name="strict">Warnings fail too.</param>
    public bool Passes(bool strict) => Verdict == PatchVerdict.Clean || (Verdict == PatchVerdict.Warnings && !strict);
}
