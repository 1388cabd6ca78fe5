using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Series;

/// <summary>
/// A mail's header fields, read far enough to thread and classify it (RFC 5322, 2.2; encoded words by RFC 2047). Bodies, authorship and charsets of
/// bodies are git's to take apart. Never throws; what is not a header field is passed over.
/// </summary>
public sealed partial class MailHeaders
{
    /// <summary>Bytes of header that are read; a longer one is cut there.</summary>
    public const int MaxHeaderBytes = 256 << 10;

    private readonly List<(string Name, string Value)> _fields = [];

    /// <summary>Where the body begins; the mail's length when there is none.</summary>
    public int BodyOffset { get; private init; }

    /// <summary>The first field of that name, unfolded, trimmed, encoded words decoded; null when there is none.</summary>
    public string? this[string name]
    {
        get
        {
            foreach (var (field, value) in _fields)
            {
                if (field.Equals(name, StringComparison.OrdinalIgnoreCase))
                    return Decode(value);
            }

            return null;
        }
    }

    /// <summary>How many fields were found.</summary>
    public int Count => _fields.Count;

    /// <summary>Message identifiers in a field, angle brackets and all, in order.</summary>
    public IReadOnlyList<string> Ids(string name) => this[name] is { } value ? [.. MessageId().Matches(value).Select(match => match.Value)] : [];

    /// <summary>The address in a field such as From, lower case; null when there is none.</summary>
    public string? Address(string name) => this[name] is { } value ? AddressIn(value) : null;

    /// <summary>The last address-like text in <c>Name &lt;user@host&gt;</c> or a bare <c>user@host</c>, lower case.</summary>
    public static string? AddressIn(string text)
    {
        var match = AngleAddress().Matches(text).LastOrDefault() ?? BareAddress().Match(text);
        return match.Success ? match.Groups["address"].Value.ToLowerInvariant() : null;
    }

    /// <summary>The Date field; null when it is missing or no date.</summary>
    public DateTimeOffset? Date
    {
        get
        {
            if (this["Date"] is not { } text)
                return null;
            var comment = text.IndexOf('(', StringComparison.Ordinal);
            return DateTimeOffset.TryParse(comment > 0 ? text[..comment] : text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date) ? date : null;
        }
    }

    public static MailHeaders Parse(ReadOnlySpan<byte> mail)
    {
        var position = 0;
        var fields = new List<(string, string)>();
        while (position < mail.Length && position < MaxHeaderBytes)
        {
            var end = mail[position..].IndexOf((byte)'\n');
            var next = end < 0 ? mail.Length : position + end + 1;
            var line = mail[position..(end < 0 ? mail.Length : position + end)].TrimEnd((byte)'\r');
            position = next;
            if (line.IsEmpty)
                break;
            var text = Text(line);
            if (text[0] is ' ' or '\t')
            {
                if (fields.Count > 0)
                    fields[^1] = (fields[^1].Item1, fields[^1].Item2 + " " + text.Trim());
                continue;
            }

            var colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && !text.AsSpan(0, colon).ContainsAny(' ', '\t'))
                fields.Add((text[..colon], text[(colon + 1)..].Trim()));
        }

        var headers = new MailHeaders { BodyOffset = position };
        headers._fields.AddRange(fields);
        return headers;
    }

    // Bytes outside ASCII are UTF-8 by RFC 6532, or what old mailers sent: Latin-1.
    private static string Text(ReadOnlySpan<byte> line)
    {
        try
        {
            return StrictUtf8.GetString(line);
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(line);
        }
    }

    private static string Decode(string value) =>
        value.Contains("=?", StringComparison.Ordinal)
            ? EncodedWord().Replace(BetweenEncodedWords().Replace(value, "?==?"), DecodeWord)
            : value;

    private static string DecodeWord(Match match)
    {
        try
        {
            var text = match.Groups["text"].Value;
            var bytes = match.Groups["kind"].Value is "B" or "b" ? Convert.FromBase64String(text) : QuotedPrintable(text);
            return Encoding.GetEncoding(match.Groups["charset"].Value).GetString(bytes);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException)
        {
            return match.Value;
        }
    }

    private static byte[] QuotedPrintable(string text)
    {
        var bytes = new List<byte>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '=' && i + 2 < text.Length && byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var code))
            {
                bytes.Add(code);
                i += 2;
            }
            else
            {
                bytes.Add(text[i] == '_' ? (byte)' ' : (byte)text[i]);
            }
        }

        return [.. bytes];
    }

    private static readonly Encoding StrictUtf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);

    [GeneratedRegex(@"<[^<>\s]{1,995}>")]
    private static partial Regex MessageId();

    [GeneratedRegex(@"<\s*(?<address>[^<>\s@]{1,256}@[^<>\s@]{1,256})\s*>")]
    private static partial Regex AngleAddress();

    [GeneratedRegex(@"(?<address>[^<>\s@,;()""]{1,256}@[^<>\s@,;()""]{1,256})")]
    private static partial Regex BareAddress();

    [GeneratedRegex(@"=\?(?<charset>[^?\s*]{1,40})(\*[^?]{0,20})?\?(?<kind>[BbQq])\?(?<text>[^?\s]*)\?=")]
    private static partial Regex EncodedWord();

    [GeneratedRegex(@"\?=\s+=\?")]
    private static partial Regex BetweenEncodedWords();
}
