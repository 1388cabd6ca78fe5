using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Harness.Tests.Scheduling;

public sealed class SchedulerTests
{
    private static readonly Cell SomeCell = new("qemu", "tcg", "x86_64");

    [Fact]
    public void Every_job_runs_once_never_more_at_once_than_cpus_and_no_more_vcpus_while_none_was_put_off()
    {
        var sizes = Gen.Choose(1, 6).ArrayOf();
        Prop.ForAll(Arb.From(sizes), Arb.From(Gen.Choose(1, 4)), (vcpus, cpus) =>
        {
            var gate = new Lock();
            var (busy, running, worst, ran) = (0, 0, false, new List<string>());
            var jobs = vcpus.Select((smp, i) => Job($"{i}") with { Smp = smp }).ToList();
            var scheduler = new Scheduler(new HostBudget(cpus, long.MaxValue), async (job, _, _) =>
            {
                lock (gate)
                {
                    busy += Math.Min(job.Smp, cpus);
                    running++;
                    worst |= running > cpus || (busy > cpus && jobs.Count <= 16);
                    ran.Add(job.Case);
                }
                await Task.Yield();
                lock (gate)
                {
                    busy -= Math.Min(job.Smp, cpus);
                    running--;
                }
            });
            scheduler.RunAsync(jobs, job => new JobLoad(job.Smp, 0), default).GetAwaiter().GetResult();
            return !worst && running == 0 && ran.Order().SequenceEqual(jobs.Select(job => job.Case).Order());
        }).Holds();
    }

    [Fact]
    public async Task Memory_is_a_budget_too()
    {
        var (now, most) = (0, 0);
        var scheduler = new Scheduler(new HostBudget(8, 100), async (_, _, _) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Yield();
            Interlocked.Decrement(ref now);
        });
        await scheduler.RunAsync([.. Enumerable.Range(0, 20).Select(i => Job($"{i}"))], _ => new JobLoad(1, 60), default);
        Assert.Equal(1, most);
    }

    [Fact]
    public async Task A_big_job_is_overtaken_for_a_while_and_then_shares_the_next_free_cpu()
    {
        var order = new List<string>();
        var bigStarted = new TaskCompletionSource();
        var scheduler = new Scheduler(new HostBudget(2, long.MaxValue), async (job, _, _) =>
        {
            lock (order)
                order.Add(job.Case);
            if (job.Case == "big")
                bigStarted.SetResult();
            else if (job.Case == "blocker")
                await bigStarted.Task;
        });
        var jobs = new List<Job> { Job("blocker"), Job("big") with { Smp = 2 } };
        jobs.AddRange(Enumerable.Range(0, 100).Select(i => Job($"small-{i}")));
        await scheduler.RunAsync(jobs, job => new JobLoad(job.Smp, 0), default);
        Assert.Equal(17, order.IndexOf("big"));
    }

    [Fact]
    public async Task Cancelling_waits_for_what_runs_and_starts_no_more()
    {
        using var stop = new CancellationTokenSource();
        var (started, ended) = (0, 0);
        var scheduler = new Scheduler(new HostBudget(2, long.MaxValue), async (_, _, cancellation) =>
        {
            if (Interlocked.Increment(ref started) == 2)
                await stop.CancelAsync();
            await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Interlocked.Increment(ref ended);
            cancellation.ThrowIfCancellationRequested();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scheduler.RunAsync([.. Enumerable.Range(0, 10).Select(i => Job($"{i}"))], _ => new JobLoad(1, 0), stop.Token));
        Assert.Equal((2, 2), (started, ended));
    }

    [Fact]
    public async Task A_failure_of_the_store_ends_the_others_and_is_thrown()
    {
        var ended = 0;
        var scheduler = new Scheduler(new HostBudget(2, long.MaxValue), async (job, _, cancellation) =>
        {
            if (job.Case == "1")
                throw new StoreException("the disk is full");
            await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ended++;
        });
        await Assert.ThrowsAsync<StoreException>(() => scheduler.RunAsync([Job("0"), Job("1"), Job("2")], _ => new JobLoad(1, 0), default));
        Assert.Equal(1, ended);
    }

    [Fact]
    public void Unknown_jobs_come_first_the_most_patient_foremost_then_the_longest()
    {
        var timings = new Dictionary<string, JobTiming> { [Job("short").Key] = new(1, 1, 5), [Job("long").Key] = new(9, 9, 5) };
        var order = JobOrder.Arrange([Job("short"), Job("long"), Job("new"), Job("slow") with { TimeoutSeconds = 180 }], timings, null, []);
        Assert.Equal(["slow", "new", "long", "short"], order.Select(job => job.Case));
    }

    [Fact]
    public void A_limit_from_history_is_never_above_the_default_and_never_tight()
    {
        var job = Job("a") with { TimeoutSeconds = 90 };
        Assert.Equal(90, JobOrder.TimeoutSeconds(job, new Dictionary<string, JobTiming>()));
        Assert.Equal(90, JobOrder.TimeoutSeconds(job, new Dictionary<string, JobTiming> { [job.Key] = new(0.1, 0.1, 4) }));
        Assert.Equal(15, JobOrder.TimeoutSeconds(job, new Dictionary<string, JobTiming> { [job.Key] = new(0.1, 0.1, 5) }));
        Assert.Equal(40, JobOrder.TimeoutSeconds(job, new Dictionary<string, JobTiming> { [job.Key] = new(3, 4, 5) }));
        Assert.Equal(90, JobOrder.TimeoutSeconds(job, new Dictionary<string, JobTiming> { [job.Key] = new(60, 60, 5) }));
    }

    [Fact]
    public void Every_job_is_in_exactly_one_shard_and_stays_there_when_others_come()
    {
        Prop.ForAll(Arb.From(Gen.Choose(1, 9)), ArbMap.Default.ArbFor<NonEmptyString>(), (count, name) =>
        {
            var job = Job(name.Get);
            return Enumerable.Range(1, count).Count(i => new Shard(i, count).Holds(job)) == 1;
        }).Holds();
        // Other machines, other days: by the key alone.
        Assert.True(new Shard(2, 5).Holds(Job("smoke")) == new Shard(2, 5).Holds(Job("smoke") with { Repetition = 3, Image = "/elsewhere" }));
    }

    [Theory]
    [InlineData("apic*", true)]
    [InlineData("APIC*", false)]
    [InlineData("*/apic-?", true)]
    [InlineData("kut/x86/apic-1@qemu/tcg/x86_64", true)]
    [InlineData("@qemu/*", true)]
    [InlineData("*@gvmm/*", false)]
    [InlineData("/pic-\\d$/", true)]
    [InlineData("/^kut.*tcg/", true)]
    [InlineData("pic", false)]
    [InlineData("a.ic-1", false)]
    public void Patterns_match_as_they_say(string pattern, bool matches) =>
        Assert.Equal(matches, new JobPattern(pattern).Matches(Job("apic-1") with { Suite = "kut/x86" }));

    [Fact]
    public void A_pattern_without_wildcards_matches_the_name_itself_whatever_it_holds()
    {
        var name = Gen.Elements("abc.+([{^$|\\-#é 1".ToCharArray()).NonEmptyListOf().Select(chars => "x" + string.Concat(chars));
        Prop.ForAll(Arb.From(name), text => new JobPattern(text).Matches(Job(text)) && !new JobPattern(text).Matches(Job(text + "x"))).Holds();
    }

    private static Job Job(string name) => new() { Suite = "s", Case = name, Cell = SomeCell, Image = "/image" };
}
