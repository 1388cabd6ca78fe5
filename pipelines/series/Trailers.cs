using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Series;

/// <summary>A trailer of a reply, with what became of it.</summary>
/// <param name="Key">As written: <c>Reviewed-by</c>.</param>
/// <param name="Value">As written: <c>Name &lt;address&gt;</c>.</param>
/// <param name="MessageId">The reply it stood in.</param>
/// <param name="Number">The patch that it is for; null: the whole series.</param>
/// <param name="Rejected">Why it does not count; null when it does.</param>
public sealed record CollectedTrailer(string Key, string Value, string MessageId, int? Number, string? Rejected)
{
    public override string ToString() => $"{Key}: {Value}";
}

/// <summary>Finds trailers in replies. One counts only when the person it names is the one who sent the mail, in their own words, not a quotation.</summary>
public static partial class Trailers
{
    /// <summary>Lines of one reply that are looked at.</summary>
    private const int MaxLines = 100_000;

    private static readonly string[] Personal =
        ["Reviewed-by", "Acked-by", "Tested-by", "Reported-by", "Suggested-by", "Signed-off-by", "Co-developed-by", "Nacked-by"];

    /// <summary>All trailers in a reply's text, good and rejected.</summary>
    /// <param name="text">Decoded body.</param>
    /// <param name="sender">Address of the mail's From, lower case.</param>
    /// <param name="messageId">Of the reply.</param>
    /// <param name="number">The patch that the reply answers; null: the cover letter.</param>
    public static IEnumerable<CollectedTrailer> Collect(string text, string? sender, string messageId, int? number)
    {
        foreach (var raw in text.Split('\n').Take(MaxLines))
        {
            var line = raw.TrimEnd('\r', ' ', '\t');
            if (line == "-- ")
                yield break;
            var quoted = Quotation().Match(line);
            var bare = quoted.Success ? line[quoted.Length..] : line;
            if (Trailer().Match(bare) is not { Success: true } match || Canonical(match.Groups["key"].Value) is not { } key)
                continue;
            var value = match.Groups["value"].Value.Trim();
            yield return new CollectedTrailer(key, value, messageId, number, WhyRejected(key, value, quoted.Success, sender));
        }
    }

    private static string? WhyRejected(string key, string value, bool quoted, string? sender)
    {
        if (quoted)
            return "it is quoted from another mail";
        if (key == "Fixes")
            return null;
        if (MailHeaders.AddressIn(value) is not { } address)
            return "it names no address";
        if (sender is null)
            return "the mail has no sender";
        return address == sender ? null : $"it names {address}, but {sender} sent the mail";
    }

    private static string? Canonical(string key) =>
        key.Equals("Fixes", StringComparison.OrdinalIgnoreCase) ? "Fixes" : Personal.FirstOrDefault(known => known.Equals(key, StringComparison.OrdinalIgnoreCase));

    [GeneratedRegex(@"^\s*([>|]\s*)+")]
    private static partial Regex Quotation();

    [GeneratedRegex(@"^(?<key>[A-Za-z][A-Za-z-]{1,40}):\s+(?<value>\S.{0,998})$")]
    private static partial Regex Trailer();
}
