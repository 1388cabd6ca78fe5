using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;
using Gauntlet.Harness.Tests.Scheduling;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Running;

/// <summary>
/// A folder with a VMM that is a shell script, a matrix that declares it, a suite and a results store. The script gets the case's name (its image's) as <c>$1</c>
/// and the guest command line as <c>$2</c>.
/// </summary>
internal sealed class Bench : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringBuilder _cases = new();

    public Bench(string script)
    {
        Script = _folder.Script("vmm", "name=$(basename \"$1\" .img)\n" + script);
        Matrix = _folder.Write("matrix.yaml", $$"""
            schema: 1
            matrix:
              vmm: [fake]
              accel: [tcg]
              arch: [x86_64]
            vmms:
              fake:
                command: ["{{Script}}", "{kernel}", "{append}"]
                exit: debug-exit
            """);
    }

    public string Script { get; }

    public string Matrix { get; set; }

    public string Results => _folder["results"];

    public string this[string relative] => _folder[relative];

    public string Write(string relative, string text) => _folder.Write(relative, text);

    /// <summary>Adds a case, with an image, by what stands in suite.yaml beside its name and image.</summary>
    public Bench With(string name, string further = "convention: exit-status")
    {
        _folder.Write($"suite/{name}.img", "");
        _cases.Append(CultureInfo.InvariantCulture, $"  - name: {name}\n    image: {name}.img\n");
        foreach (var line in further.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            _cases.Append(CultureInfo.InvariantCulture, $"    {line}\n");
        return this;
    }

    /// <summary>A case whose image is not there.</summary>
    public Bench WithMissing(string name)
    {
        With(name);
        File.Delete(_folder[$"suite/{name}.img"]);
        return this;
    }

    /// <summary>The arguments of <c>gauntlet</c> for a run of the suite.</summary>
    public string[] Arguments(params string[] further)
    {
        string[] common = ["run", "--matrix", Matrix, "--suite", SuiteFile()];
        return [.. common, .. further.Contains("--results") ? [] : (string[])["--results", Results], .. further.Contains("-j") ? [] : (string[])["-j", "2"], .. further];
    }

    /// <summary>The suite with the cases so far.</summary>
    public string SuiteFile() => _folder.Write("suite/suite.yaml", $"schema: 1\nname: made\narch: x86_64\ntimeout: 60s\ncases:\n{_cases}");

    public async Task<(int Code, string Text)> RunAsync(params string[] further) => await InvokeAsync(Arguments(further));

    public static async Task<(int Code, string Text)> InvokeAsync(params string[] arguments)
    {
        var text = new StringWriter();
        var writer = TextWriter.Synchronized(text);
        var code = await Program.InvokeAsync(new Output(writer, writer, live: false, colour: false), arguments);
        return (code, text.ToString());
    }

    /// <summary>The same in a process of its own.</summary>
    public static Process Start(params string[] arguments)
    {
        // A shell starts a background job with SIGINT ignored, which its children inherit; env(1) undoes that, so that the tests do not depend on how they were started.
        var start = new ProcessStartInfo("env", ["--default-signal", Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", "exec", Assembly.GetExecutingAssembly().Location, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    public ResultStore OpenStore() => ResultStore.Open(Results);

    /// <summary>The latest run's results by case.</summary>
    public IReadOnlyDictionary<string, JobResult> LatestResults()
    {
        using var store = OpenStore();
        return store.GetResults(store.FindRun("latest")!.Id).Where(result => result.Job.Repetition == 1).ToDictionary(result => result.Job.Case);
    }

    /// <summary>Waits until a file that a script writes is there, and reads it.</summary>
    public async Task<string> AwaitFileAsync(string relative)
    {
        using var watcher = new FileSystemWatcher(_folder.Path) { EnableRaisingEvents = true };
        var there = new TaskCompletionSource();
        watcher.Renamed += (_, e) => Look();
        watcher.Created += (_, e) => Look();
        Look();
        await there.Task.WaitAsync(TimeSpan.FromSeconds(60));
        return await File.ReadAllTextAsync(_folder[relative]);

        void Look()
        {
            if (File.Exists(_folder[relative]))
                there.TrySetResult();
        }
    }

    public void Dispose() => _folder.Dispose();
}
