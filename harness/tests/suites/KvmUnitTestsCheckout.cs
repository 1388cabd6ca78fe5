using System.Text.RegularExpressions;
using Gauntlet.Harness.Suites;

namespace Gauntlet.Harness.Tests.Suites;

/// <summary>A test on the real thing, where somebody has it.</summary>
internal sealed class KvmUnitTestsFactAttribute : FactAttribute
{
    public const string Variable = "GAUNTLET_KUT";

    public KvmUnitTestsFactAttribute()
    {
        if (Checkout is null)
            Skip = $"{Variable} does not name a kvm-unit-tests checkout";
    }

    public static string? Checkout => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path && File.Exists(Path.Combine(path, "run_tests.sh")) ? path : null;
}

public sealed partial class KvmUnitTestsCheckout
{
    [KvmUnitTestsFact]
    public void EveryTestOfEveryArchitectureIsUnderstood()
    {
        foreach (var (folder, arch) in new[] { ("x86", "x86_64"), ("arm", "aarch64"), ("riscv", "riscv64") })
        {
            var path = Path.Combine(KvmUnitTestsFactAttribute.Checkout!, folder, UnittestsCfg.FileName);
            var suite = UnittestsCfg.Load(path, new SuiteContext { MaxSmp = 2, Arch = arch });
            Assert.Equal(Header().Count(File.ReadAllText(path)), suite.Cases.Count);
            Assert.DoesNotContain(suite.Notes, note => !note.Contains("-enable-kvm"));
            // Migration is told as a skip; anything else must be understood.
            Assert.DoesNotContain(suite.Cases, testCase => testCase.SkipReason is not null && !testCase.Groups.Contains("migration"));
        }
    }

    [GeneratedRegex(@"^\[.+\]\s*$", RegexOptions.Multiline)]
    private static partial Regex Header();
}
