namespace Gauntlet.Pipelines.Checks.Rules.Series;

/// <summary>Marks what is found in a line that a later patch of the series takes away again.</summary>
internal sealed class LaterFixes
{
    private readonly IReadOnlyList<CheckedPatch> _patches;
    private readonly Dictionary<(string File, string Line), int> _lastRemoval = [];

    public LaterFixes(IReadOnlyList<CheckedPatch> patches)
    {
        _patches = patches;
        for (var i = 1; i < patches.Count; i++)
        {
            var file = "";
            foreach (var index in Enumerable.Range(0, patches[i].Lines.Count))
            {
                var line = patches[i].Lines[index];
                if (line.StartsWith("--- a/"))
                    file = line["--- a/".Length..].TrimEnd("\t ").ToString();
                else if (line is ['-', _, ..] && file.Length > 0)
                    _lastRemoval[(file, line[1..].ToString())] = i;
            }
        }
    }

    /// <summary>The findings of a patch, those marked that a later one puts right.</summary>
    public List<Finding> Mark(int patch)
    {
        var findings = new List<Finding>(_patches[patch].Findings);
        for (var i = 0; i < findings.Count; i++)
        {
            var finding = findings[i];
            var line = finding.PatchLine > 0 ? _patches[patch].Lines[finding.PatchLine - 1] : default;
            if (finding.FileLine > 0 && line is ['+', _, ..] && _lastRemoval.TryGetValue((finding.File, line[1..].ToString()), out var later) && later > patch)
                findings[i] = finding with { Message = $"{finding.Message} (a later patch of the series, {Path.GetFileName(_patches[later].Name)}, takes the line away)" };
        }
        return findings;
    }
}
