namespace Gauntlet.Pipelines.Series;

/// <summary>Mails of one version of one series, while it is being put together.</summary>
public sealed class SeriesGroup(int version, int total, string? author)
{
    public int Version { get; } = version;

    /// <summary>The n of its i/n; 1 for a patch without numbers.</summary>
    public int Total { get; } = total;

    public string? Author { get; } = author;

    public SortedMail? Cover { get; set; }

    public SortedDictionary<int, SortedMail> Patches { get; } = [];

    public List<string> Problems { get; } = [];

    public IEnumerable<SortedMail> Mails => Cover is null ? Patches.Values : Patches.Values.Prepend(Cover);

    /// <summary>The mail that stands for it: cover letter, else the first patch.</summary>
    public SortedMail Head => Cover ?? Patches.Values.First();

    public DateTimeOffset? Date => Mails.Max(item => item.Mail.Date);

    /// <summary>Another group of the same author, total and version.</summary>
    public bool Matches(SubjectTag tag, string? from) => Version == tag.Version && Total == (tag.Total ?? 1) && Author == from;

    public void Place(SortedMail item)
    {
        var number = item.Mail.Tag.Number ?? 1;
        if (number > Total)
            Problems.Add($"{item.Mail.Name} calls itself patch {number} of {Total}");
        if (BinaryPatchSize.Measure(item.Parts.Patch) is > BinaryPatchSize.MaxBytes and var size)
            Problems.Add($"the binary changes of {item.Mail.Name} unpack to {size >> 20} MiB; a patch may have {BinaryPatchSize.MaxBytes >> 20}");
        if (item.Parts.Message.Contains('\0', StringComparison.Ordinal))
            Problems.Add($"the message of {item.Mail.Name} holds a NUL byte, and git commits none");
        if (Patches.TryGetValue(number, out var there))
        {
            if (there.Mail.BodyHash != item.Mail.BodyHash)
                Problems.Add($"two mails claim to be patch {number}: {there.Mail.Name} and {item.Mail.Name}");
        }
        else
        {
            Patches.Add(number, item);
        }
    }
}

/// <summary>Puts covers and patches of one version of one series together.</summary>
public static class SeriesGrouping
{
    /// <summary>Every mail goes to exactly one group; the order of the mails does not matter.</summary>
    public static List<SeriesGroup> Group(IReadOnlyList<SortedMail> items)
    {
        var groups = new List<SeriesGroup>();
        var byMail = new Dictionary<string, SeriesGroup>();
        var byOrphanage = new Dictionary<(string Thread, int Version, int Total, string? From), SeriesGroup>();

        // Covers, then patches by number: when a patch is looked at, the mail it hangs on has its group, if it is there at all.
        foreach (var item in items.OrderBy(item => item.Kind).ThenBy(item => item.Mail.Tag.Number ?? 1).ThenBy(item => item.Mail.Date).ThenBy(item => item.Mail.Name, StringComparer.Ordinal))
        {
            var (mail, tag) = (item.Mail, item.Mail.Tag);
            var group = item.Kind == MailKind.CoverLetter ? null : FindAmongAncestors(mail) ?? FindAmongOrphans(mail);
            if (group is null)
            {
                group = new SeriesGroup(tag.Version, tag.Total ?? 1, mail.From);
                groups.Add(group);
                byOrphanage.TryAdd(OrphanKey(mail), group);
            }

            if (item.Kind == MailKind.CoverLetter)
                group.Cover = item;
            else
                group.Place(item);
            if (mail.Id is not null)
                byMail[mail.Id] = group;
        }

        return groups;

        SeriesGroup? FindAmongAncestors(Mail mail) => mail.References.Reverse()
            .Select(byMail.GetValueOrDefault)
            .FirstOrDefault(group => group?.Matches(mail.Tag, mail.From) == true);

        // Siblings whose common parent is missing or belongs to something else; or a folder of patches that were never threaded.
        SeriesGroup? FindAmongOrphans(Mail mail) =>
            mail.Tag.Number is not null && byOrphanage.TryGetValue(OrphanKey(mail), out var group) && group.Cover is null
            && (mail.Parent is not null || !group.Patches.ContainsKey(mail.Tag.Number.Value))
                ? group
                : null;
    }

    private static (string, int, int, string?) OrphanKey(Mail mail) => (mail.Parent ?? "", mail.Tag.Version, mail.Tag.Total ?? 1, mail.From);
}
