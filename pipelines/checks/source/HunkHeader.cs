using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>The range line of a unified diff's hunk, <c>@@ -old,count +new,count @@</c> (POSIX diff, "Diff -u Output Format").</summary>
/// <param name="OldStart">First line in the old file, from 1; 0 for a file that does not exist.</param>
/// <param name="OldCount">Lines of the hunk in the old file; 1 when the header leaves it out.</param>
public readonly record struct HunkHeader(int OldStart, int OldCount, int NewStart, int NewCount)
{
    /// <summary>The largest line number or count that is believed; larger ones are taken for this.</summary>
    public const int MaxNumber = 1_000_000_000;

    /// <summary>As a diff has it.</summary>
    public override string ToString() => $"@@ -{OldStart},{OldCount} +{NewStart},{NewCount} @@";

    /// <summary>Reads a header; false when the line is none.</summary>
    public static bool TryParse(ReadOnlySpan<char> line, out HunkHeader header)
    {
        header = default;
        if (!line.StartsWith("@@ -"))
            return false;
        var at = 4;
        if (!TryRange(line, ref at, out var oldStart, out var oldCount) || !Scan.StartsAt(line, at, " +"))
            return false;
        at += 2;
        if (!TryRange(line, ref at, out var newStart, out var newCount) || !Scan.StartsAt(line, at, " @@"))
            return false;
        header = new HunkHeader(oldStart, oldCount, newStart, newCount);
        return true;
    }

    private static bool TryRange(ReadOnlySpan<char> line, ref int at, out int start, out int count)
    {
        count = 1;
        if (!TryNumber(line, ref at, out start))
            return false;
        if (at >= line.Length || line[at] != ',')
            return true;
        at++;
        return TryNumber(line, ref at, out count);
    }

    private static bool TryNumber(ReadOnlySpan<char> line, ref int at, out int value)
    {
        var start = at;
        long number = 0;
        for (; at < line.Length && char.IsAsciiDigit(line[at]); at++)
            number = Math.Min(number * 10 + (line[at] - '0'), MaxNumber);
        value = (int)number;
        return at > start;
    }
}
