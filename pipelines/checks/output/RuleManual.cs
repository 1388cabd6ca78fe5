using System.Text;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Rules.Series;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>Explains rules: what is reported, why, and how it is done right.</summary>
internal static class RuleManual
{
    /// <summary>One rule by its name, or all rules.</summary>
    public static string Explain(RuleSet rules, string id)
    {
        var text = new StringBuilder();
        if (id.Equals("all", StringComparison.OrdinalIgnoreCase))
        {
            foreach (var rule in rules.All)
                Append(text, rule);
            return text.ToString();
        }
        foreach (var rule in rules.All.Concat(SeriesRules.All))
        {
            if (rule.Id.Equals(id, StringComparison.OrdinalIgnoreCase))
                Append(text, rule);
        }
        if (text.Length == 0)
            throw new CheckException($"no rule {id} in {rules.Name}; --list-types names all{Suggest(rules, id)}");
        return text.ToString();
    }

    /// <summary>The names of all rules, with what they report.</summary>
    public static string List(RuleSet rules)
    {
        var text = new StringBuilder();
        foreach (var rule in rules.All.Concat(SeriesRules.All).OrderBy(rule => rule.Id, StringComparer.Ordinal))
            text.Append(rule.Id.PadRight(36)).Append(JsonReport.SeverityName(rule.Severity).PadRight(9)).Append(rule.Message).Append('\n');
        foreach (var type in rules.NotYetDone)
            text.Append(type.PadRight(36)).Append("not yet done\n");
        return text.ToString();
    }

    private static void Append(StringBuilder text, Rule rule)
    {
        var explanation = rule.Explanation;
        text.Append(rule.Id).Append(" (").Append(JsonReport.SeverityName(rule.Severity)).Append(")\n    ").Append(rule.Message).Append("\n\n");
        text.Append("  ").Append(explanation.Why).Append("\n\n  Reported:\n\n");
        AppendExample(text, explanation.Bad);
        text.Append("\n  Not reported:\n\n");
        AppendExample(text, explanation.Good);
        text.Append('\n');
    }

    private static void AppendExample(StringBuilder text, Example example)
    {
        foreach (var line in ByteText.ToDisplay(example.Text).TrimEnd('\n').Split('\n'))
            text.Append("      ").Append(line.Replace("\r", "\\r", StringComparison.Ordinal)).Append('\n');
    }

    private static string Suggest(RuleSet rules, string id)
    {
        foreach (var rule in rules.All)
        {
            if (rule.Id.Contains(id, StringComparison.OrdinalIgnoreCase))
                return $"; did you mean {rule.Id}?";
        }
        return "";
    }
}
