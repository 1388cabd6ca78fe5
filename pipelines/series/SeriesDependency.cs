namespace Gauntlet.Pipelines.Series;

/// <summary>What has to be applied before a version, or why that cannot be known.</summary>
/// <param name="Before">Versions in the order to apply them.</param>
/// <param name="Blocked">Why it must wait; null: it need not.</param>
public sealed record SeriesPrerequisites(IReadOnlyList<SeriesVersion> Before, string? Blocked);

/// <summary>Follows <c>Based-on:</c> and <c>prerequisite-patch-id:</c>. What is unknown or goes round in a circle blocks; nothing falls back to the tip.</summary>
public static class SeriesDependency
{
    public static SeriesPrerequisites Resolve(SeriesVersion version, IReadOnlyList<SeriesVersion> all)
    {
        var byMessage = new Dictionary<string, SeriesVersion>();
        var byPatchId = new Dictionary<string, SeriesVersion>();
        // A later version of a series stands for the change: it is the one that would be merged.
        foreach (var known in all.OrderBy(known => known.Version))
        {
            foreach (var patch in known.Patches)
            {
                byMessage[patch.MessageId] = known;
                if (patch.PatchId is not null)
                    byPatchId[patch.PatchId] = known;
            }

            if (known.CoverMessageId is not null)
                byMessage[known.CoverMessageId] = known;
        }

        var before = new List<SeriesVersion>();
        var open = new List<SeriesVersion>();
        return new SeriesPrerequisites(before, Visit(version));

        string? Visit(SeriesVersion at)
        {
            if (open.Any(step => step.Key == at.Key))
                return $"its dependencies go round in a circle: {string.Join(" → ", open.SkipWhile(step => step.Key != at.Key).Append(at))}";
            open.Add(at);
            foreach (var (name, needed) in at.Dependencies.BasedOn.Select(id => (id, byMessage.GetValueOrDefault(id)))
                .Concat(at.Dependencies.PrerequisitePatchIds.Select(id => (id, byPatchId.GetValueOrDefault(id)))))
            {
                if (needed is null)
                    return $"{at} is based on {name}, which is not known; import the mails of that series";
                if (before.Any(done => done.Key == needed.Key))
                    continue;
                if (Visit(needed) is { } reason)
                    return reason;
                if (needed.State != "complete")
                    return $"{at} is based on {needed}, which is {needed.State}";
            }

            open.RemoveAt(open.Count - 1);
            if (open.Count > 0)
                before.Add(at);
            return null;
        }
    }
}
