using System.Globalization;
using Gauntlet.Results.Records;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>A suite from Gauntlet's own <c>suite.yaml</c>; the format is in <c>harness/README.md</c>.</summary>
public static class SuiteYaml
{
    public const string FileName = "suite.yaml";

    /// <summary>In a case's <c>args</c>: the suite file's folder.</summary>
    public const string FolderPlaceholder = "{folder}";

    private const int NewestSchema = 1;
    private const int MaxMemoryMiB = 1 << 24;

    private static readonly string[] s_onlyWithGuest = ["append", "initrd", "convention", "expect", "reject"];

    private static readonly Dictionary<string, GuestConvention> Conventions = new()
    {
        ["kvm-unit-tests"] = GuestConvention.KvmUnitTests,
        ["tap"] = GuestConvention.Tap,
        ["marker"] = GuestConvention.Marker,
        ["exit-status"] = GuestConvention.ExitStatus,
    };

    /// <exception cref="UserException">It can't be read or understood: file, line, what was expected.</exception>
    public static Suite Load(string path, SuiteContext context)
    {
        path = Path.GetFullPath(path);
        return Read(YamlFile.Load(path), path, context);
    }

    /// <summary>Reads a text as if it were the file <paramref name="path"/>.</summary>
    /// <exception cref="UserException">File, line, what was expected.</exception>
    public static Suite Parse(string text, string path, SuiteContext context) => Read(YamlFile.Parse(text, path), path, context);

    private static Suite Read(YamlMap map, string path, SuiteContext context)
    {
        map.RequireSchema(NewestSchema);
        map.RefuseOthersThan("schema", "name", "arch", "timeout", "environment", "cases");
        var timeout = Duration(map, "timeout");
        var names = new HashSet<string>(StringComparer.Ordinal);
        var cases = new List<TestCase>();
        foreach (var entry in map.Maps("cases"))
        {
            var testCase = ReadCase(entry, Path.GetDirectoryName(path)!, timeout, context);
            if (!names.Add(testCase.Name))
                throw entry.Error($"a case named '{testCase.Name}' is there already; names must be unique.", "name");
            cases.Add(testCase);
        }

        if (cases.Count == 0)
            throw map.Error("'cases' must list at least one case.", "cases");
        return new Suite
        {
            Name = map.RequiredText("name"),
            Arch = map.RequiredText("arch"),
            Source = path,
            Cases = cases,
            WantsEnvironmentFile = map.Flag("environment") ?? false,
            Variables = context.Variables,
        };
    }

    private static TestCase ReadCase(YamlMap map, string folder, TimeSpan? defaultTimeout, SuiteContext context)
    {
        map.RefuseOthersThan(
            "name", "image", "qtest", "smp", "memory", "append", "args", "groups", "machine", "accel", "timeout", "check", "convention", "expect", "reject", "initrd", "skip");
        if (map.Has("qtest") == map.Has("image"))
            throw map.Error("a case needs either 'image', a guest, or 'qtest', a script that is played to the VMM.", map.Has("qtest") ? "qtest" : "name");
        var convention = map.Has("qtest") ? GuestConvention.Qtest : GuestConvention.KvmUnitTests;
        if (convention == GuestConvention.Qtest && s_onlyWithGuest.FirstOrDefault(map.Has) is { } needsGuest)
            throw map.Error($"'{needsGuest}' is for guests, and a case with 'qtest' has none.", needsGuest);
        if (map.Text("convention") is { } conventionName && !Conventions.TryGetValue(conventionName, out convention))
            throw map.Error($"'convention' must be one of {string.Join(", ", Conventions.Keys)}, not '{YamlMap.Shorten(conventionName)}'.", "convention");
        var expect = map.Pattern("expect");
        var reject = map.Pattern("reject");
        if (convention == GuestConvention.Marker && expect is null)
            throw map.Error("a case with 'convention: marker' needs 'expect', the regular expression that a console line must match.", "convention");
        if (convention != GuestConvention.Marker && (expect ?? reject) is not null)
            throw map.Error("'expect' and 'reject' are for 'convention: marker'.", expect is null ? "reject" : "expect");
        var smpIsMaximum = map.Text("smp") == "max";
        foreach (var check in map.Texts("check"))
        {
            if (check.IndexOf('=') < 1)
                throw map.Error($"every entry of 'check' must be path=value, not '{YamlMap.Shorten(check)}'.", "check");
        }

        var image = Path.GetFullPath(map.RequiredText(convention == GuestConvention.Qtest ? "qtest" : "image"), folder);
        // One that is not there is a case to be skipped, as with images.
        if (convention == GuestConvention.Qtest && File.Exists(image))
            _ = QtestFile.Read(image);
        return new TestCase
        {
            Name = map.RequiredText("name"),
            Image = image,
            Smp = smpIsMaximum ? context.MaxSmp : map.Integer("smp", 1, UnittestsCfg.MaxSmp) ?? 1,
            SmpIsMaximum = smpIsMaximum,
            MemoryMiB = map.Integer("memory", 1, MaxMemoryMiB),
            Append = map.Text("append") is { Length: > 0 } append ? append : null,
            VmmArguments = [.. map.Texts("args").Select(word => word.Replace(FolderPlaceholder, folder, StringComparison.Ordinal))],
            Groups = map.Texts("groups"),
            Machine = map.Text("machine"),
            Accel = map.Pattern("accel"),
            Timeout = Duration(map, "timeout") ?? defaultTimeout,
            Checks = map.Texts("check"),
            SkipReason = map.Text("skip"),
            Convention = convention,
            Expect = expect,
            Reject = reject,
            Initrd = map.Text("initrd") is { Length: > 0 } initrd ? Path.GetFullPath(initrd, folder) : null,
            Source = map.Position("name"),
        };
    }

    private static TimeSpan? Duration(YamlMap map, string key) => map.Text(key) is not { } text
        ? null
        : DurationText.TryParse(text, out var duration)
            ? duration
            : throw map.Error(string.Create(CultureInfo.InvariantCulture,
                $"'{key}' must be seconds, or a number with s, m, h or d, up to {DurationText.Longest.TotalDays} days, not '{YamlMap.Shorten(text)}'."), key);
}
