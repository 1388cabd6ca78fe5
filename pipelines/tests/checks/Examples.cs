using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Source;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>Turns a rule's examples into patches and checks them.</summary>
internal static class Examples
{
    public static IReadOnlyList<Finding> Check(string ruleSet, Example example) => Scan(ruleSet, AsPatch(example)).Findings;

    public static PatchScan Scan(string ruleSet, string patch)
    {
        var setup = CheckSetup.From(new CheckOptions { Rules = ruleSet, Tree = false, Strict = true, Root = null });
        var scan = new PatchScan(new TextLines(patch), new TypeMatcher(setup.Dialect), setup.Selection) { Root = Directory.Exists("hw") ? "." : s_root.Value, Spelling = Spelling.Parse(MisspelledWord.ExampleList) };
        setup.CreateRules().Walk(scan, new WalkOptions());
        return scan;
    }

    /// <summary>A tree in which a directory <c>hw</c> is, which a patch without prefix would be applied to.</summary>
    private static readonly Lazy<string> s_root = new(() =>
    {
        var root = Path.Combine(Path.GetTempPath(), $"gauntlet-checks-{Environment.ProcessId}");
        Directory.CreateDirectory(Path.Combine(root, "hw"));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(root, recursive: true);
        return root;
    });

    public static string AsPatch(Example example) => CheckSetup.PatchOf(example);
}
