using Gauntlet.Pipelines.Checks.Rules.Linux;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>How macros are judged under Linux's rules. Each line is one that the kernel has in this form.</summary>
public sealed class MacroRuleTests
{
    private static readonly string[] s_macroTypes =
    [
        "COMPLEX_MACRO", "MULTISTATEMENT_MACRO_USE_DO_WHILE", "MACRO_ARG_REUSE", "MACRO_ARG_PRECEDENCE", "MACRO_WITH_FLOW_CONTROL", "SINGLE_STATEMENT_DO_WHILE_MACRO",
        "DO_WHILE_MACRO_WITH_TRAILING_SEMICOLON", "TRAILING_SEMICOLON",
    ];

    [Theory]
    [InlineData("#define X 1")]
    [InlineData("#define X -1")]
    [InlineData("#define X (1 + 2)")]
    [InlineData("#define X a->b.c")]
    [InlineData("#define X(a) f(a)")]
    [InlineData("#define X(a) f(a),")]
    [InlineData("#define X(a) #a")]
    [InlineData("#define X(a) prefix_##a")]
    [InlineData("#define X \"a\" Y \"b\"")]
    [InlineData("#define X 'a'")]
    [InlineData("#define X struct x { int a; }")]
    [InlineData("#define X(a) static int f_##a(void) { return a; }")]
    [InlineData("#define X(a) .name = a, .size = sizeof(a)")]
    [InlineData("#define X(a) ({ f(a); g(1); })")]
    [InlineData("#define X(a) for (;;) f(a)")]
    [InlineData("#define X(a) \\\ndo { \\\n\tf(a); \\\n\tg(1); \\\n} while (0)")]
    [InlineData("#define X(type, a...) f(type, ## a)")]
    [InlineData("#define X(a) (sizeof(a) / sizeof(a))")]
    [InlineData("#define X")]
    [InlineData("#define X(a)")]
    public void IsFine(string macro) => Assert.Empty(Found(macro));

    [Theory]
    [InlineData("#define X 1 + 2", "COMPLEX_MACRO")]
    [InlineData("#define X(a) f(a) + 1", "COMPLEX_MACRO")]
    [InlineData("#define X f(1); g(2)", "MULTISTATEMENT_MACRO_USE_DO_WHILE")]
    [InlineData("#define X if (b) f(1)", "MULTISTATEMENT_MACRO_USE_DO_WHILE")]
    [InlineData("#define X(a) f((a), (a))", "MACRO_ARG_REUSE")]
    [InlineData("#define X(a) f(a + 1)", "MACRO_ARG_PRECEDENCE")]
    [InlineData("#define X(a) f(a->b)", "MACRO_ARG_PRECEDENCE")]
    [InlineData("#define X(a) \\\n\tf(1, \\\n\t  -a)", "MACRO_ARG_PRECEDENCE")]
    [InlineData("#define X(a) do { if (a) goto out; } while (0)", "MACRO_WITH_FLOW_CONTROL")]
    [InlineData("#define X(a) do { f(a); } while (0)", "SINGLE_STATEMENT_DO_WHILE_MACRO")]
    [InlineData("#define X(a) do { f(a); g(1); } while (0);", "DO_WHILE_MACRO_WITH_TRAILING_SEMICOLON")]
    [InlineData("#define X() do { } while (0);", "DO_WHILE_MACRO_WITH_TRAILING_SEMICOLON")]
    [InlineData("#define X f(1);", "TRAILING_SEMICOLON")]
    public void IsReported(string macro, string type) => Assert.Contains(type, Found(macro));

    /// <summary>A definition is a statement by itself, so the next one is not taken for its end; checkpatch.pl looks from the line after next on.</summary>
    [Fact]
    public void ADefinitionEndsTheStatementBeforeIt()
    {
        var findings = Examples.Check("linux", new("#define X 1\n\n\tmemset(a, 4, 0);\n"));
        Assert.Contains(findings, finding => finding.Rule.Id == "MEMSET");
    }

    [Theory]
    [InlineData("a[1][2]", "11u")]
    [InlineData("f(a, (b)) + {c}", "f1u + 1u")]
    [InlineData("(()", "(1u")]
    [InlineData("A \"X\" B + c", "\"X\" + c")]
    [InlineData("\"X\" \"X\"", "\"X\" \"X\"")]
    [InlineData("a \"", "a \"")]
    public void FlatteningLeavesTheOutermostOperators(string body, string flat) => Assert.Equal(flat, MacroFlattening.Flatten(body));

    private static List<string> Found(string macro) =>
        [.. Examples.Check("linux", new(macro)).Select(finding => finding.Rule.Id).Where(type => s_macroTypes.Contains(type))];
}
