using System.Text.RegularExpressions;
using Gauntlet.Guests.Building;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Gauntlet.Guests.Tests;

/// <summary>What these tests need of a <c>suite.yaml</c>; the harness reads it in full.</summary>
internal sealed class SuiteFile
{
    public string Name { get; set; } = "";

    public string Arch { get; set; } = "";

    /// <summary>Cases get the environment file.</summary>
    public bool Environment { get; set; }

    public List<CaseEntry> Cases { get; set; } = [];

    public static IReadOnlyList<SuiteFile> All(GuestTree tree) =>
    [
        .. GuestArchitecture.All.SelectMany(architecture => Directory.GetDirectories(Path.Combine(tree.Root, "suites", architecture.Name))).Order(StringComparer.Ordinal)
            .Select(folder => Read(Path.Combine(folder, "suite.yaml"))),
    ];

    private static SuiteFile Read(string path)
    {
        var suite = Yaml.Read<SuiteFile>(path);
        foreach (var entry in suite.Cases)
        {
            entry.Suite = suite;
            entry.Image = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, entry.Image));
            entry.Folder = Path.GetDirectoryName(path)!;
        }
        return suite;
    }

    internal sealed class CaseEntry
    {
        [YamlIgnore]
        public SuiteFile Suite { get; set; } = null!;

        public string Name { get; set; } = "";

        public string Image { get; set; } = "";

        public string Smp { get; set; } = "1";

        public string? Append { get; set; }

        public List<string> Args { get; set; } = [];

        /// <summary>The suite file's.</summary>
        [YamlIgnore]
        public string Folder { get; set; } = "";

        public IEnumerable<string> Arguments => Args.Select(word => word.Replace("{folder}", Folder, StringComparison.Ordinal));

        public string? Accel { get; set; }

        /// <summary>Seconds with their "s"; null: the suite's.</summary>
        public string? Timeout { get; set; }

        public bool RunsOn(string accel) => Accel is null || Regex.IsMatch(accel, $"^(?:{Accel})$");

        /// <summary>Unique: <c>x86_64/cpu/flags</c>.</summary>
        public override string ToString() => $"{Suite.Arch}/{Suite.Name}/{Name}";
    }
}

/// <summary>What QEMU's TCG is known to get wrong, from <c>matrices/known-failures.yaml</c>.</summary>
internal sealed class KnownFailureFile
{
    public List<Entry> Failures { get; set; } = [];

    public static KnownFailureFile Read(GuestTree tree) => Yaml.Read<KnownFailureFile>(Path.Combine(tree.Root, "..", "matrices", "known-failures.yaml"));

    /// <summary>Names of the case's subtests that are known to fail; null among them: the case as a whole.</summary>
    public IReadOnlyList<string?> On(string arch, string suite, string name, string vmm, string accel) =>
    [
        .. Failures.Where(entry => entry.Suite == suite && entry.Host.Count == 0 && Fits(entry.Case, name) && entry.Cells.Any(cell =>
            Fits(cell.GetValueOrDefault("vmm"), vmm) && Fits(cell.GetValueOrDefault("accel"), accel) && Fits(cell.GetValueOrDefault("arch"), arch))).Select(entry => entry.Subtest),
    ];

    public static bool Fits(string? pattern, string text) =>
        pattern is null || Regex.IsMatch(text, "^" + Regex.Escape(pattern).Replace("\\*", ".*", StringComparison.Ordinal).Replace("\\?", ".", StringComparison.Ordinal) + "$");

    internal sealed class Entry
    {
        public string Suite { get; set; } = "";

        public string Case { get; set; } = "";

        public string? Subtest { get; set; }

        /// <summary>A mapping, or a list of them.</summary>
        public object? Cell { get; set; }

        public IReadOnlyList<Dictionary<string, string>> Cells =>
            [.. (Cell as List<object> ?? [Cell ?? new Dictionary<object, object>()]).Cast<Dictionary<object, object>>().Select(cell => cell.ToDictionary(axis => (string)axis.Key, axis => (string)axis.Value))];

        public Dictionary<string, string> Host { get; set; } = [];
    }
}

internal static class Yaml
{
    public static T Read<T>(string path) =>
        new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).IgnoreUnmatchedProperties().Build().Deserialize<T>(File.ReadAllText(path));
}
