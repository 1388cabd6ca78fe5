using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Worker;

/// <summary>Corpus minimising and merging, in a process with the woven assemblies.</summary>
public static class CorpusTools
{
    /// <summary>The worker's word for it: then target, the list of inputs that count as taken, the list to choose from; each a file of paths.</summary>
    internal const string DistilWorker = "distil";

    /// <summary>Inputs of a directory in AFL's layout, of several below one, or plain files; by name.</summary>
    /// <exception cref="UserException">There is no such directory.</exception>
    public static IReadOnlyList<string> Inputs(string folder)
    {
        if (!Directory.Exists(folder))
            throw new UserException($"reading a corpus: there is no directory {folder}");
        var queues = OutputDirectory.Parts(folder).Select(part => Path.Combine(part, "queue")).ToList();
        return [.. (queues.Count == 0 ? [folder] : queues).SelectMany(queue => Directory.EnumerateFiles(queue)).Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal)];
    }

    /// <summary>Of the candidates, those that are needed beside what is taken.</summary>
    /// <exception cref="UserException">The worker dies of an input.</exception>
    public static async Task<(IReadOnlyList<string> Chosen, int Covered, int Failed)> DistilAsync(string target, IReadOnlyList<string> taken, IReadOnlyList<string> candidates, CancellationToken cancellation)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"gauntlet-distil-{Guid.NewGuid():n}");
        var woven = Path.Combine(folder, "woven");
        try
        {
            WovenFolder.Create(woven, TargetCatalogue.UnderTest(target), []);
            var (first, second) = (Path.Combine(folder, "taken"), Path.Combine(folder, "candidates"));
            await File.WriteAllLinesAsync(first, taken.Select(Path.GetFullPath), cancellation);
            await File.WriteAllLinesAsync(second, candidates.Select(Path.GetFullPath), cancellation);
            using var process = Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(woven, WovenFolder.Program), DistilWorker, target, first, second])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }) ?? throw new IOException("starting dotnet: it did not start");
            try
            {
                var (said, errors) = (process.StandardOutput.ReadToEndAsync(cancellation), process.StandardError.ReadToEndAsync(cancellation));
                await process.WaitForExitAsync(cancellation);
                var lines = (await said).Split('\n', StringSplitOptions.RemoveEmptyEntries);
                if (process.ExitCode != 0 || lines.Length == 0 || lines[^1].Split(' ') is not [var covered, var failed])
                {
                    throw new UserException(
                        $"measuring inputs of {target}: the process ended with status {process.ExitCode}; an input that ends it belongs to `gauntlet fuzz triage`: {(await errors).Trim()}", ExitCode.Environment);
                }
                return ([.. lines[..^1].Select(line => candidates[Number(line)])], Number(covered), Number(failed));
            }
            finally
            {
                if (!process.HasExited)
                    process.Kill();
            }
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }

    // In the worker: numbers of the chosen, a line each; then how much is covered, and how many failed.
    internal static void Work(string name, string taken, string candidates)
    {
        using var coverage = new CoverageMap(WovenFolder.Edges);
        using var target = TargetCatalogue.Create(name);
        var distiller = new Distiller(target, coverage);
        foreach (var path in File.ReadLines(taken))
            distiller.Take(File.ReadAllBytes(path));
        foreach (var chosen in distiller.Choose([.. File.ReadLines(candidates).Select(File.ReadAllBytes)]))
            Console.WriteLine(chosen);
        Console.WriteLine($"{distiller.Covered} {distiller.Failed}");
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
