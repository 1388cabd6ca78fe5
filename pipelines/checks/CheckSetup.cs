using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Rules.Qemu;
using Gauntlet.Pipelines.Checks.Source;

namespace Gauntlet.Pipelines.Checks;

/// <summary>Rule set, tree and configuration that options lead to.</summary>
internal sealed class CheckSetup
{
    public static readonly string[] RuleSetNames = ["qemu"];

    private CheckSetup(string ruleSet, string? root, RuleSelection selection)
    {
        RuleSetName = ruleSet;
        Root = root;
        Selection = selection;
    }

    public string RuleSetName { get; }

    /// <summary>Root of the source tree that patches are for.</summary>
    public string? Root { get; }

    public RuleSelection Selection { get; }

    public CDialect Dialect => CDialect.Qemu;

    /// <summary>QEMU's <c>--strict</c> fails on warnings; Linux's shows matters of taste.</summary>
    public bool StrictMeansWarningsFail => RuleSetName == "qemu";

    public static CheckSetup From(CheckOptions options)
    {
        var root = options.Tree ? options.Root ?? FindTree() : null;
        var name = options.Rules ?? "qemu";
        return new CheckSetup(name, root, new RuleSelection
        {
            Types = [.. options.Types],
            Ignored = [.. options.Ignored],
            Release = options.Release,
        });
    }

    public RuleSet CreateRules() => CreateRules(RuleSetName);

    /// <summary>A rule set by its name.</summary>
    public static RuleSet CreateRules(string name) => name switch
    {
        "qemu" => new QemuRules(),
        _ => throw new CheckException($"unknown rule set {name}: there are {string.Join(", ", RuleSetNames)}"),
    };

    /// <summary>Applies what selects findings by their text or place.</summary>
    public IReadOnlyList<Finding> Finish(List<Finding> findings, string? testOnly)
    {
        if (testOnly is not null)
            findings.RemoveAll(finding => !finding.Message.Contains(testOnly, StringComparison.Ordinal));
        return findings;
    }

    /// <summary>An example as a whole patch.</summary>
    public static string PatchOf(Example example)
    {
        var text = example.Text;
        if (text.StartsWith("From", StringComparison.Ordinal) || text.StartsWith("diff ", StringComparison.Ordinal) || text.StartsWith("--- ", StringComparison.Ordinal)
            || text.StartsWith("MAINTAINERS", StringComparison.Ordinal))
            return text;
        var lines = text.TrimEnd('\n').Split('\n');
        return $"From: A <a@b.c>\n\nSigned-off-by: A <a@b.c>\n---\ndiff --git a/{example.Path} b/{example.Path}\n--- a/{example.Path}\n+++ b/{example.Path}\n"
            + $"@@ -0,0 +1,{lines.Length} @@\n{string.Concat(lines.Select(line => $"+{line}\n"))}";
    }

    private static string? FindTree() => IsTree(".") ? "." : null;

    private static bool IsTree(string path) => File.Exists(Path.Combine(path, "MAINTAINERS")) && Directory.Exists(Path.Combine(path, "linux-user"));
}
