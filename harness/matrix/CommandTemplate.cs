using System.Text;

namespace Gauntlet.Harness.Matrix;

/// <summary>
/// A VMM's command line with places for what a job brings: words, and groups of words that are left out when something they name isn't there:
/// <c>[lkvm, run, --kernel, "{kernel}", [--params, "{append}"]]</c>. <c>{args}</c> as a word of its own stands for all further arguments.
/// </summary>
public sealed class CommandTemplate
{
    /// <summary>The word for a job's further VMM arguments.</summary>
    public const string Arguments = "{args}";

    /// <summary>Places that a word may have.</summary>
    public static readonly IReadOnlyList<string> Places =
        ["kernel", "smp", "memory", "append", "initrd", "qmp", "accel", "arch", "machine", "cpu", "host-kernel", "scratch"];

    private readonly IReadOnlyList<IReadOnlyList<string>> groups;

    private CommandTemplate(IReadOnlyList<IReadOnlyList<string>> groups) => this.groups = groups;

    /// <summary>It has a place for a job's further arguments.</summary>
    public bool TakesArguments => groups.Any(group => group.Contains(Arguments));

    /// <summary>A place is named somewhere: a template without <c>{append}</c> can't start a job that has a command line.</summary>
    public bool Has(string place) => groups.Any(group => group.Any(word => word.Contains("{" + place + "}", StringComparison.Ordinal)));

    /// <summary>The program, before anything is filled in.</summary>
    public string Program => groups[0][0];

    /// <param name="groups">Single words are groups of one that are never left out; so is the first, the program.</param>
    /// <exception cref="ArgumentException">It is empty, names an unknown place, or leaves a brace open.</exception>
    public static CommandTemplate Create(IReadOnlyList<IReadOnlyList<string>> groups)
    {
        if (groups.Count == 0 || groups[0].Count != 1 || groups[0][0].Length == 0)
            throw new ArgumentException("the first word must be the program");
        foreach (var word in groups.SelectMany(group => group))
        {
            if (word == Arguments)
                continue;
            foreach (var (place, _) in Scan(word))
            {
                if (place is not null && !Places.Contains(place))
                    throw new ArgumentException($"'{{{place}}}' in '{word}' is no place; there are {string.Join(", ", Places.Select(p => "{" + p + "}"))} and, as a word of its own, {Arguments}");
            }
        }

        return new CommandTemplate(groups);
    }

    /// <summary>The command line.</summary>
    /// <param name="values">By place; one that isn't there or is null leaves its group out, and is empty in a single word.</param>
    /// <param name="arguments">For <see cref="Arguments"/>.</param>
    public IReadOnlyList<string> Fill(IReadOnlyDictionary<string, string?> values, IReadOnlyList<string> arguments)
    {
        var words = new List<string>();
        foreach (var group in groups)
        {
            if (group.Count > 1 && group.SelectMany(Scan).Any(part => part.Place is not null && part.Place != "args" && values.GetValueOrDefault(part.Place) is null))
                continue;
            foreach (var word in group)
            {
                if (word == Arguments)
                    words.AddRange(arguments);
                else
                    words.Add(string.Concat(Scan(word).Select(part => part.Place is null ? part.Text : values.GetValueOrDefault(part.Place) ?? "")));
            }
        }

        return words;
    }

    // Text and places in turn; "{{" and "}}" are braces.
    private static IEnumerable<(string? Place, string Text)> Scan(string word)
    {
        var text = new StringBuilder();
        for (var at = 0; at < word.Length; at++)
        {
            if (word[at] is '{' or '}' && at + 1 < word.Length && word[at + 1] == word[at])
            {
                text.Append(word[at++]);
                continue;
            }

            if (word[at] != '{')
            {
                text.Append(word[at]);
                continue;
            }

            var end = word.IndexOf('}', at);
            if (end < 0)
                throw new ArgumentException($"a brace is left open in '{word}'; a brace itself is written twice");
            if (text.Length > 0)
                yield return (null, text.ToString());
            text.Clear();
            yield return (word[(at + 1)..end], "");
            at = end;
        }

        if (text.Length > 0)
            yield return (null, text.ToString());
    }
}
