using System.Globalization;

namespace Gauntlet.Fuzz.Instrument;

/// <summary>
/// A folder with a worker's program in which the assemblies under test are woven copies: types of a woven and of a plain copy would not be the same, so
/// that the worker is a process of its own.
/// </summary>
public static class WovenFolder
{
    /// <summary>The worker's program in the folder.</summary>
    public const string Program = "Gauntlet.Fuzz.dll";

    private const string EdgesFile = "edges", SourcesFile = "sources", WordsFile = "words";

    /// <summary>Of a worker's process.</summary>
    internal const string RuntimeConfig =
        """
        {
          "runtimeOptions": {
            "tfm": "net10.0",
            "framework": { "name": "Microsoft.NETCore.App", "version": "10.0.0" },
            "configProperties": { "System.GC.Concurrent": false, "System.Globalization.Invariant": true }
          }
        }
        """;

    /// <summary>Where hostile input goes: woven whenever they are there.</summary>
    internal static readonly string[] UnderTest = ["Gauntlet.Vmm.dll", "gvmm.dll", "Gauntlet.Harness.dll", "Gauntlet.Results.dll", "Gauntlet.Guests.dll", "Gauntlet.Pipelines.dll"];

    /// <summary>Fills an empty folder.</summary>
    /// <param name="folder">Made when it is not there.</param>
    /// <param name="under">What of the assemblies under test is woven, as <see cref="Weaver.Weave"/> takes it.</param>
    /// <param name="more">Further assemblies to weave, by file name, all of them.</param>
    /// <param name="from">Where the program and its assemblies are; null: where this one lies.</param>
    public static void Create(string folder, IReadOnlyCollection<string> under, IReadOnlyCollection<string> more, string? from = null)
    {
        Directory.CreateDirectory(folder);
        var weaver = new Weaver();
        foreach (var source in Directory.EnumerateFiles(from ?? AppContext.BaseDirectory, "*.dll").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(source);
            if (more.Contains(name))
                weaver.Weave(source, Path.Combine(folder, name), []);
            else if (UnderTest.Contains(name))
                weaver.Weave(source, Path.Combine(folder, name), under);
            else
                File.Copy(source, Path.Combine(folder, name));
        }
        File.WriteAllText(Path.Combine(folder, Path.ChangeExtension(Program, "runtimeconfig.json")), RuntimeConfig);
        File.WriteAllLines(Path.Combine(folder, SourcesFile), weaver.Sources.Select(block => string.Create(CultureInfo.InvariantCulture, $"{block.Edge} {block.First} {block.Last} {block.Path}")));
        File.WriteAllLines(Path.Combine(folder, WordsFile), weaver.Words);
        File.WriteAllText(Path.Combine(folder, EdgesFile), weaver.Edges.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Of the folder that this process runs from: where the source of its edges is; empty without symbols.</summary>
    public static IReadOnlyList<SourceBlock> Sources()
    {
        var path = Path.Combine(AppContext.BaseDirectory, SourcesFile);
        return !File.Exists(path) ? [] : [.. File.ReadLines(path).Select(line => line.Split(' ', 4)).Select(words => new SourceBlock(Number(words[0]), words[3], Number(words[1]), Number(words[2])))];

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }

    /// <summary>Of the folder that this process runs from: text that the code under test has.</summary>
    public static IReadOnlyList<string> Words() => Path.Combine(AppContext.BaseDirectory, WordsFile) is var path && File.Exists(path) ? File.ReadAllLines(path) : [];

    /// <summary>Of the folder that this process runs from; 0 when nothing in it is woven.</summary>
    public static int Edges =>
        Path.Combine(AppContext.BaseDirectory, EdgesFile) is var path && File.Exists(path) ? int.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture) : 0;
}
