using System.Text;
using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Series;

/// <summary>Finds which groups are versions of one series, fills partial rerolls, and makes the final records.</summary>
public static partial class SeriesLinking
{
    /// <summary>Groups by series, each in the order of its versions.</summary>
    public static List<List<SeriesGroup>> Link(IReadOnlyList<SeriesGroup> groups)
    {
        var leader = groups.ToDictionary(group => group, group => group);
        var byMail = groups.SelectMany(group => group.Mails.Where(item => item.Mail.Id is not null).Select(item => (item.Mail.Id, group))).ToLookup(pair => pair.Id!, pair => pair.group);

        foreach (var group in groups)
        {
            foreach (var earlier in group.Mails.SelectMany(item => item.Mail.References).SelectMany(id => byMail[id]))
            {
                if (earlier.Version != group.Version && earlier.Author == group.Author || IsPiece(group, earlier))
                    Join(group, earlier);
            }

            foreach (var superseded in Superseded(group).SelectMany(id => byMail[id]).Where(other => other.Author == group.Author))
                Join(group, superseded);
        }

        // Without a thread between them: the same author, another version, and the same name or mostly the same patches.
        foreach (var author in groups.GroupBy(group => group.Author))
        {
            foreach (var title in author.GroupBy(group => Normal(group.Head.Mail.Tag.Title)))
            {
                foreach (var other in title.Skip(1).Where(other => other.Version != title.First().Version))
                    Join(other, title.First());
            }

            var titles = new Dictionary<string, SeriesGroup>();
            foreach (var group in author.OrderBy(group => group.Version))
            {
                var shared = group.Patches.Values.Select(item => Normal(item.Mail.Tag.Title)).Select(titles.GetValueOrDefault).Where(other => other is not null && other.Version != group.Version)
                    .GroupBy(other => other!).FirstOrDefault(same => same.Count() * 2 > group.Patches.Count && group.Patches.Count > 1);
                if (shared is not null)
                    Join(group, shared.Key);
                foreach (var item in group.Patches.Values)
                    titles.TryAdd(Normal(item.Mail.Tag.Title), group);
            }
        }

        return [.. groups.GroupBy(Find).Select(same => MergePieces([.. same.OrderBy(group => group.Version).ThenBy(group => group.Date)]))];

        SeriesGroup Find(SeriesGroup group)
        {
            while (!ReferenceEquals(leader[group], group))
                group = leader[group] = leader[leader[group]];
            return group;
        }

        void Join(SeriesGroup a, SeriesGroup b) => leader[Find(a)] = Find(b);
    }

    /// <summary>The records of one series.</summary>
    /// <param name="versions">From <see cref="Link"/>.</param>
    /// <param name="keep">Keeps a mail's bytes and returns their hash.</param>
    /// <param name="patchIds">By message identifier or source.</param>
    public static IEnumerable<SeriesVersion> Finish(IReadOnlyList<SeriesGroup> versions, Func<Mail, string> keep, IReadOnlyDictionary<string, string> patchIds)
    {
        var id = versions[0].Head.Mail.Name.Trim('<', '>');
        var done = new List<SeriesVersion>();
        foreach (var group in versions)
        {
            var patches = group.Patches
                .Select(pair => new SeriesPatch(pair.Key, pair.Value.Mail.Tag.Title, pair.Value.Mail.Name, pair.Value.Mail.From, keep(pair.Value.Mail), patchIds.GetValueOrDefault(pair.Value.Mail.Name)))
                .ToList();
            if (group.Cover is null && done.LastOrDefault(earlier => earlier.Version < group.Version && earlier.Total == group.Total) is { } base_ && RepliesTo(group, base_))
            {
                patches.AddRange(base_.Patches.Where(patch => !group.Patches.ContainsKey(patch.Number)).Select(patch => patch with { TakenFromVersion = patch.TakenFromVersion ?? base_.Version }));
                patches.Sort((a, b) => a.Number.CompareTo(b.Number));
            }

            if (done.Any(other => other.Version == group.Version))
                group.Problems.Add($"the series has another version {group.Version}: {done.First(other => other.Version == group.Version).Title}");
            if (patches.Count == 0)
                group.Problems.Add("none of its patches arrived");
            done.Add(new SeriesVersion
            {
                SeriesId = id,
                Version = group.Version,
                Title = group.Head.Mail.Tag.Title,
                Author = group.Author,
                Date = group.Date,
                Total = group.Total,
                Patches = patches,
                CoverMessageId = group.Cover?.Mail.Name,
                CoverSha256 = group.Cover is null ? null : keep(group.Cover.Mail),
                Dependencies = DependenciesOf(group),
                Problems = [.. group.Problems],
            });
        }

        return done;
    }

    /// <summary>A piece: single patches that each answer the mail they replace, and no cover letter.</summary>
    private static bool IsPiece(SeriesGroup group, SeriesGroup earlier) =>
        group.Cover is null && group.Author == earlier.Author && group.Total == earlier.Total && group.Version > earlier.Version;

    private static bool RepliesTo(SeriesGroup group, SeriesVersion earlier)
    {
        var ids = earlier.Patches.Select(patch => patch.MessageId).Append(earlier.CoverMessageId).ToHashSet();
        return group.Patches.Values.All(item => item.Mail.Parent is { } parent && ids.Contains(parent));
    }

    // v3 2/5 and v3 4/5, each an answer to its v2, came to two groups.
    private static List<SeriesGroup> MergePieces(List<SeriesGroup> versions)
    {
        for (var i = 1; i < versions.Count; i++)
        {
            var (first, second) = (versions[i - 1], versions[i]);
            if (first.Version != second.Version || first.Total != second.Total || first.Cover is not null || second.Cover is not null
                || first.Patches.Keys.Intersect(second.Patches.Keys).Any())
                continue;
            foreach (var item in second.Patches.Values)
                first.Place(item);
            versions.RemoveAt(i--);
        }

        return versions;
    }

    private static IEnumerable<string> Superseded(SeriesGroup group) => Text(group).SelectMany(text => Supersedes().Matches(text).Select(match => Bracketed(match.Groups["id"].Value)));

    private static SeriesDependencies DependenciesOf(SeriesGroup group)
    {
        var text = string.Join('\n', Text(group));
        return new SeriesDependencies(
            BaseCommit().Match(text) is { Success: true } match ? match.Groups["id"].Value : null,
            [.. BasedOn().Matches(text).Select(found => Bracketed(found.Groups["id"].Value)).Distinct()],
            [.. Prerequisite().Matches(text).Select(found => found.Groups["id"].Value).Distinct()]);
    }

    // Dependencies stand in the cover letter, or around the first patch: format-patch writes base-commit behind the change.
    private static IEnumerable<string> Text(SeriesGroup group)
    {
        yield return group.Head.Parts.Message;
        yield return Encoding.UTF8.GetString(group.Head.Parts.Patch.AsSpan(Math.Max(0, group.Head.Parts.Patch.Length - MaxTail)));
    }

    /// <summary>Bytes at the end of a mail in which base-commit and prerequisites are looked for.</summary>
    private const int MaxTail = 64 << 10;

    private static string Bracketed(string id) => "<" + id.Trim('<', '>') + ">";

    private static string Normal(string title) => NotWord().Replace(title.ToLowerInvariant(), " ").Trim();

    [GeneratedRegex(@"\W+")]
    private static partial Regex NotWord();

    [GeneratedRegex(@"^Supersedes:\s*(?<id><?[^\s<>]+@[^\s<>]+>?)", RegexOptions.Multiline | RegexOptions.IgnoreCase)]
    private static partial Regex Supersedes();

    [GeneratedRegex(@"^Based-on:\s*(?<id><?[^\s<>]+@[^\s<>]+>?)", RegexOptions.Multiline | RegexOptions.IgnoreCase)]
    private static partial Regex BasedOn();

    [GeneratedRegex(@"^base-commit: (?<id>[0-9a-f]{7,64})\s*$", RegexOptions.Multiline)]
    private static partial Regex BaseCommit();

    [GeneratedRegex(@"^prerequisite-patch-id: (?<id>[0-9a-f]{40,64})\s*$", RegexOptions.Multiline)]
    private static partial Regex Prerequisite();
}
