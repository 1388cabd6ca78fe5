using System.Text.Json;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>Gauntlet's own report for programs: one object with a list of patches, each with its findings. The schema's version is in it.</summary>
internal sealed class JsonReport : IReport
{
    private const int SchemaVersion = 1;

    private readonly Utf8JsonWriter _json;
    private readonly string _ruleSet;

    public JsonReport(Stream output, string ruleSet)
    {
        _json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true });
        _ruleSet = ruleSet;
        _json.WriteStartObject();
        _json.WriteString("format", "gauntlet-check");
        _json.WriteNumber("version", SchemaVersion);
        _json.WriteString("rules", _ruleSet);
        _json.WriteStartArray("patches");
    }

    public void Announce(string text)
    {
    }

    public void Add(CheckedPatch patch)
    {
        _json.WriteStartObject();
        _json.WriteString("name", ByteText.ToDisplay(patch.Name));
        _json.WriteString("verdict", VerdictName(patch.Verdict));
        if (patch.NotChecked is not null)
            _json.WriteString("notChecked", patch.NotChecked);
        _json.WriteNumber("errors", patch.Count(Severity.Error));
        _json.WriteNumber("warnings", patch.Count(Severity.Warning));
        _json.WriteNumber("checks", patch.Count(Severity.Check));
        _json.WriteNumber("linesChecked", patch.CheckedLines);
        _json.WriteStartArray("findings");
        foreach (var finding in patch.Findings)
            WriteFinding(patch, finding);
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Flush();
    }

    private void WriteFinding(CheckedPatch patch, in Finding finding)
    {
        _json.WriteStartObject();
        _json.WriteString("type", finding.Rule.Id);
        _json.WriteString("severity", SeverityName(finding.Severity));
        _json.WriteString("message", ByteText.ToDisplay(finding.Message));
        _json.WriteNumber("patchLine", finding.PatchLine);
        if (finding.File.Length > 0)
            _json.WriteString("file", ByteText.ToDisplay(finding.File));
        if (finding.FileLine > 0)
            _json.WriteNumber("line", finding.FileLine);
        if (finding.Excerpt == Excerpt.Pointer)
            _json.WriteNumber("column", finding.Argument);
        if (finding.PatchLine > 0)
            _json.WriteString("text", ByteText.ToDisplay(patch.Lines[finding.PatchLine - 1]));
        _json.WriteEndObject();
    }

    public void End()
    {
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Flush();
        _json.Dispose();
    }

    public static string SeverityName(Severity severity) => severity switch
    {
        Severity.Error => "error",
        Severity.Warning => "warning",
        _ => "check",
    };

    private static string VerdictName(PatchVerdict verdict) => verdict switch
    {
        PatchVerdict.Clean => "clean",
        PatchVerdict.Warnings => "warnings",
        PatchVerdict.Errors => "errors",
        _ => "not-checked",
    };
}
