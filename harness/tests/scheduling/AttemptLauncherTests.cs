using System.Diagnostics;
using System.Globalization;
using System.Text;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Tests.Scheduling;

/// <summary>Attempts as real processes: how their ends are told, and that nothing of them outlives them.</summary>
public sealed class AttemptLauncherTests : IDisposable
{
    private readonly AttemptLauncher _launcher = new();

    public void Dispose() => _launcher.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(77)]
    [InlineData(255)]
    public async Task The_exit_status_is_the_process_own(int status)
    {
        var exit = await Run($"exit {status}");
        Assert.Equal((status, null, LimitHit.None), (exit.ExitStatus, exit.Signal, exit.Limit));
    }

    [Theory]
    [InlineData("SEGV", 11)]
    [InlineData("ABRT", 6)]
    [InlineData("KILL", 9)]
    public async Task A_death_by_signal_names_the_signal(string name, int number)
    {
        var exit = await Run($"kill -{name} $$");
        Assert.Equal((null, number, LimitHit.None), (exit.ExitStatus, exit.Signal, exit.Limit));
        Assert.False(exit.KilledByCaller);
    }

    [Fact]
    public async Task Console_and_standard_error_are_kept_apart_and_whole()
    {
        var exit = await Run("printf 'one\\ntwo'; printf 'oops' >&2");
        Assert.Equal("one\ntwo", Encoding.UTF8.GetString(exit.Console.Bytes));
        Assert.Equal("oops", Encoding.UTF8.GetString(exit.StandardError.Bytes));
        Assert.False(exit.Console.Truncated);
    }

    [Fact]
    public async Task Console_lines_come_one_by_one_the_last_without_its_line_end_too()
    {
        var lines = new List<string>();
        await using var process = _launcher.Start(Scripts.Plan("printf 'a\\r\\n\\nb'"), new AttemptLimits(), lines.Add);
        await process.WaitAsync(default);
        Assert.Equal(["a", "", "b"], lines);
    }

    [Fact]
    public async Task Standard_input_is_empty()
    {
        var exit = await Run("read line; echo $?");
        Assert.Equal("1\n", Encoding.UTF8.GetString(exit.Console.Bytes));
    }

    [Fact]
    public async Task It_leads_a_session_of_its_own()
    {
        // Fields of /proc/PID/stat: 4 is the parent, which is the shell, 6 the session.
        var exit = await Run("cut -d' ' -f4,6 /proc/self/stat | { read parent session; echo $((parent == session)); }");
        Assert.Equal("1\n", Encoding.UTF8.GetString(exit.Console.Bytes));
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_an_error_of_its_start()
    {
        await using var process = _launcher.Start(new LaunchPlan { CommandLine = ["/no/such/vmm"], WorkingDirectory = "/" }, new AttemptLimits());
        var error = await Assert.ThrowsAsync<LinuxException>(() => process.WaitAsync(default));
        Assert.Equal(2, error.Errno);
        Assert.Contains("/no/such/vmm", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_program_is_an_error_of_its_start()
    {
        using var folder = new TemporaryFolder();
        var path = folder["vmm"];
        await File.WriteAllTextAsync(path, "");
        await using var process = _launcher.Start(new LaunchPlan { CommandLine = [path], WorkingDirectory = "/" }, new AttemptLimits());
        Assert.Equal(13, (await Assert.ThrowsAsync<LinuxException>(() => process.WaitAsync(default))).Errno);
    }

    [Fact]
    public async Task A_daemon_left_behind_dies_with_its_vmm()
    {
        using var folder = new TemporaryFolder();
        var pidFile = folder["pid"];
        var exit = await Run($"(setsid sh -c 'readlink /proc/self > {pidFile}.new; mv {pidFile}.new {pidFile}; exec sleep 1000' &) ; while ! [ -s {pidFile} ]; do sleep 0.01; done; exit 5");
        Assert.Equal(5, exit.ExitStatus);
        AssertGone(await ReadPid(pidFile));
    }

    [Fact]
    public async Task Kill_ends_daemons_too_and_returns_when_all_are_gone()
    {
        using var folder = new TemporaryFolder();
        var pidFile = folder["pid"];
        var ready = new TaskCompletionSource();
        await using var process = _launcher.Start(
            Scripts.Plan($"(setsid sh -c 'readlink /proc/self > {pidFile}; echo ready; exec sleep 1000' &) ; trap '' TERM INT; sleep 1000"),
            new AttemptLimits(), line => ready.TrySetResult());
        await ready.Task;
        await process.KillAsync();
        await process.KillAsync();
        var exit = await process.WaitAsync(default);
        Assert.True(exit.KilledByCaller);
        Assert.Equal(9, exit.Signal);
        AssertGone(await ReadPid(pidFile));
        AssertGone(process.ProcessId);
    }

    [Fact]
    public async Task A_busy_loop_ends_at_its_limit_of_cpu_time()
    {
        var exit = await Run("while :; do :; done", new AttemptLimits { CpuTime = TimeSpan.FromMilliseconds(300) });
        Assert.Equal(LimitHit.CpuTime, exit.Limit);
        Assert.True(exit.Cpu >= TimeSpan.FromMilliseconds(300));
    }

    [Fact]
    public async Task The_cpu_time_of_children_counts()
    {
        var exit = await Run("sh -c 'while :; do :; done' & wait", new AttemptLimits { CpuTime = TimeSpan.FromMilliseconds(300) });
        Assert.Equal(LimitHit.CpuTime, exit.Limit);
    }

    [Fact]
    public async Task Sleeping_uses_no_cpu_time_but_wall_time()
    {
        var exit = await Run("sleep 1000", new AttemptLimits { CpuTime = TimeSpan.FromSeconds(5), WallTime = TimeSpan.FromMilliseconds(300) });
        Assert.Equal(LimitHit.WallTime, exit.Limit);
        Assert.True(exit.Cpu < exit.Wall);
    }

    [Fact]
    public async Task A_flood_is_cut_and_its_head_and_tail_are_kept()
    {
        var limits = new AttemptLimits { OutputBytes = 4096, OutputFloodBytes = 1 << 20 };
        var exit = await Run("echo first; yes flood", limits);
        Assert.Equal(LimitHit.Output, exit.Limit);
        Assert.Equal(limits.OutputBytes, exit.Console.Bytes.Length);
        Assert.True(exit.Console.TotalLength > limits.OutputFloodBytes);
        Assert.StartsWith("first\nflood\n", Encoding.UTF8.GetString(exit.Console.Bytes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flood_of_standard_error_is_cut_too()
    {
        var exit = await Run("yes flood >&2", new AttemptLimits { OutputFloodBytes = 1 << 20 });
        Assert.Equal(LimitHit.Output, exit.Limit);
    }

    [Fact]
    public async Task Runaway_memory_ends_at_its_limit()
    {
        // A shell variable that doubles.
        var exit = await Run("x=0123456789abcdef; while :; do x=$x$x; done", new AttemptLimits { ResidentBytes = 64 << 20 });
        Assert.Equal(LimitHit.Memory, exit.Limit);
    }

    [Fact]
    public async Task A_file_beyond_its_limit_is_cut_by_the_kernel()
    {
        using var folder = new TemporaryFolder();
        var exit = await Run($"exec head -c 1000000 /dev/zero > {folder["big"]}", new AttemptLimits { FileBytes = 65536 });
        Assert.Equal(Libc.SIGXFSZ, exit.Signal);
        Assert.Equal(65536, new FileInfo(folder["big"]).Length);
    }

    [Fact]
    public async Task There_is_no_network()
    {
        var exit = await Run("wc -l < /proc/net/dev");
        if (exit.IsolationNote is not null)
            return;
        // Two lines of heading and the loopback.
        Assert.Equal("3", Encoding.UTF8.GetString(exit.Console.Bytes).Trim());
    }

    [Fact]
    public async Task The_environment_is_the_plans_besides_the_inherited_one()
    {
        var plan = Scripts.Plan("echo $ANSWER $HOME") with { Environment = new Dictionary<string, string> { ["ANSWER"] = "42", ["HOME"] = "/nowhere" } };
        await using var process = _launcher.Start(plan, new AttemptLimits());
        Assert.Equal("42 /nowhere\n", Encoding.UTF8.GetString((await process.WaitAsync(default)).Console.Bytes));
    }

    [Fact]
    public async Task Usage_is_told()
    {
        var exit = await Run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
        Assert.True(exit.Cpu > TimeSpan.Zero);
        Assert.True(exit.PeakMemoryBytes is > 100 << 10 and < 64 << 20, exit.PeakMemoryBytes.ToString(CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Many_at_once_are_kept_apart()
    {
        var exits = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Run($"echo {i}; exit {i}")));
        Assert.All(exits.Index(), e => Assert.Equal((e.Index, $"{e.Index}\n"), (e.Item.ExitStatus ?? -1, Encoding.UTF8.GetString(e.Item.Console.Bytes))));
    }

    [Fact]
    public async Task No_descriptor_of_the_harness_reaches_the_vmm()
    {
        using var open = File.OpenRead("/etc/passwd");
        var exit = await Run("exec ls /proc/self/fd");
        // The fourth is the folder that ls reads.
        Assert.Equal(["0", "1", "2", "3"], Encoding.UTF8.GetString(exit.Console.Bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private async Task<AttemptExit> Run(string script, AttemptLimits? limits = null)
    {
        await using var process = _launcher.Start(Scripts.Plan(script), limits ?? new AttemptLimits());
        return await process.WaitAsync(default);
    }

    private static async Task<int> ReadPid(string file) => int.Parse(await File.ReadAllTextAsync(file), CultureInfo.InvariantCulture);

    private static void AssertGone(int processId) => Assert.ThrowsAny<ArgumentException>(() => Process.GetProcessById(processId));
}
