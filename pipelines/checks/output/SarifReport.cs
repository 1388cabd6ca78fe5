using System.Text.Json;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format), one run for all patches.</summary>
internal sealed class SarifReport : IReport
{
    private readonly Utf8JsonWriter _json;
    private readonly Dictionary<string, int> _ruleIndices = [];
    private readonly List<(string Name, string Reason)> _notChecked = [];

    public SarifReport(Stream output, RuleSet rules)
    {
        _json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true });
        _json.WriteStartObject();
        _json.WriteString("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
        _json.WriteString("version", "2.1.0");
        _json.WriteStartArray("runs");
        _json.WriteStartObject();
        WriteTool(rules);
        _json.WriteString("columnKind", "utf16CodeUnits");
        _json.WriteStartArray("results");
    }

    private void WriteTool(RuleSet rules)
    {
        _json.WriteStartObject("tool");
        _json.WriteStartObject("driver");
        _json.WriteString("name", "gauntlet check");
        _json.WriteString("semanticVersion", typeof(SarifReport).Assembly.GetName().Version!.ToString(3));
        _json.WriteStartArray("rules");
        // A type with several messages is one rule here.
        foreach (var rule in RuleCatalogue.All(rules))
        {
            if (!_ruleIndices.TryAdd(rule.Id, _ruleIndices.Count))
                continue;
            _json.WriteStartObject();
            _json.WriteString("id", rule.Id);
            _json.WriteStartObject("shortDescription");
            _json.WriteString("text", rule.Message);
            _json.WriteEndObject();
            _json.WriteStartObject("fullDescription");
            _json.WriteString("text", rule.Explanation.Why);
            _json.WriteEndObject();
            _json.WriteStartObject("defaultConfiguration");
            _json.WriteString("level", Level(rule.Severity));
            _json.WriteEndObject();
            _json.WriteEndObject();
        }
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.WriteEndObject();
    }

    public void Announce(string text)
    {
    }

    public void Add(CheckedPatch patch)
    {
        if (patch.NotChecked is not null)
            _notChecked.Add((ByteText.ToDisplay(patch.Name), patch.NotChecked));
        foreach (var finding in patch.Findings)
        {
            _json.WriteStartObject();
            _json.WriteString("ruleId", finding.Rule.Id);
            if (_ruleIndices.TryGetValue(finding.Rule.Id, out var index))
                _json.WriteNumber("ruleIndex", index);
            _json.WriteString("level", Level(finding.Severity));
            _json.WriteStartObject("message");
            _json.WriteString("text", ByteText.ToDisplay(finding.Message));
            _json.WriteEndObject();
            WriteLocation(patch, finding);
            _json.WriteEndObject();
        }
        _json.Flush();
    }

    /// <summary>The line in the file that the patch changes, or else in the patch.</summary>
    private void WriteLocation(CheckedPatch patch, in Finding finding)
    {
        var inFile = finding.FileLine > 0 && finding.File.Length > 0;
        _json.WriteStartArray("locations");
        _json.WriteStartObject();
        _json.WriteStartObject("physicalLocation");
        _json.WriteStartObject("artifactLocation");
        _json.WriteString("uri", Uri.EscapeDataString(ByteText.ToDisplay(inFile ? finding.File : patch.Name)).Replace("%2F", "/", StringComparison.Ordinal));
        _json.WriteEndObject();
        _json.WriteStartObject("region");
        _json.WriteNumber("startLine", Math.Max(inFile ? finding.FileLine : finding.PatchLine, 1));
        if (finding.Excerpt == Excerpt.Pointer && finding.Argument > 0)
            _json.WriteNumber("startColumn", finding.Argument);
        _json.WriteEndObject();
        _json.WriteEndObject();
        _json.WriteEndObject();
        _json.WriteEndArray();
    }

    public void End()
    {
        _json.WriteEndArray();
        _json.WriteStartArray("invocations");
        _json.WriteStartObject();
        _json.WriteBoolean("executionSuccessful", _notChecked.Count == 0);
        _json.WriteStartArray("toolExecutionNotifications");
        foreach (var (name, reason) in _notChecked)
        {
            _json.WriteStartObject();
            _json.WriteString("level", "error");
            _json.WriteStartObject("message");
            _json.WriteString("text", $"{name} could not be checked: {reason}");
            _json.WriteEndObject();
            _json.WriteEndObject();
        }
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Flush();
        _json.Dispose();
    }

    private static string Level(Severity severity) => severity switch
    {
        Severity.Error => "error",
        Severity.Warning => "warning",
        _ => "note",
    };
}
