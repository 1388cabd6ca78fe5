using System.Globalization;
using Gauntlet.Fuzz.Bench;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Worker;

if (args is ["bugs", .. var wanted])
    return await BugBench.RunAsync(wanted);

if (args is ["schedules", .. var compared])
    return await ScheduleBench.RunAsync(compared);

if (args is ["rates", .. var rest])
    return await RateBench.RunAsync(rest is [var given] && double.TryParse(given, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var wantedSeconds) ? wantedSeconds : 10);

if (args is ["resets", .. var qemus])
    return ResetBench.Run(5, qemus is [] ? ["qemu-system-x86_64"] : qemus);

// Programs a second of each target, coverage on, in one process with all that a session does: mutation, reset, map, corpus, files.
var seconds = 10.0;
var mostBytes = Mutator.MaxInputBytes;
var names = new List<string>();
for (var i = 0; i < args.Length; i++)
{
    if (args[i] == "--time" && i + 1 < args.Length && double.TryParse(args[i + 1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var given))
        (seconds, i) = (given, i + 1);
    else if (args[i] == "--max-bytes" && i + 1 < args.Length && int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var most))
        (mostBytes, i) = (most, i + 1);
    else
        names.Add(args[i]);
}
if (names.Count == 0)
    names = [.. TargetCatalogue.All.Select(entry => entry.Name)];
Console.WriteLine($"{"target",-16} {"programs/s",12} {"operations each",16} {"edges",12} {"corpus",7}");
foreach (var name in names)
{
    var folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-bench-").FullName;
    try
    {
        var last = await FuzzSession.RunAsync(new FuzzRequest(name, folder) { Time = TimeSpan.FromSeconds(seconds), InputBytes = mostBytes }, static _ => { }, CancellationToken.None);
        using var target = TargetCatalogue.Create(name);
        var kept = new OutputDirectory(folder).Inputs("queue").Select(File.ReadAllBytes).ToList();
        var operations = target.Grammar is { } grammar ? kept.Average(input => ProgramBytes.Decode(input, grammar).Count).ToString("0.0", CultureInfo.InvariantCulture) : "-";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-16} {last.Execs / seconds,12:0} {operations,16} {$"{last.Edges}/{last.EdgesTotal}",12} {last.Corpus,7}"));
    }
    finally
    {
        Directory.Delete(folder, recursive: true);
    }
}
return 0;
