using System.Text.RegularExpressions;

namespace Gauntlet.Pipelines.Checks.Rules.Linux;

/// <summary>
/// A pattern of many nested alternatives, which is interpreted. <see cref="GeneratedRegexAttribute"/> writes the way back out of each of them as code: one that has
/// <see cref="KernelC.Type"/> becomes 400 KB of C#, and forty of them were most of a clean build. Building and matching takes longer here, so whoever asks one looks first, with
/// <see cref="QuickLook"/> or a word, whether it can match: few lines in a hundred get that far.
/// </summary>
internal static class LargePattern
{
    /// <summary>The pattern, built when it is first asked for. It is not compiled at run time either: that would cost each start of the check more than it saves.</summary>
    public static Func<Regex> Of(string pattern, RegexOptions options = RegexOptions.None)
    {
        var built = new Lazy<Regex>(() => new Regex(pattern, options | RegexOptions.CultureInvariant));
        return () => built.Value;
    }
}
