using System.Text;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Parsing;

/// <summary>A message as the text that is checked.</summary>
/// <param name="NotChecked">Why the text is not the patch that was sent; null when it is.</param>
public readonly record struct ReadMessage(string Text, string? NotChecked);

/// <summary>
/// Undoes what mail does to a patch: transfer encodings and character sets (RFC 2045). What was changed beyond repair is named instead of being checked as if it
/// were the patch. Taking apart attachments is git mailinfo's work, before a series is checked.
/// </summary>
public static class MailReader
{
    public static ReadMessage Read(byte[] bytes)
    {
        var text = ByteText.Decode(bytes);
        if (!LooksLikeMail(text))
            return new ReadMessage(text, Truncation(text));
        var body = BodyStart(text);
        var headers = new MailHeaders(text.AsSpan(0, body));
        var type = headers.Value("Content-Type");
        var encoding = headers.Value("Content-Transfer-Encoding").Trim().ToLowerInvariant();
        if (type.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase))
            return new ReadMessage(text, "the mail has several parts; git mailinfo takes them apart");
        if (type.StartsWith("text/html", StringComparison.OrdinalIgnoreCase))
            return new ReadMessage(text, "the mail is HTML, in which a patch is lost; send plain text");
        string decoded;
        switch (encoding)
        {
            case "base64":
                if (!TryBase64(text.AsSpan(body), out var content))
                    return new ReadMessage(text, "the mail's base64 is damaged");
                decoded = content;
                break;
            case "quoted-printable":
                decoded = QuotedPrintable(text.AsSpan(body));
                break;
            default:
                decoded = text[body..];
                break;
        }
        if (type.Contains("format=flowed", StringComparison.OrdinalIgnoreCase) && HasDiff(decoded))
            return new ReadMessage(text[..body] + decoded, "the mail is format=flowed, so its lines may have been joined or broken; send with git send-email");
        decoded = WithUnixLineEnds(decoded);
        if (decoded.Contains("-----BEGIN PGP SIGNED MESSAGE-----\n", StringComparison.Ordinal))
            return new ReadMessage(text[..body] + decoded, "the mail is signed inline, which changes each line that begins with a dash; sign with PGP/MIME, or send it plain");
        if (Charset(type) is { } charset && !System.Text.Ascii.IsValid(decoded))
        {
            if (!TryConvert(charset, decoded, out var converted))
                return new ReadMessage(text[..body] + decoded, $"the mail's character set {charset} is not known; send UTF-8");
            decoded = converted;
        }
        return new ReadMessage(text[..body] + decoded, Truncation(decoded));
    }

    /// <summary>Whether a text begins as mail does: with a header, or with mbox's separator.</summary>
    private static bool LooksLikeMail(string text)
    {
        var end = text.IndexOf('\n', StringComparison.Ordinal);
        var line = end < 0 ? text : text[..end];
        return line.StartsWith("From ", StringComparison.Ordinal) || (line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && line.AsSpan(0, colon).IndexOfAny(" \t/") < 0);
    }

    private static int BodyStart(string text)
    {
        var unix = text.IndexOf("\n\n", StringComparison.Ordinal);
        var dos = text.IndexOf("\n\r\n", StringComparison.Ordinal);
        if (unix < 0 && dos < 0)
            return text.Length;
        return dos >= 0 && (unix < 0 || dos < unix) ? dos + 3 : unix + 2;
    }

    private static bool HasDiff(string text) => text.Contains("\n@@ -", StringComparison.Ordinal);

    /// <summary>Why a patch is not whole; null when each hunk has the lines that it promises.</summary>
    private static string? Truncation(string text)
    {
        var lines = new TextLines(text);
        var inFile = false;
        for (var i = 0; i < lines.Count; i++)
        {
            inFile |= lines[i].StartsWith("+++ ") && lines[i - 1].StartsWith("--- ");
            if (!inFile || !HunkHeader.TryParse(lines[i], out var header))
                continue;
            var (old, added) = (header.OldCount, header.NewCount);
            while ((old > 0 || added > 0) && lines.Has(i + 1) && TryCount(lines[i + 1], ref old, ref added))
                i++;
            if (old != 0 || added != 0)
                return $"the hunk {header} has other lines than it says: the patch is cut off or its lines are wrapped";
        }
        return null;
    }

    private static bool TryCount(ReadOnlySpan<char> line, ref int old, ref int added)
    {
        switch (line.IsEmpty || line[0] == '\r' ? ' ' : line[0])
        {
            case ' ':
                old--;
                added--;
                return true;
            case '-':
                old--;
                return true;
            case '+':
                added--;
                return true;
            default:
                return line is ['\\', ..];
        }
    }

    /// <summary>The character set that a Content-Type names; null for UTF-8, and when it names none.</summary>
    private static string? Charset(string type)
    {
        var at = type.IndexOf("charset=", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            return null;
        var name = type.AsSpan(at + "charset=".Length).TrimStart('"');
        var end = name.IndexOfAny("\"; \t");
        name = end < 0 ? name : name[..end];
        return name.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || name.Equals("utf8", StringComparison.OrdinalIgnoreCase) || name.Equals("us-ascii", StringComparison.OrdinalIgnoreCase) ? null : name.ToString();
    }

    /// <summary>Bytes of a character set as UTF-8, as git am stores them.</summary>
    private static bool TryConvert(string charset, string text, out string converted)
    {
        try
        {
            var encoding = CodePagesEncodingProvider.Instance.GetEncoding(charset) ?? Encoding.GetEncoding(charset);
            converted = ByteText.FromDisplay(encoding.GetString(ByteText.Encode(text)));
            return true;
        }
        catch (ArgumentException)
        {
            converted = text;
            return false;
        }
    }

    /// <summary>Line ends that mail made CRLF throughout are the mail's; when some lines have none, they are the patch's.</summary>
    private static string WithUnixLineEnds(string text)
    {
        var lines = text.AsSpan().Count('\n');
        var dos = text.AsSpan().Count("\r\n");
        return lines > 0 && lines == dos ? text.Replace("\r\n", "\n", StringComparison.Ordinal) : text;
    }

    private static bool TryBase64(ReadOnlySpan<char> text, out string decoded)
    {
        var encoded = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (!Scan.IsSpace(c))
                encoded.Append(c);
        }
        var bytes = new byte[encoded.Length];
        var valid = Convert.TryFromBase64String(encoded.ToString(), bytes, out var length);
        decoded = valid ? ByteText.Decode(bytes.AsSpan(0, length)) : "";
        return valid;
    }

    private static string QuotedPrintable(ReadOnlySpan<char> text)
    {
        var bytes = new List<byte>(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            var c = text[at];
            if (c != '=')
            {
                bytes.Add(ByteText.ByteOf(c));
                continue;
            }
            if (at + 1 < text.Length && text[at + 1] == '\n')
                at++;
            else if (at + 2 < text.Length && text[at + 1] == '\r' && text[at + 2] == '\n')
                at += 2;
            else if (at + 2 < text.Length && char.IsAsciiHexDigit(text[at + 1]) && char.IsAsciiHexDigit(text[at + 2]))
            {
                bytes.Add((byte)(Convert.ToInt32(text.Slice(at + 1, 2).ToString(), 16)));
                at += 2;
            }
            else
            {
                bytes.Add((byte)'=');
            }
        }
        return ByteText.Decode(bytes.ToArray());
    }

    /// <summary>A mail's header fields, folded lines joined.</summary>
    private readonly ref struct MailHeaders(ReadOnlySpan<char> text)
    {
        private readonly ReadOnlySpan<char> _text = text;

        /// <summary>A field's value; empty when it is missing.</summary>
        public string Value(string name)
        {
            var value = new StringBuilder();
            var inside = false;
            for (var rest = _text; !rest.IsEmpty;)
            {
                var end = rest.IndexOf('\n');
                var line = (end < 0 ? rest : rest[..end]).TrimEnd('\r');
                rest = end < 0 ? default : rest[(end + 1)..];
                if (inside && line is [' ' or '\t', ..])
                {
                    value.Append(line);
                    continue;
                }
                if (inside)
                    break;
                if (line.StartsWith(name, StringComparison.OrdinalIgnoreCase) && line.Length > name.Length && line[name.Length] == ':')
                {
                    inside = true;
                    value.Append(line[(name.Length + 1)..].Trim());
                }
            }
            return value.ToString();
        }
    }
}
