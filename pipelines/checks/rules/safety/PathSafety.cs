using System.Text;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Rules.Safety;

/// <summary>What is wrong with a path as a place to write to, on any file system that a developer may have.</summary>
internal static class PathSafety
{
    /// <summary>Why nothing may be written there, after the path's name; null when there is no reason.</summary>
    /// <param name="path">From the tree's root, decoded by <see cref="ByteText"/>.</param>
    public static string? Problem(string path)
    {
        if (path.StartsWith('/') || path.StartsWith('\\') || path is [_, ':', ..])
            return "is absolute: it leads out of the tree";
        var display = ByteText.ToDisplay(path);
        foreach (var part in display.Split('/', '\\'))
        {
            if (part is "..")
                return "goes up with ..: it leads out of the tree";
            if (IsGitFolder(part))
                return part.Equals(".git", StringComparison.Ordinal) ? "is in git's own folder" : "is in git's own folder on file systems that read names loosely";
        }
        foreach (var rune in display.EnumerateRunes())
        {
            if (IsInvisible(rune))
                return $"has a character that cannot be seen, U+{rune.Value:X4}";
        }
        return null;
    }

    /// <summary>Whether a link at a path leads out of the tree.</summary>
    /// <param name="target">What the link says.</param>
    public static bool LeavesTree(string path, ReadOnlySpan<char> target)
    {
        if (target.StartsWith("/"))
            return true;
        var depth = path.AsSpan().Count('/');
        foreach (var range in target.Split('/'))
        {
            depth += target[range] switch { "" or "." => 0, ".." => -1, _ => 1 };
            if (depth < 0)
                return true;
        }
        return false;
    }

    /// <summary>Whether text has a control that reorders what a screen shows: U+202A to U+202E, U+2066 to U+2069 (Unicode Standard Annex 9).</summary>
    /// <param name="text">Decoded by <see cref="ByteText"/>, so that UTF-8's bytes are one character each.</param>
    public static bool HasBidiControl(ReadOnlySpan<char> text)
    {
        for (int at; (at = text.IndexOf('\uE0E2')) >= 0; text = text[(at + 1)..])
        {
            if (text[(at + 1)..] is ['\uE080', >= '\uE0AA' and <= '\uE0AE', ..] or ['\uE081', >= '\uE0A6' and <= '\uE0A9', ..])
                return true;
        }
        return false;
    }

    /// <summary>Whether NTFS, HFS+ or a file system that ignores case takes the name for <c>.git</c> (the names that git's own core.protectNTFS and protectHFS refuse).</summary>
    private static bool IsGitFolder(string name)
    {
        var seen = new StringBuilder(name.Length);
        foreach (var rune in name.EnumerateRunes())
        {
            if (!IsInvisible(rune))
                seen.Append(rune);
        }
        var plain = seen.ToString();
        // NTFS has streams after a colon, and drops dots and spaces at a name's end.
        var colon = plain.IndexOf(':', StringComparison.Ordinal);
        plain = (colon < 0 ? plain : plain[..colon]).TrimEnd('.', ' ');
        return plain.Equals(".git", StringComparison.OrdinalIgnoreCase) || plain.Equals("git~1", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Controls, and the characters that HFS+ ignores in names.</summary>
    private static bool IsInvisible(Rune rune) =>
        Rune.IsControl(rune) || rune.Value is >= 0x200B and <= 0x200F or >= 0x202A and <= 0x202E or >= 0x2060 and <= 0x206F or 0xFEFF or 0x00AD;
}
