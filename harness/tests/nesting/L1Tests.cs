using System.Text;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;

namespace Gauntlet.Harness.Tests.Nesting;

/// <summary>Commands in an L1, which is played: what is said on its ports, in which order, and how it dies.</summary>
public sealed class L1Tests
{
    private static readonly LaunchPlan s_plan = new()
    {
        CommandLine = ["/bin/vmm", "it's"],
        WorkingDirectory = "/",
        Environment = new Dictionary<string, string> { ["TMPDIR"] = L1Agent.Scratch },
        TimeLimitByCpu = true,
        L1 = FakeL1.Spec,
    };

    private static async Task<AttemptExit> RunAsync(L1Pool pool, AttemptLimits? limits = null, Action<string>? onLine = null)
    {
        await using var attempt = new L1Attempt(pool, s_plan, limits ?? new AttemptLimits(), onLine, null);
        return await attempt.WaitAsync(default);
    }

    [Fact]
    public async Task Console_errors_and_status_come_out_of_it()
    {
        var l1 = new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            await l1.SayAsync(L1Agent.Output, "PASS: a\nlast");
            await l1.SayAsync(L1Agent.Error, "warning: b\n");
            await l1.ReportEndAsync(3 << 8);
            await l1.EndAsync(marker);
        });
        using var pool = new L1Pool(l1);
        var lines = new List<string>();
        var exit = await RunAsync(pool, onLine: lines.Add);
        Assert.Equal((3, null, LimitHit.None, null), (exit.ExitStatus, exit.Signal, exit.Limit, exit.InfraFault));
        Assert.Equal(("PASS: a\nlast", "warning: b\n"), (Text(exit.Console), Text(exit.StandardError)));
        Assert.Equal(["PASS: a", "last"], lines);
        Assert.Contains(@"'/bin/vmm' 'it'\''s'", Assert.Single(l1.Requests), StringComparison.Ordinal);
        Assert.Contains($"'TMPDIR={L1Agent.Scratch}'", l1.Requests[0], StringComparison.Ordinal);
    }

    // A guest may print whatever it likes: earlier markers, an agent's words, what a report looks like.
    [Fact]
    public async Task What_a_guest_prints_ends_no_case_and_gives_no_status()
    {
        string? earlier = null;
        var l1 = new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            await l1.SayAsync(L1Agent.Output, $"{earlier}ready{new string('0', 32)}\n\u0004\0\0\0\0\0\0\0");
            await l1.SayAsync(L1Agent.Output, marker[..31]);
            await l1.SayAsync(L1Agent.Output, "!\n");
            await l1.ReportEndAsync(1 << 8);
            await l1.EndAsync(marker);
            earlier = marker;
        });
        using var pool = new L1Pool(l1);
        var first = await RunAsync(pool);
        var before = earlier!;
        var second = await RunAsync(pool);
        Assert.Equal((1, 1), (first.ExitStatus, second.ExitStatus));
        Assert.EndsWith($"{before[..31]}!\n", Text(first.Console), StringComparison.Ordinal);
        Assert.StartsWith($"{before}ready", Text(second.Console), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_L1_serves_many_cases_until_its_kernel_is_damaged()
    {
        var statuses = new Queue<int>([0, 1 << 8, 11, 0]);
        var l1 = new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            if (statuses.Count == 1)
                l1.SayOnConsole("[    9.12] BUG: unable to handle page fault for address: ffff");
            await l1.ReportEndAsync(statuses.Dequeue());
            await l1.EndAsync(marker);
        });
        using var pool = new L1Pool(l1);
        Assert.Equal(0, (await RunAsync(pool)).ExitStatus);
        Assert.Equal(1, (await RunAsync(pool)).ExitStatus);
        Assert.Equal(11, (await RunAsync(pool)).Signal);
        var last = await RunAsync(pool);
        Assert.Equal((0, 1), (last.ExitStatus, l1.Started));
        Assert.Contains("page fault", last.Diagnostics["l1-console.log"], StringComparison.Ordinal);
        Assert.True(l1.Dead);
    }

    [Fact]
    public async Task A_panic_of_the_L1_is_no_verdict_on_the_case()
    {
        var l1 = new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            await l1.SayAsync(L1Agent.Output, "PASS: a\n");
            l1.SayOnConsole("[    9.12] Kernel panic - not syncing: sysrq triggered crash");
            l1.Die();
        });
        using var pool = new L1Pool(l1);
        var exit = await RunAsync(pool);
        Assert.Equal("the L1's kernel (linux 6.1) died: [    9.12] Kernel panic - not syncing: sysrq triggered crash", exit.InfraFault);
        Assert.Contains("sysrq", exit.Diagnostics["l1-console.log"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_that_cannot_serve_says_what_it_lacks()
    {
        using var pool = new L1Pool(new FakeL1(L1Agent.Failed + "no /dev/kvm", (_, _) => Task.CompletedTask));
        Assert.Equal("the L1's kernel (linux 6.1) cannot serve: no /dev/kvm", (await RunAsync(pool)).InfraFault);
    }

    [Fact]
    public async Task A_command_that_the_agent_cannot_start_is_told_with_its_words()
    {
        using var pool = new L1Pool(new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            await l1.SayAsync(L1Agent.Error, "chroot: can't execute\n");
            await l1.EndAsync(marker);
        }));
        Assert.Equal("the L1's agent could not run the case: chroot: can't execute", (await RunAsync(pool)).InfraFault);
    }

    [Fact]
    public async Task At_its_limit_the_case_is_ended_and_not_the_L1_blamed()
    {
        var l1 = new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            await l1.SayAsync(L1Agent.Output, "spinning\n");
            Assert.Equal(L1Agent.End, await l1.HearAsync());
            await l1.ReportEndAsync(9);
            await l1.EndAsync(marker);
        });
        using var pool = new L1Pool(l1);
        var exit = await RunAsync(pool, new AttemptLimits { WallTime = TimeSpan.FromMilliseconds(200) });
        Assert.Equal((LimitHit.WallTime, null), (exit.Limit, exit.InfraFault));
        Assert.Equal("spinning\n", Text(exit.Console));
    }

    [Fact]
    public async Task Killed_by_the_caller_it_ends_the_case_too()
    {
        var began = new TaskCompletionSource();
        var l1 = new FakeL1(L1Agent.Ready, async (l1, marker) =>
        {
            began.SetResult();
            Assert.Equal(L1Agent.End, await l1.HearAsync());
            await l1.ReportEndAsync(9);
            await l1.EndAsync(marker);
        });
        using var pool = new L1Pool(l1);
        await using var attempt = new L1Attempt(pool, s_plan, new AttemptLimits(), null, null);
        await began.Task;
        await attempt.KillAsync();
        Assert.True((await attempt.WaitAsync(default)).KilledByCaller);
    }

    private static string Text(KeptOutput output) => Encoding.UTF8.GetString(output.Bytes);
}
