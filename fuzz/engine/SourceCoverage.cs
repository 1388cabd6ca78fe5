using System.Globalization;
using System.Text;
using Gauntlet.Fuzz.Instrument;

namespace Gauntlet.Fuzz.Engine;

/// <summary>Lines of one source file that runs can reach.</summary>
/// <param name="Path">As the compiler had it.</param>
/// <param name="Covered">Numbers from 1, ascending: some run came there.</param>
/// <param name="Uncovered">No run did.</param>
public sealed record SourceFile(string Path, IReadOnlyList<int> Covered, IReadOnlyList<int> Uncovered)
{
    /// <summary>In all files' text form: path, then covered, then uncovered lines, a line each.</summary>
    public static string Format(IEnumerable<SourceFile> files)
    {
        var text = new StringBuilder();
        foreach (var file in files)
            text.Append(file.Path).Append('\n').AppendJoin(' ', file.Covered).Append('\n').AppendJoin(' ', file.Uncovered).Append('\n');
        return text.ToString();
    }

    /// <summary>Reads <see cref="Format"/>'s form; what is cut off is left out.</summary>
    public static IReadOnlyList<SourceFile> Parse(string text)
    {
        var lines = text.Split('\n');
        var files = new List<SourceFile>();
        for (var at = 0; at + 2 < lines.Length; at += 3)
            files.Add(new SourceFile(lines[at], Numbers(lines[at + 1]), Numbers(lines[at + 2])));
        return files;

        static List<int> Numbers(string words) => [.. words.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0)];
    }

    /// <summary>A line of several blocks is covered when one of them is: which one is not told by a line.</summary>
    public static IReadOnlyList<SourceFile> From(IReadOnlyList<SourceBlock> blocks, Func<int, bool> isSeen) =>
    [
        .. blocks.GroupBy(block => block.Path).OrderBy(file => file.Key, StringComparer.Ordinal).Select(file =>
        {
            var lines = new SortedDictionary<int, bool>();
            foreach (var block in file)
            {
                // Most are one line; a long one would colour what is inside it.
                lines[block.First] = lines.GetValueOrDefault(block.First) || isSeen(block.Edge);
            }
            return new SourceFile(file.Key, [.. lines.Where(line => line.Value).Select(line => line.Key)], [.. lines.Where(line => !line.Value).Select(line => line.Key)]);
        }),
    ];
}
