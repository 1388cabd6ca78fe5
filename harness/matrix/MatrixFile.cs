using Gauntlet.Results.Records;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Matrix;

/// <summary>Reads matrices: in-tree by name (<c>matrices/NAME.yaml</c>), others by path. Their format is in <c>matrices/schema.json</c>.</summary>
public static class MatrixFile
{
    public const string DefaultName = "default";

    private const string InTree = "matrices";
    private const int NewestSchema = 1;

    /// <summary>Files in that folder that are no matrices.</summary>
    private const string KnownFailures = "known-failures";

    /// <exception cref="UserException">There is no such matrix, or it can't be understood: file, line, what was expected.</exception>
    public static MatrixDefinition Load(string nameOrPath, string? treeRoot)
    {
        if (!nameOrPath.Contains('/') && Path.GetExtension(nameOrPath).Length == 0)
        {
            var inTree = treeRoot is null ? null : Path.Combine(treeRoot, InTree, nameOrPath + ".yaml");
            if (File.Exists(inTree))
                return Read(YamlFile.Load(inTree), inTree);
            if (!File.Exists(nameOrPath))
                throw new UserException($"There is no matrix '{nameOrPath}'; there are {string.Join(", ", Names(treeRoot))}, or give a file.");
        }

        return Read(YamlFile.Load(nameOrPath), nameOrPath);
    }

    /// <summary>Names of the in-tree matrices.</summary>
    public static IReadOnlyList<string> Names(string? treeRoot)
    {
        var folder = Path.Combine(treeRoot ?? "", InTree);
        return treeRoot is null || !Directory.Exists(folder)
            ? []
            : [.. Directory.EnumerateFiles(folder, "*.yaml").Select(file => Path.GetFileNameWithoutExtension(file)!).Where(name => name != KnownFailures).Order(StringComparer.Ordinal)];
    }

    /// <summary>Reads a text.</summary>
    /// <param name="path">For messages and, without <c>name</c>, the name.</param>
    /// <exception cref="UserException">File, line, what was expected.</exception>
    public static MatrixDefinition Parse(string text, string path) => Read(YamlFile.Parse(text, path), path);

    private static MatrixDefinition Read(YamlMap map, string path)
    {
        map.RequireSchema(NewestSchema);
        map.RefuseOthersThan("schema", "name", "matrix", "suites", "vmms");
        var matrix = map.Map("matrix") ?? throw map.Error("'matrix' is missing: axes such as 'vmm: [gvmm]', 'accel: [kvm, tcg]', 'arch: [x86_64]'.");
        matrix.RefuseOthersThan([.. CellAxes.Names, "include", "exclude"]);
        var axes = new List<KeyValuePair<string, IReadOnlyList<string>>>();
        foreach (var name in matrix.Keys.Where(CellAxes.Names.Contains))
        {
            var values = matrix.Texts(name);
            if (values.Count == 0 || values.Any(value => value.Length == 0))
                throw matrix.Error($"the axis '{name}' must list at least one value, none of them empty.", name);
            axes.Add(KeyValuePair.Create<string, IReadOnlyList<string>>(name, [.. values.Distinct()]));
        }

        var definition = new MatrixDefinition
        {
            Name = map.Text("name") ?? Path.GetFileNameWithoutExtension(path),
            Source = path,
            Axes = axes,
            Include = Entries(matrix, "include"),
            Exclude = Entries(matrix, "exclude"),
            Suites = map.Texts("suites"),
            Vmms = map.Map("vmms") is { } vmms ? [.. vmms.Keys.Select(name => Declaration(vmms, name))] : [],
        };
        // So that a file that no cell can come from is refused when it is read.
        definition.Expand(MatrixOverrides.None);
        return definition;
    }

    private static List<IReadOnlyDictionary<string, string>> Entries(YamlMap matrix, string key)
    {
        var entries = new List<IReadOnlyDictionary<string, string>>();
        foreach (var map in matrix.Maps(key))
        {
            map.RefuseOthersThan([.. CellAxes.Names]);
            var entry = map.Keys.ToDictionary(name => name, map.RequiredText);
            entries.Add(entry.Count > 0 ? entry : throw map.Error($"an entry of '{key}' is empty."));
        }

        return entries;
    }

    private static VmmDeclaration Declaration(YamlMap vmms, string name)
    {
        var map = vmms.Map(name) ?? throw vmms.Error($"'{name}' must be a mapping with 'command', 'program' or 'versions'.", name);
        map.RefuseOthersThan("command", "program", "versions", "source", "build", "accel", "arch", "exit");
        var command = map.Has("command") ? Command(map) : null;
        var builtIn = MatrixDefinition.BuiltInVmms.Contains(name);
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw vmms.Error($"the VMM name '{YamlMap.Shorten(name)}' must be of letters, digits, '-', '_' and '.'.", name);
        if (command is null && !builtIn)
            throw map.Error($"'{name}' needs a 'command', as it is neither {string.Join(" nor ", MatrixDefinition.BuiltInVmms)}.");
        if (command is not null && builtIn)
            throw map.Error($"'{name}' has a driver of its own; give its 'program' or 'versions', or another name to the command.", "command");
        var versions = map.Map("versions");
        if (map.Has("build") && (builtIn || !map.Has("source") || !map.Has("program")))
            throw map.Error("'build' says how 'program' comes from the sources in 'source', of a VMM with a 'command'.", "build");
        if (map.Text("source") is { } source && !Path.IsPathFullyQualified(source))
            throw map.Error($"'source' must be the absolute path of a git checkout, not '{YamlMap.Shorten(source)}'.", "source");
        var exit = map.Text("exit") ?? "console";
        if (exit is not ("console" or "debug-exit"))
            throw map.Error($"'exit' must be console or debug-exit, not '{YamlMap.Shorten(exit)}'.", "exit");
        return new VmmDeclaration
        {
            Name = name,
            Program = map.Text("program"),
            Versions = versions?.Keys.ToDictionary(version => version, versions.RequiredText) ?? [],
            Source = map.Text("source"),
            Build = map.Texts("build"),
            Command = command,
            Accels = map.Texts("accel"),
            Archs = map.Texts("arch"),
            DebugExit = exit == "debug-exit",
        };
    }

    private static CommandTemplate Command(YamlMap map)
    {
        try
        {
            return CommandTemplate.Create(map.Groups("command"));
        }
        catch (ArgumentException e)
        {
            throw map.Error($"'command': {e.Message}.", "command");
        }
    }
}
