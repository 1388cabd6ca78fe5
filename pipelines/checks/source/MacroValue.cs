using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>What a macro stands for.</summary>
internal static class MacroValue
{
    private static readonly string[] s_declarations = ["union", "struct", "__typeof__(", "DECLARE_PER_CPU", "DEFINE_PER_CPU", "module_param_named"];

    /// <summary>Values that are no expressions: declarations, initialisers, strings. Parentheses around them would be wrong.</summary>
    public static bool IsNoExpression(TypeMatcher types, ReadOnlySpan<char> value)
    {
        if (value.StartsWith("\"") || value.EndsWith("\""))
            return true;
        foreach (var declaration in s_declarations)
        {
            if (value.Contains(declaration, StringComparison.Ordinal))
                return true;
        }
        Span<int> ends = stackalloc int[TypeMatcher.MaxEnds];
        for (var at = 0; at < value.Length; at++)
        {
            if (value[at] == '.' && Scan.IdentifierEnd(value, at + 1) is > 0 and var member && Scan.StartsAt(value, Scan.SkipSpace(value, member), "="))
                return true;
            // A type's name at a longer name's end counts.
            if (Scan.IsIdentifierStart(value[at]) && types.TypeEnds(value, at, ends) > 0)
                return true;
        }
        return false;
    }
}
