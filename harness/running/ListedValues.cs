using System.CommandLine;

namespace Gauntlet.Harness.Running;

/// <summary>Options that take several values.</summary>
internal static class ListedValues
{
    /// <summary>An option's values, given again or with commas.</summary>
    public static string[] GetList(this ParseResult line, Option<string[]> option) =>
        [.. (line.GetValue(option) ?? []).SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
}
