using Gauntlet.Results.Comparing;
using Gauntlet.Results.Reports;

namespace Gauntlet.Results.Commands;

/// <summary>
/// Names jobs as people type them: a whole key (<c>smoke/paging @ qemu/tcg/x86_64</c>), <c>suite/case</c>, a case, each with wildcards.
/// </summary>
internal static class JobPattern
{
    public const string Help = "Job: a case, suite/case, or 'suite/case @ cell'; * and ? are wildcards";

    public static bool Matches(string pattern, string suite, string name, string key) =>
        Wildcard.Matches(pattern, key) || Wildcard.Matches(pattern, name) || Wildcard.Matches(pattern, $"{suite}/{name}");

    /// <summary>The same on a key alone; a case is what follows a slash, and may hold some itself.</summary>
    public static bool Matches(string pattern, string key)
    {
        if (Wildcard.Matches(pattern, key))
            return true;
        var end = key.LastIndexOf(" @ ", StringComparison.Ordinal);
        var path = end < 0 ? key : key[..end];
        for (var slash = -1; ;)
        {
            if (Wildcard.Matches(pattern, path.AsSpan(slash + 1)))
                return true;
            slash = path.IndexOf('/', slash + 1);
            if (slash < 0)
                return false;
        }
    }

    /// <summary>Up to so many of them, for a message.</summary>
    public static string Some(IEnumerable<string> keys, int count = 5) => string.Join(", ", keys.Take(count).Select(key => $"'{Harmless.Line(key)}'"));
}
