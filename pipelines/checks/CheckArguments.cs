namespace Gauntlet.Pipelines.Checks;

/// <summary>Reads the arguments of <c>gauntlet check</c>. Options are checkpatch's where it has them.</summary>
internal static class CheckArguments
{
    public static CheckOptions Parse(string[] args)
    {
        var options = new CheckOptions();
        var inputs = new List<string>();
        var types = new List<string>();
        var ignored = new List<string>();
        for (var i = 0; i < args.Length; i++)
        {
            var argument = args[i];
            if (argument.Length < 2 || argument[0] != '-')
            {
                inputs.Add(argument);
                continue;
            }
            if (argument == "--")
            {
                inputs.AddRange(args[(i + 1)..]);
                break;
            }
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? argument : argument[..equals];
            string Value()
            {
                if (equals >= 0)
                    return argument[(equals + 1)..];
                return i + 1 < args.Length ? args[++i] : throw new CheckException($"{name} needs a value; see gauntlet check --help");
            }
            switch (name)
            {
                case "--types":
                    AddWords(types, Value());
                    break;
                case "--ignore":
                    AddWords(ignored, Value());
                    break;
                default:
                    options = Apply(options, name, Value, hasValue: equals >= 0);
                    break;
            }
        }
        options = options with { Inputs = inputs, Types = types, Ignored = ignored };
        if (inputs.Count == 0 && options is { Help: false, ListTypes: false, Manual: false, Explain: null } && options.Kind != InputKind.Staged)
            throw new CheckException("no input files; give patches, a range such as origin/master.., --staged, or - for standard input");
        return options;
    }

    private static void AddWords(List<string> words, string value)
    {
        foreach (var word in value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            words.Add(word.ToUpperInvariant());
    }

    private static CheckOptions Apply(CheckOptions options, string name, Func<string> value, bool hasValue) => name switch
    {
        "-q" or "--quiet" => options with { Quiet = options.Quiet + 1 },
        "--terse" => options with { Terse = true, Emacs = true, Quiet = options.Quiet + 1 },
        "--emacs" => options with { Emacs = true },
        "--signoff" => options with { SignOff = true },
        "--no-signoff" or "--nosignoff" => options with { SignOff = false },
        "--strict" => options with { Strict = true },
        "--no-strict" => options with { Strict = false },
        "--summary" => options with { Summary = true },
        "--no-summary" or "--nosummary" => options with { Summary = false },
        "--summary-file" => options with { SummaryFile = true },
        "--mailback" => options with { Mailback = true },
        "--show-types" => options with { ShowTypes = true },
        "--tree" => options with { Tree = true },
        "--no-tree" or "--notree" => options with { Tree = false },
        "--root" => options with { Root = value() },
        "--patch" => options with { Kind = InputKind.Patches },
        "--branch" or "-g" or "--git" => options with { Kind = InputKind.Range },
        "-f" or "--file" => options with { Kind = InputKind.Files },
        "--staged" => options with { Kind = InputKind.Staged },
        "--rules" => options with { Rules = value() },
        "--release" => options with { Release = ParseRelease(value()) },
        "--legacy" => options with { Legacy = true },
        "--series" => options with { Series = true },
        "--fix" => options with { Fix = true },
        "--max-line-length" => options with { MaxLineLength = ParseNumber(name, value(), 1, 10_000) },
        "--test-only" => options with { TestOnly = value() },
        "--format" => options with { Format = ParseFormat(value()) },
        "--explain" => options with { Explain = value() },
        "--codespell" => options with { CodespellFile = options.CodespellFile ?? CodespellDictionary },
        "--codespellfile" => options with { CodespellFile = value() },
        "--manual" => options with { Manual = true },
        "--list-types" => options with { ListTypes = true },
        "-h" or "--help" => options with { Help = true },
        "--color" or "--no-color" or "--nocolor" when !hasValue || IsColour(value()) => options,
        _ => throw new CheckException($"unknown option {name}; see gauntlet check --help"),
    };

    /// <summary>Where distributions put codespell's dictionary, and checkpatch.pl looks for it.</summary>
    private const string CodespellDictionary = "/usr/share/codespell/dictionary.txt";

    private static bool IsColour(string when) =>
        when is "always" or "never" or "auto" ? true : throw new CheckException($"--color is always, never or auto, not {when}");

    private static Version ParseRelease(string text) =>
        Version.TryParse(text.Contains('.', StringComparison.Ordinal) ? text : text + ".0", out var release)
            ? release
            : throw new CheckException($"--release needs a version such as 7.2, not {text}");

    private static int ParseNumber(string name, string text, int least, int most) =>
        int.TryParse(text, System.Globalization.NumberStyles.None, null, out var number) && number >= least && number <= most
            ? number
            : throw new CheckException($"{name} needs a number from {least} to {most}, not {text}");

    private static ReportFormat ParseFormat(string text) => text switch
    {
        "text" => ReportFormat.Text,
        "json" => ReportFormat.Json,
        "sarif" => ReportFormat.Sarif,
        "github" => ReportFormat.GitHub,
        "gitlab" => ReportFormat.GitLab,
        _ => throw new CheckException($"--format is text, json, sarif, github or gitlab, not {text}"),
    };
}
