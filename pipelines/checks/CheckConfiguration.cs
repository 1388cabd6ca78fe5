using System.IO.Enumeration;
using Gauntlet.Pipelines.Checks.Rules;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Gauntlet.Pipelines.Checks;

/// <summary>
/// A tree's own choices, <c>.gauntlet/check.yaml</c>: rule set, ignored types, and for paths other severities. Read from the base that a patch is for, never from
/// what it brings.
/// </summary>
public sealed class CheckConfiguration
{
    public const string Path = ".gauntlet/check.yaml";

    /// <summary>Name of the rule set.</summary>
    public string? Rules { get; set; }

    public bool? Strict { get; set; }

    public int? MaxLineLength { get; set; }

    /// <summary>Types that are not reported anywhere.</summary>
    public List<string> Ignore { get; set; } = [];

    /// <summary>Later entries win over earlier ones.</summary>
    public List<PathScope> Paths { get; set; } = [];

    /// <summary>What holds below a path.</summary>
    public sealed class PathScope
    {
        /// <summary>A path with <c>*</c> for any text, slashes too, and <c>?</c> for any character.</summary>
        public string Match { get; set; } = "";

        /// <summary>Nothing is reported.</summary>
        public bool Skip { get; set; }

        /// <summary><c>error</c>, <c>warning</c>, <c>check</c> or <c>off</c> for a type.</summary>
        public Dictionary<string, string> Severity { get; set; } = [];
    }

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="CheckException">It is not YAML, or says what does not exist.</exception>
    public static CheckConfiguration Parse(string yaml, string source)
    {
        CheckConfiguration configuration;
        try
        {
            configuration = new DeserializerBuilder().WithNamingConvention(HyphenatedNamingConvention.Instance).Build().Deserialize<CheckConfiguration?>(yaml) ?? new();
        }
        catch (YamlException e)
        {
            throw new CheckException($"{source}, line {e.Start.Line}: {e.InnerException?.Message ?? e.Message}");
        }
        foreach (var scope in configuration.Paths)
        {
            if (scope.Match.Length == 0)
                throw new CheckException($"{source}: an entry of paths has no match, such as hw/*");
            foreach (var (type, severity) in scope.Severity)
            {
                if (severity is not ("error" or "warning" or "check" or "off"))
                    throw new CheckException($"{source}: the severity of {type} below {scope.Match} is error, warning, check or off, not {severity}");
            }
        }
        return configuration;
    }

    /// <summary>Applies what is said for the finding's file; false when it is not to be reported.</summary>
    internal bool Apply(ref Finding finding)
    {
        var shown = true;
        foreach (var scope in Paths)
        {
            if (!FileSystemName.MatchesSimpleExpression(scope.Match, finding.File, ignoreCase: false))
                continue;
            if (scope.Skip)
                shown = false;
            if (scope.Severity.TryGetValue(finding.Rule.Id, out var severity))
            {
                shown = severity != "off";
                finding = finding with { Severity = severity switch { "error" => Severity.Error, "warning" => Severity.Warning, "check" => Severity.Check, _ => finding.Severity } };
            }
        }
        return shown;
    }
}
