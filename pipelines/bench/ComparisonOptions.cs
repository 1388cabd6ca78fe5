using Gauntlet.Pipelines.Checks;

namespace Gauntlet.Pipelines.Bench;

/// <summary>What to compare.</summary>
/// <param name="Checkpatch">A real checkpatch.pl.</param>
/// <param name="Patches">Files to check.</param>
/// <param name="Program">The gauntlet whose time is taken; null for this program, which runs the same check.</param>
/// <param name="Cache">Folder in which the other's reports are kept between runs; null to run it each time.</param>
internal sealed record ComparisonOptions(
    string Checkpatch,
    IReadOnlyList<string> Patches,
    string RuleSet,
    string? Release,
    string? Cache,
    bool Time,
    string? Program,
    int MaxShown,
    IReadOnlyList<string> ExtraArguments)
{
    public const string Usage =
        """
        usage: bench --checkpatch PATH --patches DIR [--rules qemu|linux] [--release 7.2] [--cache DIR] [--no-time] [--program ./gauntlet] [--show N] [-- ARGUMENTS]
               bench check ARGUMENTS
               bench gate [--files 10000] [--patches 10] [--rounds 5]
        Runs a checkpatch.pl and gauntlet check --legacy on the same patches; prints where they agree, each disagreement, and the time both take.
        ARGUMENTS go to both.
        """;

    public static ComparisonOptions Parse(string[] args)
    {
        string? checkpatch = null, patches = null, rules = "qemu", release = null, cache = null, program = null;
        var time = true;
        var shown = 40;
        var extra = new List<string>();
        for (var i = 0; i < args.Length; i++)
        {
            string Value() => i + 1 < args.Length ? args[++i] : throw new CheckException($"{args[i]} needs a value\n{Usage}");
            switch (args[i])
            {
                case "--checkpatch":
                    checkpatch = Value();
                    break;
                case "--patches":
                    patches = Value();
                    break;
                case "--rules":
                    rules = Value();
                    break;
                case "--release":
                    release = Value();
                    break;
                case "--cache":
                    cache = Value();
                    break;
                case "--no-time":
                    time = false;
                    break;
                case "--program":
                    program = Value();
                    break;
                case "--show":
                    shown = int.Parse(Value());
                    break;
                case "--":
                    extra.AddRange(args[(i + 1)..]);
                    i = args.Length;
                    break;
                default:
                    throw new CheckException($"unknown option {args[i]}\n{Usage}");
            }
        }
        if (checkpatch is null || patches is null)
            throw new CheckException(Usage);
        if (!File.Exists(checkpatch))
            throw new CheckException($"no checkpatch.pl at {checkpatch}");
        var files = File.Exists(patches)
            ? File.ReadAllLines(patches)
            : [.. Directory.EnumerateFiles(patches, "*", SearchOption.AllDirectories).Where(IsPatch).Order(StringComparer.Ordinal)];
        if (files.Length == 0)
            throw new CheckException($"no .patch, .diff, .eml, .c or .h files in {patches}");
        return new ComparisonOptions(Path.GetFullPath(checkpatch), [.. files.Select(Path.GetFullPath)], rules, release, cache is null ? null : Path.GetFullPath(cache), time, program is null ? null : Path.GetFullPath(program), shown, extra);
    }

    private static bool IsPatch(string path) => Path.GetExtension(path) is ".patch" or ".diff" or ".eml" or ".c" or ".h";
}
