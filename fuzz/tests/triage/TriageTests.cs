using System.Text;
using Gauntlet.Fuzz.Commands;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Tests.Triage;

/// <summary>Failures that a run left, tried again in processes of their own.</summary>
public sealed class TriageTests : IDisposable
{
    private const string Fatal = "Gauntlet.Fuzz.Tests.dll!Gauntlet.Fuzz.Tests.Triage.FatalTarget";

    private const string Seeded = "Gauntlet.Fuzz.Tests.dll!Gauntlet.Fuzz.Tests.Triage.SeededFatalTarget";

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;
    private readonly StringWriter _said = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void An_input_that_ends_its_process_is_told_by_what_it_did_there_and_the_next_one_runs()
    {
        using var process = new ReplayProcess(Fatal);

        Assert.Equal("stack overflow FatalTarget.Ping < FatalTarget.Pong", process.Run("S"u8.ToArray())?.Bucket);
        Assert.Null(process.Run("fine"u8.ToArray()));
        Assert.StartsWith("Process terminated. stopped at N FatalTarget.Run", process.Run("F"u8.ToArray())?.Bucket, StringComparison.Ordinal);
        Assert.Equal("process ended with status 42", process.Run("D"u8.ToArray())?.Bucket);
        Assert.Equal("InvalidOperationException FatalTarget.Run", Short(process.Run("X"u8.ToArray())?.Bucket));
        Assert.Equal("allocation", process.Run("A"u8.ToArray())?.Bucket);
        Assert.Null(process.Run([]));
    }

    [Fact]
    public void An_input_that_does_not_end_is_ended()
    {
        using var process = new ReplayProcess(Fatal, TimeSpan.FromMilliseconds(200));

        Assert.Equal("hang: longer than 0.2 s", process.Run("H"u8.ToArray())?.Bucket);
        Assert.Null(process.Run([]));
    }

    [Fact]
    public void An_unknown_target_is_told_by_the_process_too()
    {
        using var process = new ReplayProcess("frob");

        Assert.Contains("frob", Assert.Throws<UserException>(() => process.Run([])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Triage_tries_each_bucket_three_times_and_show_tells_what_came_of_it()
    {
        var output = new OutputDirectory(_folder);
        var flaky = $"K{Path.Combine(_folder, "times")}";
        File.WriteAllBytes(flaky[1..], []);
        foreach (var (input, bucket, after) in ((string, string, double)[])[("SSSS", "stack overflow", 1.5), ("no more", "fixed", 2), (flaky, "now and then", 60), ("XXXX", "exception", 7_200)])
        {
            output.AddCrash(Encoding.UTF8.GetBytes(input), $"{bucket}\nas it was found\n", TimeSpan.FromSeconds(after), 10);
            output.Count(bucket);
            output.Count(bucket);
        }
        output.WriteStats(default, Fatal);

        Assert.Equal(ExitCode.Success, await RunAsync("show", _folder));
        Assert.Equal(["- ", "- ", "- ", "- "], Rows().Select(row => row[42..44]));
        Assert.Equal(ExitCode.Failure, await RunAsync("triage", Fatal, _folder));
        Assert.Equal(ExitCode.Success, await RunAsync("show", _folder));

        var rows = Rows();
        Assert.Equal(4, rows.Length);
        Assert.Matches(@"^   0  \d{4}-\d\d-\d\d \d\d:\d\d     1\.5 s       2  confirmed .*stack overflow$", rows[0]);
        Assert.Matches(@"     2\.0 s       2  gone .*fixed$", rows[1]);
        Assert.Matches(@"  1:00 min       2  flaky .*now and then$", rows[2]);
        Assert.Matches(@"    2:00 h       2  confirmed .*exception$", rows[3]);

        // Its smallest input is one byte, and no chance made it smaller.
        Assert.Equal("S"u8.ToArray(), File.ReadAllBytes(Path.Combine(_folder, "triage", "000.bin")));
        Assert.Equal(Encoding.UTF8.GetBytes(flaky), File.ReadAllBytes(Path.Combine(_folder, "triage", "002.bin")));
        Assert.False(File.Exists(Path.Combine(_folder, "triage", "001.cs")));

        Assert.Equal(ExitCode.Success, await RunAsync("show", _folder, "3"));
        var one = _said.ToString();
        Assert.Contains(Path.Combine(_folder, "triage", "003.cs"), one, StringComparison.Ordinal);
        Assert.Contains($"gauntlet fuzz repro '{Fatal}' {Path.Combine(_folder, "crashes", "id:000003,time:7200000,execs:10")}", one, StringComparison.Ordinal);
        Assert.Contains("System.InvalidOperationException: exception", one, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Repro_and_minimize_outlive_what_ends_its_process()
    {
        var input = Path.Combine(_folder, "input");
        File.WriteAllText(input, "DEAD");

        Assert.Equal(ExitCode.Failure, await RunAsync("repro", Fatal, input));
        Assert.StartsWith("process ended with status 42", _said.ToString(), StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, await RunAsync("minimize", Fatal, input));
        Assert.Equal("D", File.ReadAllText(input + ".min.bin"));
    }

    [Fact]
    public async Task A_session_whose_worker_throws_and_dies_keeps_both()
    {
        await FuzzSession.RunAsync(new FuzzRequest(Seeded, _folder) { Deaths = 2 }, static _ => { }, CancellationToken.None);

        var crashes = new OutputDirectory(_folder).Inputs("crashes");
        Assert.Equal([(0, "X"), (1, "D"), (2, "D")], crashes.Select(static path => (FindingName.Parse(path).Id, File.ReadAllText(path))));
        Assert.Equal(["InvalidOperationException FatalTarget.Run", "process ended with status 42", "process ended with status 42"], crashes.Select(static path => Short(File.ReadLines(path + ".txt").First())));
        Assert.All(crashes, static path => Assert.NotNull(FindingName.Parse(path).After));
    }

    private string[] Rows() => _said.ToString().TrimEnd().Split('\n')[1..];

    private async Task<int> RunAsync(params string[] arguments)
    {
        _said.GetStringBuilder().Clear();
        var fuzz = Assert.Single(new FuzzCommands().CreateCommands(new Output(_said, TextWriter.Null, live: false, colour: false)));
        return await fuzz.Parse(arguments).InvokeAsync();
    }

    // The frames below are this harness's own.
    private static string? Short(string? bucket) => bucket?.Split(" < ")[0];
}
