using System.Text;
using Gauntlet.Pipelines.GitTool;

namespace Gauntlet.Pipelines.Series;

/// <summary>A mail taken apart.</summary>
/// <param name="Message">Text before the change: the commit message, or all of a reply.</param>
/// <param name="Patch">From the first line of the change on, bytes as they arrived after decoding the transfer; empty: none.</param>
public readonly record struct MailParts(string Message, byte[] Patch)
{
    public bool HasPatch => Patch.Length > 0;
}

/// <summary>
/// Takes bodies apart. Plain mails, nearly all of them, are only scanned; MIME, base64 and quoted-printable go through <c>git mailinfo</c>, so that what is judged
/// here is what <c>git am</c> would apply.
/// </summary>
public static class MailText
{
    /// <summary>Parts of one mail. A mail that git cannot take apart has its body as message and no patch.</summary>
    public static async Task<MailParts> PartsAsync(Mail mail, CancellationToken cancellation)
    {
        if (IsPlain(mail))
            return Scan(mail.Raw.AsSpan(mail.Headers.BodyOffset));

        var folder = Directory.CreateTempSubdirectory("gauntlet-mail-");
        try
        {
            var message = Path.Combine(folder.FullName, "message");
            var patch = Path.Combine(folder.FullName, "patch");
            var result = await new Git(null).TryRunAsync(["mailinfo", "-u", "--encoding=UTF-8", message, patch], mail.Raw, cancellation);
            if (result.ExitStatus != 0 || !File.Exists(message))
                return new MailParts(Encoding.UTF8.GetString(mail.Raw.AsSpan(mail.Headers.BodyOffset)), []);
            var parts = new MailParts(await File.ReadAllTextAsync(message, cancellation), await File.ReadAllBytesAsync(patch, cancellation));
            // mailinfo leaves "---" and the diffstat at the head of the patch, whether or not a change follows.
            return StartsChange(parts.Patch) ? parts : parts with { Message = parts.Message + Encoding.UTF8.GetString(parts.Patch), Patch = [] };
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static bool IsPlain(Mail mail)
    {
        var encoding = mail.Headers["Content-Transfer-Encoding"]?.Trim().ToLowerInvariant();
        var type = mail.Headers["Content-Type"]?.Trim();
        return encoding is null or "" or "7bit" or "8bit" or "binary"
            && (type is null || type.StartsWith("text/plain", StringComparison.OrdinalIgnoreCase))
            && (type is null || !type.Contains("flowed", StringComparison.OrdinalIgnoreCase));
    }

    private static MailParts Scan(ReadOnlySpan<byte> body)
    {
        for (var position = 0; position < body.Length;)
        {
            var rest = body[position..];
            if (IsChangeLine(rest) || (IsSeparator(rest) && StartsChange(rest)))
                return new MailParts(Decode(body[..position]), rest.ToArray());
            var end = rest.IndexOf((byte)'\n');
            position = end < 0 ? body.Length : position + end + 1;
        }

        return new MailParts(Decode(body), []);
    }

    // A change begins at its first diff header, or at the "---" that a diffstat and a diff follow (git-mailinfo(1)).
    private static bool IsChangeLine(ReadOnlySpan<byte> rest) => rest.StartsWith("diff --git "u8) || rest.StartsWith("Index: "u8) || IsFileHeader(rest);

    private static bool IsFileHeader(ReadOnlySpan<byte> rest)
    {
        if (!rest.StartsWith("--- "u8))
            return false;
        var end = rest.IndexOf((byte)'\n');
        return end > 0 && rest[(end + 1)..].StartsWith("+++ "u8);
    }

    private static bool IsSeparator(ReadOnlySpan<byte> rest) => rest.StartsWith("---\n"u8) || rest.StartsWith("---\r\n"u8);

    private static bool StartsChange(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            if (IsChangeLine(text))
                return true;
            var end = text.IndexOf((byte)'\n');
            if (end < 0)
                return false;
            text = text[(end + 1)..];
        }

        return false;
    }

    private static string Decode(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.UTF8.GetString(bytes);
        return text.Contains('\ufffd', StringComparison.Ordinal) ? Encoding.Latin1.GetString(bytes) : text;
    }
}
