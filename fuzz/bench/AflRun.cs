using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;

namespace Gauntlet.Fuzz.Bench;

/// <summary>afl-fuzz on a target's byte form, in persistent mode through the same handshake that people use.</summary>
internal sealed class AflRun : IDisposable
{
    private readonly Process _process;
    private readonly string _plain, _output;

    /// <param name="program">Where the program's files are.</param>
    /// <param name="folder">For what it writes.</param>
    public AflRun(string target, string program, string folder)
    {
        (_plain, _output) = (folder + ".program", Path.Combine(folder, "out"));
        var seeds = Path.Combine(folder, "in");
        WovenFolder.Create(_plain, ["nothing"], [], program);
        Directory.CreateDirectory(seeds);
        using (var made = TargetCatalogue.Create(target))
        {
            var number = 0;
            foreach (var seed in made.Seeds.Append([0, 0, 0]))
                File.WriteAllBytes(Path.Combine(seeds, $"{number++}"), seed);
        }
        var start = new ProcessStartInfo("afl-fuzz", ["-i", seeds, "-o", _output, "-t", "2000", "-m", "none", "--", "dotnet", "exec", Path.Combine(_plain, WovenFolder.Program), "afl", target])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in (string[])["AFL_SKIP_BIN_CHECK", "AFL_NO_UI", "AFL_SKIP_CPUFREQ", "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "AFL_NO_AFFINITY"])
            start.Environment[name] = "1";
        start.Environment["AFL_FORKSRV_INIT_TMOUT"] = "60000";
        _process = Process.Start(start) ?? throw new InvalidOperationException("afl-fuzz did not start");
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        Ended = _process.WaitForExitAsync();
    }

    /// <summary>It came to its end by itself.</summary>
    public Task Ended { get; }

    /// <summary>It ran the seeds and wrote its first statistics: its start and its weaving are over.</summary>
    public bool IsUnderWay => File.Exists(Statistics);

    public bool HasFound => Any("crashes") || Any("hangs");

    /// <summary>So far, as its statistics say.</summary>
    public long Execs => File.ReadLines(Statistics).FirstOrDefault(static line => line.StartsWith("execs_done", StringComparison.Ordinal)) is { } line
        ? long.Parse(line[(line.IndexOf(':') + 1)..], CultureInfo.InvariantCulture)
        : 0;

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_plain, recursive: true);
    }

    private string Statistics => Path.Combine(_output, "default", "fuzzer_stats");

    private bool Any(string kind) => Path.Combine(_output, "default", kind) is var path && Directory.Exists(path) && Directory.EnumerateFiles(path, "id:*").Any();
}
