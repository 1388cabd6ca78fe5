using System.Security.Cryptography;

namespace Gauntlet.Pipelines.Series;

/// <summary>What a mail is to a series.</summary>
public enum MailKind
{
    /// <summary><c>0/n</c>: describes a series, changes nothing.</summary>
    CoverLetter,

    /// <summary>Carries a change. Only these are checked and applied.</summary>
    Patch,

    /// <summary>Answers another mail; where trailers come from.</summary>
    Reply,

    /// <summary>Anything else: a pull request, an announcement, a newsletter.</summary>
    Neither,
}

/// <summary>One mail as it arrived.</summary>
public sealed class Mail
{
    /// <summary>A larger one is not looked at: <see cref="MailSource"/> refuses it.</summary>
    public const int MaxBytes = 256 << 20;

    private readonly string _nameByContent;

    public Mail(byte[] raw, string source)
    {
        Raw = raw;
        Source = source;
        Headers = MailHeaders.Parse(raw);
        Tag = SubjectTag.Parse(Headers["Subject"] ?? "");
        Id = Headers.Ids("Message-ID").FirstOrDefault();
        From = Headers.Address("From");
        Date = Headers.Date;
        References = [.. Headers.Ids("References"), .. Headers.Ids("In-Reply-To").Take(1)];
        _nameByContent = Id is null ? $"no-message-id-{Convert.ToHexStringLower(SHA256.HashData(raw))[..16]}" : "";
        BodyHash = Convert.ToHexStringLower(SHA256.HashData(raw.AsSpan(Headers.BodyOffset)));
    }

    public byte[] Raw { get; }

    /// <summary>Where it came from, for messages: a file, <c>list.mbox, mail 12</c>, a commit.</summary>
    public string Source { get; }

    public MailHeaders Headers { get; }

    public SubjectTag Tag { get; }

    /// <summary>Message-ID with its angle brackets; null when it has none.</summary>
    public string? Id { get; }

    /// <summary>Sender's address, lower case.</summary>
    public string? From { get; }

    public DateTimeOffset? Date { get; }

    /// <summary>Ancestors' identifiers, oldest first; the last is the mail that it answers.</summary>
    public IReadOnlyList<string> References { get; }

    /// <summary>The mail that it answers; null when it begins a thread.</summary>
    public string? Parent => References.Count > 0 ? References[^1] : null;

    /// <summary>SHA-256 of the body as it arrived: two mails of one identifier and different bodies are forged or damaged.</summary>
    public string BodyHash { get; }

    /// <summary>How it is known: its Message-ID, or for want of one a name made of its content, the same wherever it was read from.</summary>
    public string Name => Id ?? _nameByContent;
}
