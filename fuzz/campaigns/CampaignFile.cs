using Gauntlet.Fuzz.Targets;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Campaigns;

/// <summary>A target of a campaign.</summary>
/// <param name="Name">As <c>gauntlet fuzz list</c> names it, or <c>qemu:DEVICE</c>.</param>
/// <param name="Most">Longest that it gets in all; null: no limit but the campaign's.</param>
/// <param name="Machine">Of QEMU, for its devices.</param>
public sealed record CampaignTarget(string Name, TimeSpan? Most, string Machine = CampaignTarget.DefaultMachine)
{
    internal const string DefaultMachine = "q35";

    private const string QemuPrefix = "qemu:";

    /// <summary>Of QEMU; null for a target in process.</summary>
    public string? QemuDevice => Name.StartsWith(QemuPrefix, StringComparison.Ordinal) ? Name[QemuPrefix.Length..] : null;

    /// <summary>Of its directory.</summary>
    public string FolderName => Name.Replace(':', '-');
}

/// <summary>What a campaign fuzzes, and for how long: a YAML file.</summary>
/// <param name="Output">A directory for each target, kept from one night to the next.</param>
/// <param name="Time">Of all targets together.</param>
/// <param name="Slice">Of one turn.</param>
/// <param name="Workers">Turns at the same time.</param>
/// <param name="Qemu">QEMU's program, for targets that are devices of it; <c>qemu@DIR</c> is built with coverage.</param>
/// <param name="PlainQemu">One without instrumentation, which confirms what an instrumented one finds.</param>
/// <param name="Regressions">Folder with a folder for each target, its files inputs that once failed: run first. Null for none.</param>
public sealed record CampaignFile(string Output, TimeSpan Time, TimeSpan Slice, int Workers, string Qemu, string PlainQemu, string? Regressions, IReadOnlyList<CampaignTarget> Targets)
{
    private const int MostWorkers = 256;
    private const string InstalledQemu = "qemu-system-x86_64";

    private static readonly TimeSpan DefaultSlice = TimeSpan.FromSeconds(30), ShortestSlice = TimeSpan.FromSeconds(1);

    /// <param name="path">Paths in it are relative to the folder that the command is called in.</param>
    /// <exception cref="UserException">With file and line.</exception>
    public static CampaignFile Load(string path) => Read(YamlFile.Load(path));

    internal static CampaignFile Read(YamlMap map)
    {
        map.RequireSchema(1);
        map.RefuseOthersThan("schema", "output", "time", "slice", "workers", "qemu", "plain", "regressions", "targets");
        var targets = new List<CampaignTarget>();
        foreach (var entry in map.Maps("targets"))
        {
            entry.RefuseOthersThan("name", "most", "machine");
            var name = entry.RequiredText("name");
            var target = new CampaignTarget(name, Duration(entry, "most"), entry.Text("machine") ?? CampaignTarget.DefaultMachine);
            if (target.QemuDevice is null && entry.Has("machine"))
                throw entry.Error("'machine' is for devices of QEMU, qemu:DEVICE.", "machine");
            try
            {
                if (target.QemuDevice is null)
                    TargetCatalogue.Create(name).Dispose();
            }
            catch (UserException exception)
            {
                throw entry.Error(exception.Message, "name");
            }
            if (targets.Any(other => other.Name == name))
                throw entry.Error($"'{name}' is there twice.", "name");
            targets.Add(target);
        }
        if (targets.Count == 0)
            throw map.Error("'targets' names none; `gauntlet fuzz list` shows what there is.", "targets");
        var slice = Duration(map, "slice") ?? DefaultSlice;
        if (slice < ShortestSlice)
            throw map.Error($"'slice' must be {ShortestSlice.TotalSeconds:0}s or more.", "slice");
        return new CampaignFile(
            map.RequiredText("output"), Duration(map, "time") ?? throw map.Error("'time' is missing: how long all targets together are fuzzed, as in 8h.", "time"), slice,
            map.Integer("workers", 1, MostWorkers) ?? Environment.ProcessorCount, map.Text("qemu") ?? InstalledQemu, map.Text("plain") ?? InstalledQemu, map.Text("regressions"), targets);
    }

    private static TimeSpan? Duration(YamlMap map, string key) => map.Text(key) is not { } text ? null
        : DurationText.TryParse(text, out var duration) ? duration
        : throw map.Error($"'{key}' must be a number with s, m, h or d, not '{YamlMap.Shorten(text)}'.", key);
}
