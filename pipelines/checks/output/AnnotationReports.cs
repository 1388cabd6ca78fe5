using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gauntlet.Pipelines.Checks.Rules;
using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Output;

/// <summary>GitHub's workflow commands, <c>::error file=…,line=…::message</c> ("Workflow commands for GitHub Actions").</summary>
internal sealed class GitHubReport(Stream output) : IReport
{
    public void Announce(string text)
    {
    }

    public void Add(CheckedPatch patch)
    {
        var text = new StringBuilder();
        if (patch.NotChecked is not null)
            text.Append("::error title=NOT_CHECKED::").Append(EscapeData($"{ByteText.ToDisplay(patch.Name)} could not be checked: {patch.NotChecked}")).Append('\n');
        foreach (var finding in patch.Findings)
        {
            var inFile = finding.FileLine > 0 && finding.File.Length > 0;
            text.Append("::").Append(finding.Severity switch { Severity.Error => "error", Severity.Warning => "warning", _ => "notice" }).Append(" file=")
                .Append(EscapeProperty(ByteText.ToDisplay(inFile ? finding.File : patch.Name))).Append(",line=").Append(inFile ? finding.FileLine : finding.PatchLine)
                .Append(",title=").Append(finding.Rule.Id).Append("::").Append(EscapeData(ByteText.ToDisplay(finding.Message))).Append('\n');
        }
        output.Write(Encoding.UTF8.GetBytes(text.ToString()));
    }

    public void End() => output.Flush();

    private static string EscapeData(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("\r", "%0D", StringComparison.Ordinal).Replace("\n", "%0A", StringComparison.Ordinal);

    private static string EscapeProperty(string text) => EscapeData(text).Replace(":", "%3A", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal);
}

/// <summary>GitLab's code quality report, a list in Code Climate's format ("Code Quality", GitLab's documentation).</summary>
internal sealed class GitLabReport : IReport
{
    private readonly Utf8JsonWriter _json;

    public GitLabReport(Stream output)
    {
        _json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true });
        _json.WriteStartArray();
    }

    public void Announce(string text)
    {
    }

    public void Add(CheckedPatch patch)
    {
        var name = ByteText.ToDisplay(patch.Name);
        if (patch.NotChecked is not null)
            Write("NOT_CHECKED", $"could not be checked: {patch.NotChecked}", "blocker", name, 1, name);
        foreach (var finding in patch.Findings)
        {
            var inFile = finding.FileLine > 0 && finding.File.Length > 0;
            var severity = finding.Severity switch { Severity.Error => "major", Severity.Warning => "minor", _ => "info" };
            var line = finding.PatchLine > 0 ? ByteText.ToDisplay(patch.Lines[finding.PatchLine - 1]) : "";
            Write(
                finding.Rule.Id,
                ByteText.ToDisplay(finding.Message),
                severity,
                inFile ? ByteText.ToDisplay(finding.File) : name,
                Math.Max(inFile ? finding.FileLine : finding.PatchLine, 1),
                $"{name}\n{finding.PatchLine}\n{line}");
        }
        _json.Flush();
    }

    /// <param name="identity">What makes the finding the same one in the next run.</param>
    private void Write(string type, string message, string severity, string path, int line, string identity)
    {
        _json.WriteStartObject();
        _json.WriteString("description", message);
        _json.WriteString("check_name", type);
        _json.WriteString("fingerprint", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{type}\n{message}\n{path}\n{identity}"))));
        _json.WriteString("severity", severity);
        _json.WriteStartObject("location");
        _json.WriteString("path", path);
        _json.WriteStartObject("lines");
        _json.WriteNumber("begin", line);
        _json.WriteEndObject();
        _json.WriteEndObject();
        _json.WriteEndObject();
    }

    public void End()
    {
        _json.WriteEndArray();
        _json.Flush();
        _json.Dispose();
    }
}
