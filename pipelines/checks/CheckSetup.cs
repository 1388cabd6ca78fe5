using System.Runtime.CompilerServices;
using Gauntlet.Pipelines.Checks.Inputs;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Rules.Linux;
using Gauntlet.Pipelines.Checks.Rules.Qemu;
using Gauntlet.Pipelines.Checks.Rules.Series;
using Gauntlet.Pipelines.Checks.Source;

namespace Gauntlet.Pipelines.Checks;

/// <summary>Rule set, tree and configuration that options lead to.</summary>
internal sealed class CheckSetup
{
    public static readonly string[] RuleSetNames = ["qemu", "linux"];

    private readonly CheckOptions _options;
    private readonly CheckConfiguration? _configuration;

    private CheckSetup(CheckOptions options, string ruleSet, string? root, CheckConfiguration? configuration)
    {
        _options = options;
        RuleSetName = ruleSet;
        Root = root;
        _configuration = configuration;
        Strict = options.Strict || configuration?.Strict == true;
        MaxLineLength = options.MaxLineLength != 0 ? options.MaxLineLength : configuration?.MaxLineLength ?? 0;
        Selection = new RuleSelection
        {
            Types = [.. options.Types],
            Ignored = [.. options.Ignored, .. (configuration?.Ignore ?? []).Select(type => type.ToUpperInvariant())],
            Release = options.Release,
            Strict = ruleSet != "linux" || Strict,
        };
    }

    public string RuleSetName { get; }

    /// <summary>Root of the source tree that patches are for; null when there is none.</summary>
    public string? Root { get; }

    public RuleSelection Selection { get; }

    public bool Strict { get; }

    public int MaxLineLength { get; }

    /// <summary>Words that are often misspelled; null when there is no list.</summary>
    public Spelling? Spelling { get; private init; }

    /// <summary>Names of structures that are normally constant; null when the tree has no list of them.</summary>
    public IReadOnlySet<string>? ConstStructures { get; private init; }

    /// <summary>Whether the repository has a commit; null when there is no repository to ask.</summary>
    public Predicate<string>? HasCommit { get; private init; }

    public CDialect Dialect => RuleSetName == "linux" ? CDialect.Linux : CDialect.Qemu;

    /// <summary>QEMU's <c>--strict</c> fails on warnings; Linux's shows matters of taste, and its checkpatch fails on any finding.</summary>
    public bool WarningsFail => RuleSetName == "linux" || Strict;

    public static CheckSetup From(CheckOptions options)
    {
        var root = options.Tree ? options.Root ?? FindTree() : null;
        if (options.Root is not null && !Directory.Exists(options.Root))
            throw new CheckException($"--root {options.Root} is no directory");
        var configuration = options.Legacy || !options.Tree ? null : FindConfiguration(options, root ?? ".");
        var name = options.Rules ?? configuration?.Rules ?? (root is not null && IsLinux(root) ? "linux" : "qemu");
        if (Array.IndexOf(RuleSetNames, name) < 0)
            throw new CheckException($"unknown rule set {name}: there are {string.Join(", ", RuleSetNames)}");
        return new CheckSetup(options, name, root, configuration)
        {
            Spelling = ReadSpelling(options, name, root),
            ConstStructures = name == "linux" && root is not null ? ReadConstStructures(new BaseTree(options, root)) : null,
            HasCommit = name == "linux" ? CommitLookup.In(options) : null,
        };
    }

    public RuleSet CreateRules() => CreateRules(RuleSetName);

    /// <summary>A rule set by its name.</summary>
    public static RuleSet CreateRules(string name) => name == "linux" ? new LinuxRules() : new QemuRules();

    /// <summary>Applies what selects findings by their text or place.</summary>
    public IReadOnlyList<Finding> Finish(List<Finding> findings, string? testOnly)
    {
        if (testOnly is not null)
            findings.RemoveAll(finding => !finding.Message.Contains(testOnly, StringComparison.Ordinal));
        if (_configuration is null)
            return findings;
        var kept = new List<Finding>(findings.Count);
        foreach (var found in findings)
        {
            var finding = found;
            if (_configuration.Apply(ref finding))
                kept.Add(finding);
        }
        return kept;
    }

    /// <summary>An example as a whole patch.</summary>
    public static string PatchOf(Example example)
    {
        var text = example.Text;
        if (text.StartsWith("From", StringComparison.Ordinal) || text.StartsWith("diff ", StringComparison.Ordinal) || text.StartsWith("--- ", StringComparison.Ordinal)
            || text.StartsWith("MAINTAINERS", StringComparison.Ordinal))
            return text;
        var lines = text.TrimEnd('\n').Split('\n');
        return $"From: A <a@b.c>\n\nA log.\n\nSigned-off-by: A <a@b.c>\n---\ndiff --git a/{example.Path} b/{example.Path}\n--- a/{example.Path}\n+++ b/{example.Path}\n"
            + $"@@ -0,0 +1,{lines.Length} @@\n{string.Concat(lines.Select(line => $"+{line}\n"))}";
    }

    private static CheckConfiguration? FindConfiguration(CheckOptions options, string root)
    {
        var tree = new BaseTree(options, root);
        return tree.Read(CheckConfiguration.Path) is { } yaml ? Read(yaml, tree.NameOf(CheckConfiguration.Path)) : null;
    }

    /// <summary>codespell's list when it is asked for, and Linux's own.</summary>
    private static Spelling? ReadSpelling(CheckOptions options, string ruleSet, string? root)
    {
        var common = ruleSet == "linux" && root is not null ? new BaseTree(options, root).Read("scripts/spelling.txt") : null;
        if (common is null && options.CodespellFile is null)
            return null;
        try
        {
            return Spelling.Parse(common ?? "", options.CodespellFile is { } path ? File.ReadAllText(path) : "");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckException($"cannot read the list of misspelled words {options.CodespellFile}: {e.Message}; install codespell, or name a list with --codespellfile");
        }
    }

    private static HashSet<string>? ReadConstStructures(BaseTree tree) =>
        tree.Read("scripts/const_structs.checkpatch") is { } text
            ? [.. text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#' && !line.AsSpan().ContainsAny(' ', '\t'))]
            : null;

    /// <summary>Apart, so that the YAML library is loaded only when there is a configuration.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static CheckConfiguration Read(string yaml, string source) => CheckConfiguration.Parse(yaml, source);

    /// <summary>The base's MAINTAINERS; null when there is no tree, or none in it.</summary>
    public Maintainers? ReadMaintainers() => Root is not null && new BaseTree(_options, Root).Read("MAINTAINERS") is { } text ? Maintainers.Parse(text) : null;

    private static string? FindTree() => IsQemu(".") || IsLinux(".") ? "." : null;

    private static bool IsQemu(string root) => File.Exists(Path.Combine(root, "MAINTAINERS")) && Directory.Exists(Path.Combine(root, "linux-user"));

    private static bool IsLinux(string root) => File.Exists(Path.Combine(root, "MAINTAINERS")) && File.Exists(Path.Combine(root, "Kbuild")) && Directory.Exists(Path.Combine(root, "kernel"));
}
