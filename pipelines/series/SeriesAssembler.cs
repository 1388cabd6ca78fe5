namespace Gauntlet.Pipelines.Series;

/// <summary>
/// Makes series of a pile of mails, in any order: by their threads and by <c>[PATCH vN i/n]</c>, never by a subject alone, since subjects change between versions.
/// </summary>
public static class SeriesAssembler
{
    /// <param name="mails">All that are known of the threads.</param>
    /// <param name="keep">Keeps a mail's bytes and returns their hash.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<AssembledMails> AssembleAsync(IReadOnlyList<Mail> mails, Func<Mail, string> keep, CancellationToken cancellation)
    {
        var quarantined = new List<QuarantinedMail>();
        var distinct = Quarantine(mails, quarantined);
        var (sorted, neither) = await SortAsync(distinct, quarantined, cancellation);

        var groups = SeriesGrouping.Group(sorted.Where(item => item.Kind is MailKind.CoverLetter or MailKind.Patch).ToArray());
        var series = SeriesLinking.Link(groups);
        var ids = await PatchIds.ComputeAsync([.. sorted.Where(item => item.Kind == MailKind.Patch)], cancellation);

        var versions = series.SelectMany(one => SeriesLinking.Finish(one, keep, ids)).ToArray();
        var replies = sorted.Where(item => item.Kind == MailKind.Reply).ToArray();
        return new AssembledMails([.. WithTrailers(versions, replies, distinct)], quarantined, neither);
    }

    /// <summary>One mail for each identifier. The same mail twice is one; two different ones of one identifier are both put aside.</summary>
    private static List<Mail> Quarantine(IReadOnlyList<Mail> mails, List<QuarantinedMail> quarantined)
    {
        var kept = new List<Mail>();
        foreach (var same in mails.GroupBy(mail => mail.Name))
        {
            if (same.Select(mail => mail.BodyHash).Distinct().Count() == 1)
                kept.Add(same.First());
            else
                quarantined.AddRange(same.Select(mail => new QuarantinedMail(mail.Source, $"another mail with the Message-ID {mail.Id} has a different body")));
        }

        return kept;
    }

    private static async Task<(List<SortedMail> Sorted, int Neither)> SortAsync(
        IEnumerable<Mail> mails, List<QuarantinedMail> quarantined, CancellationToken cancellation)
    {
        var sorted = new List<SortedMail>();
        var neither = 0;
        foreach (var (mail, parts) in await TakeApartAsync([.. mails], cancellation))
        {
            var kind = Classify(mail, parts);
            if (kind == MailKind.Patch && IsSignedInline(parts))
                quarantined.Add(new QuarantinedMail(mail.Name, "it is signed by PGP inline, which puts \"- \" before lines of the change: send it signed by PGP/MIME, or not signed"));
            else if (kind != MailKind.Neither)
                sorted.Add(new SortedMail(mail, kind, parts));
            else if (mail.Headers["Subject"] is null)
                quarantined.Add(new QuarantinedMail(mail.Source, "it has no subject: empty, cut off, or torn at an unescaped \"From \" line"));
            else if (mail.Tag is { IsPatch: true, IsReply: false })
                quarantined.Add(new QuarantinedMail(mail.Name, $"its subject says {mail.Headers["Subject"]}, but no change can be found in it"));
            else
                neither++;
        }

        return (sorted, neither);
    }

    // Encoded mails cost a process each: several at once.
    private static async Task<(Mail, MailParts)[]> TakeApartAsync(Mail[] mails, CancellationToken cancellation)
    {
        var parts = new (Mail, MailParts)[mails.Length];
        await Parallel.ForAsync(0, mails.Length, cancellation, async (i, end) => parts[i] = (mails[i], await MailText.PartsAsync(mails[i], end)));
        return parts;
    }

    // RFC 4880, 7.1: a cleartext signature escapes every line that begins with a dash, and those are half of a patch.
    private static bool IsSignedInline(MailParts parts) =>
        parts.Message.Contains("-----BEGIN PGP SIGNED MESSAGE-----", StringComparison.Ordinal) && parts.Patch.AsSpan().IndexOf("\n- -"u8) >= 0;

    /// <summary>What a mail is, by its subject and whether a change is in it.</summary>
    public static MailKind Classify(Mail mail, MailParts parts)
    {
        var tag = mail.Tag;
        if (tag.IsReply)
            return MailKind.Reply;
        if (tag.IsPatch)
            return tag.Number == 0 ? MailKind.CoverLetter : parts.HasPatch ? MailKind.Patch : MailKind.Neither;
        if (mail.Headers["Subject"] is null)
            return MailKind.Neither;
        // Without the word PATCH only what git format-patch --subject-prefix='' writes counts: a change at the top of a thread, behind a "---".
        return parts.HasPatch && mail.Parent is null && parts.Patch.AsSpan().StartsWith("---"u8) ? MailKind.Patch
            : mail.Parent is not null ? MailKind.Reply
            : MailKind.Neither;
    }

    private static IEnumerable<SeriesVersion> WithTrailers(IReadOnlyList<SeriesVersion> versions, IReadOnlyList<SortedMail> replies, IEnumerable<Mail> all)
    {
        var places = new Dictionary<string, (SeriesVersion Version, int? Number)>();
        foreach (var version in versions)
        {
            foreach (var patch in version.Patches.Where(patch => patch.TakenFromVersion is null))
                places[patch.MessageId] = (version, patch.Number);
            if (version.CoverMessageId is not null)
                places[version.CoverMessageId] = (version, null);
        }

        var parents = all.Where(mail => mail.Id is not null).ToDictionary(mail => mail.Id!, mail => mail.Parent);
        var collected = replies
            .SelectMany(reply => Find(reply.Mail) is { } place
                ? Trailers.Collect(reply.Parts.Message, reply.Mail.From, reply.Mail.Name, place.Number).Select(trailer => (place.Version, trailer))
                : [])
            .ToLookup(pair => pair.Version, pair => pair.trailer);

        foreach (var version in versions)
        {
            // A patch that stands in from an earlier version brings what was said of it there.
            var inherited = version.Patches
                .Where(patch => patch.TakenFromVersion is not null && places.ContainsKey(patch.MessageId))
                .SelectMany(patch => collected[places[patch.MessageId].Version].Where(trailer => trailer.Number == patch.Number));
            yield return version with { Trailers = [.. collected[version].Concat(inherited)] };
        }

        // The nearest ancestor that is part of a series; References may be cut, so each known parent is asked too.
        (SeriesVersion Version, int? Number)? Find(Mail reply)
        {
            foreach (var id in reply.References.Reverse())
            {
                var seen = new HashSet<string>();
                for (var at = id; at is not null && seen.Add(at); at = parents.GetValueOrDefault(at))
                {
                    if (places.TryGetValue(at, out var place))
                        return place;
                }
            }

            return null;
        }
    }
}

/// <summary>A mail with what it is and its parts.</summary>
public sealed record SortedMail(Mail Mail, MailKind Kind, MailParts Parts);
