using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Parsing;

/// <summary>Paths as git writes them when they have unusual characters: between double quotes, with C's escapes (git config core.quotePath).</summary>
internal static class QuotedPath
{
    /// <summary>A path that may be quoted.</summary>
    public static string ReadIfQuoted(ReadOnlySpan<char> text)
    {
        text = text.TrimEnd('\r');
        return text is ['"', .., '"'] ? Read(text[1..^1]) : text.ToString();
    }

    /// <summary>The path between two quotes; an escape that C does not have stays as it is.</summary>
    public static string Read(ReadOnlySpan<char> quoted)
    {
        var path = new System.Text.StringBuilder(quoted.Length);
        for (var at = 0; at < quoted.Length; at++)
        {
            var rest = quoted[(at + 1)..];
            if (quoted[at] != '\\' || rest.IsEmpty)
            {
                path.Append(quoted[at]);
            }
            else if (rest is [>= '0' and <= '3', >= '0' and <= '7', >= '0' and <= '7', ..])
            {
                path.Append(ByteText.Decode([(byte)(((rest[0] - '0') << 6) | ((rest[1] - '0') << 3) | (rest[2] - '0'))]));
                at += 3;
            }
            else
            {
                path.Append(rest[0] switch { 'a' => '\a', 'b' => '\b', 't' => '\t', 'n' => '\n', 'v' => '\v', 'f' => '\f', 'r' => '\r', var other => other });
                at++;
            }
        }
        return path.ToString();
    }
}
