using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Series;

/// <summary>
/// What a subject says in its leading brackets: <c>[RFC PATCH v3 2/5 for-8.0] hw/net: fix X</c>.
/// </summary>
/// <param name="IsPatch">A bracket holds the word PATCH.</param>
/// <param name="IsReply">The subject begins with <c>Re:</c> or another language's word for it.</param>
/// <param name="Version">1 or more; 1 when not given.</param>
/// <param name="Number">The i of i/n; null when not given. 0 is a cover letter's.</param>
/// <param name="Total">The n of i/n; null when not given.</param>
/// <param name="Words">Other words in the brackets, in order: RFC, for-8.0, a tree's name.</param>
/// <param name="Title">What follows the brackets, white space folded.</param>
public sealed partial record SubjectTag(bool IsPatch, bool IsReply, int Version, int? Number, int? Total, IReadOnlyList<string> Words, string Title)
{
    /// <summary>Versions, numbers and totals above it are not believed.</summary>
    public const int MaxNumber = 9999;

    /// <summary>Never throws; a subject without brackets is a title alone.</summary>
    public static SubjectTag Parse(string subject)
    {
        var rest = WhiteSpace().Replace(subject, " ").Trim();
        var isReply = false;
        while (ReplyPrefix().Match(rest) is { Success: true } reply)
        {
            isReply = true;
            rest = rest[reply.Length..];
        }

        var (isPatch, version) = (false, 1);
        int? number = null, total = null;
        var words = new List<string>();
        while (rest.StartsWith('[') && rest.IndexOf(']', StringComparison.Ordinal) is > 0 and var end)
        {
            foreach (var word in rest[1..end].Split([' ', ','], StringSplitOptions.RemoveEmptyEntries))
            {
                if (word.Equals("PATCH", StringComparison.OrdinalIgnoreCase))
                    isPatch = true;
                else if (PatchWithVersion().Match(word) is { Success: true } joined && Bounded(joined.Groups["v"].Value) is { } joinedVersion)
                    (isPatch, version) = (true, joinedVersion);
                else if (VersionWord().Match(word) is { Success: true } match && Bounded(match.Groups["v"].Value) is > 0 and var found)
                    version = found;
                else if (Fraction().Match(word) is { Success: true } fraction && Bounded(fraction.Groups["i"].Value) is { } i && Bounded(fraction.Groups["n"].Value) is > 0 and var n)
                    (number, total) = (i, n);
                else
                    words.Add(word);
            }

            rest = rest[(end + 1)..].TrimStart();
        }

        return new SubjectTag(isPatch, isReply, version, number, total, words, rest);
    }

    /// <summary>The subject that <see cref="Parse"/> reads back to the same.</summary>
    public string Print()
    {
        var inside = new List<string>(Words);
        if (IsPatch)
            inside.Add("PATCH");
        if (Version != 1)
            inside.Add($"v{Version}");
        if (Number is not null && Total is not null)
            inside.Add($"{Number}/{Total}");
        return (IsReply ? "Re: " : "") + (inside.Count > 0 ? $"[{string.Join(' ', inside)}] " : "") + Title;
    }

    private static int? Bounded(string digits) => int.TryParse(digits, out var value) && value <= MaxNumber ? value : null;

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"^(re|aw|sv|antw|fwd?)(\[\d+\])?\s?:\s*", RegexOptions.IgnoreCase)]
    private static partial Regex ReplyPrefix();

    [GeneratedRegex(@"^PATCHv(?<v>\d{1,5})$", RegexOptions.IgnoreCase)]
    private static partial Regex PatchWithVersion();

    [GeneratedRegex(@"^v(?<v>\d{1,5})$", RegexOptions.IgnoreCase)]
    private static partial Regex VersionWord();

    [GeneratedRegex(@"^(?<i>\d{1,5})/(?<n>\d{1,5})$")]
    private static partial Regex Fraction();
}
