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
        var scan = new PatchScan(new TextLines(patch), new TypeMatcher(setup.Dialect), setup.Selection)
        {
            Root = s_root.Value,
            Spelling = Spelling.Parse(MisspelledWord.ExampleList),
            ConstStructures = new HashSet<string> { "file_operations" },
            HasCommit = _ => false,
        };
        setup.CreateRules().Walk(scan, new WalkOptions());
        return scan;
    }

    /// <summary>A tree in which a directory <c>hw</c> is, which a patch without prefix would be applied to, and a header that includes an architecture's.</summary>
    private static readonly Lazy<string> s_root = new(() =>
    {
        var root = Path.Combine(Path.GetTempPath(), $"gauntlet-checks-{Environment.ProcessId}");
        Directory.CreateDirectory(Path.Combine(root, "hw"));
        Directory.CreateDirectory(Path.Combine(root, "include", "linux"));
        File.WriteAllText(Path.Combine(root, "hw", "Makefile"), "");
        File.WriteAllText(Path.Combine(root, "include", "linux", "hw.h"), "#include <asm/hw.h>\n");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(root, recursive: true);
        return root;
    });

    public static string AsPatch(Example example) => CheckSetup.PatchOf(example);
}
