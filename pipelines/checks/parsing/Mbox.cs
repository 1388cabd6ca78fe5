namespace Gauntlet.Pipelines.Checks.Parsing;

/// <summary>Finds the mails of an mbox, such as <c>git format-patch --stdout</c> writes (RFC 4155).</summary>
internal static class Mbox
{
    /// <summary>Where each mail begins. One when the input is a single mail, a bare patch, or anything else.</summary>
    public static IReadOnlyList<int> Starts(ReadOnlySpan<byte> bytes)
    {
        var starts = new List<int> { 0 };
        if (!IsSeparator(bytes))
            return starts;
        for (int at = 0, next; (next = bytes[at..].IndexOf("\n\nFrom "u8)) >= 0;)
        {
            at += next + 2;
            if (IsSeparator(bytes[at..]))
                starts.Add(at);
        }
        return starts;
    }

    /// <summary>Whether a line is <c>From sender Mon Sep 17 …</c> with a header after it; a sentence that begins with From is not.</summary>
    private static bool IsSeparator(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith("From "u8))
            return false;
        var end = bytes.IndexOf((byte)'\n');
        if (end < 0)
            return false;
        var line = bytes["From ".Length..end];
        var space = line.IndexOf((byte)' ');
        return space > 0 && StartsWithWeekday(line[(space + 1)..].TrimStart((byte)' ')) && StartsWithHeader(bytes[(end + 1)..]);
    }

    private static bool StartsWithWeekday(ReadOnlySpan<byte> text) =>
        text.Length > 3 && text[3] == ' ' && "Mon Tue Wed Thu Fri Sat Sun"u8.IndexOf(text[..3]) is >= 0 and var at && at % 4 == 0;

    private static bool StartsWithHeader(ReadOnlySpan<byte> text)
    {
        var colon = text.IndexOf((byte)':');
        return colon > 0 && text[..colon].IndexOfAnyExceptInRange((byte)'!', (byte)'~') < 0;
    }
}
