using System.Text;
using Gauntlet.Pipelines.Checks.Rules;
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
            foreach (var rule in RuleCatalogue.All(rules))
                Append(text, rule);
            return text.ToString();
        }
        foreach (var rule in RuleCatalogue.All(rules))
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
        foreach (var rule in RuleCatalogue.All(rules).OrderBy(rule => rule.Id, StringComparer.Ordinal))
            text.Append(rule.Id.PadRight(36)).Append(JsonReport.SeverityName(rule.Severity).PadRight(9)).Append(rule.Message).Append('\n');
        foreach (var type in rules.NotYetDone)
            text.Append(type.PadRight(36)).Append("not yet done\n");
        return text.ToString();
    }

    /// <summary>All rules of all sets as tables of Markdown.</summary>
    public static string Markdown()
    {
        var text = new StringBuilder("# Check rules\n\n");
        text.Append("Written by `gauntlet check --manual`. `gauntlet check --explain TYPE` shows a bad and a good example of each; they are its tests.\n");
        foreach (var name in CheckSetup.RuleSetNames)
        {
            var rules = CheckSetup.CreateRules(name);
            AppendTable(text, $"`--rules {name}`", rules.All);
            if (rules.NotYetDone.Count > 0)
                text.Append("\nNot yet done: ").AppendJoin(", ", rules.NotYetDone).Append(".\n");
        }
        AppendTable(text, "Every project (`SERIES_…` with `--series`)", RuleCatalogue.ForEveryProject);
        return text.ToString();
    }

    private static void AppendTable(StringBuilder text, string title, IEnumerable<Rule> rules)
    {
        text.Append("\n## ").Append(title).Append("\n\n| type | severity | message | why |\n| --- | --- | --- | --- |\n");
        foreach (var rule in rules.OrderBy(rule => rule.Id, StringComparer.Ordinal).ThenBy(rule => rule.Message, StringComparer.Ordinal))
            text.Append("| ").Append(rule.Id).Append(" | ").Append(JsonReport.SeverityName(rule.Severity)).Append(" | ").Append(Cell(rule.Message)).Append(" | ").Append(Cell(rule.Explanation.Why)).Append(" |\n");
    }

    private static string Cell(string text)
    {
        var cell = new StringBuilder(text.Length);
        foreach (var c in ByteText.ToDisplay(text))
            cell.Append(c is '|' or '*' or '<' or '_' or '[' or '\\' ? "\\" : "").Append(c is '\n' ? ' ' : c);
        return cell.ToString();
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
        foreach (var rule in RuleCatalogue.All(rules))
        {
            if (rule.Id.Contains(id, StringComparison.OrdinalIgnoreCase))
                return $"; did you mean {rule.Id}?";
        }
        return "";
    }
}
