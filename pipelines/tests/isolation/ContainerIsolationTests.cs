using System.Formats.Tar;
using System.Net;
using System.Net.Sockets;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Tests.Gate;

namespace Gauntlet.Pipelines.Tests.Isolation;

/// <summary>Each limit proven by its attack, in a container of a real engine.</summary>
public sealed class ContainerIsolationTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-test-container-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [ContainerFact]
    public async Task ACommandOwnsItsTreeAndItsStatusComesBack()
    {
        var result = await RunAsync("cat file && echo more >> file && cat file; exit 7");

        Assert.Equal((7, null, "content\ncontent\nmore\n"), (result.ExitStatus, result.LimitHit, result.Output));
    }

    [ContainerFact]
    public async Task ItCannotWriteToTheHostNorReachTheNetwork()
    {
        var escape = $"/usr/local/gauntlet-escape-{Guid.NewGuid():n}";
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        var result = await RunAsync($"echo evil > {escape}; mount -o remount,rw /usr; bash -c 'echo hello > /dev/tcp/127.0.0.1/{((IPEndPoint)listener.LocalEndpoint).Port}'; ls /root /home; echo done");

        Assert.Contains("done\n", result.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(escape));
        Assert.False(listener.Pending());
    }

    [ContainerFact]
    public async Task ItHasNoPrivilegeAndSeesOnlyItsOwnProcesses()
    {
        var result = await RunAsync("grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; ls /proc | grep -c '^[0-9]'");

        Assert.Matches(@"CapEff:\s+0+\nNoNewPrivs:\s+1\n[1-6]\n", result.Output);
    }

    [ContainerFact]
    public async Task AForkBombEndsAtItsLimit()
    {
        // The shell may give up by itself once it cannot fork, or go on trying until its time is over; in no case are there more than it may have.
        var result = await RunAsync("bomb() { bomb | bomb & }; bomb; sleep 60", new IsolationLimits { Processes = 64, Time = TimeSpan.FromSeconds(3) });

        Assert.True(result.LimitHit is not null || result.ExitStatus != 0, result.Output);
    }

    [ContainerFact]
    public async Task ThereAreNoMoreProcessesThanItMayHave()
    {
        var result = await RunAsync("for i in $(seq 100); do sleep 30 & done 2>/dev/null; ls /proc | grep -c '^[0-9]'", new IsolationLimits { Processes = 40, Time = TimeSpan.FromSeconds(10) });

        Assert.DoesNotContain("100", result.Output, StringComparison.Ordinal);
        Assert.NotEqual(0, result.ExitStatus);
    }

    [ContainerFact]
    public async Task FillingTheDiskFailsInsideAlone()
    {
        var result = await RunAsync("dd if=/dev/zero of=big bs=1M count=512 2>/dev/null; du -m big | awk '{print ($1 <= 64)}'", new IsolationLimits { DiskBytes = 64 << 20, Time = TimeSpan.FromSeconds(30) });

        Assert.EndsWith("1\n", result.Output, StringComparison.Ordinal);
    }

    [ContainerFact]
    public async Task MemoryOfAllItsProcessesTogetherIsLimited()
    {
        var hog = "perl -e '$x = \"a\" x (60 << 20); sleep 30' & ";

        var result = await RunAsync(hog + hog + hog + "wait", new IsolationLimits { MemoryBytes = 128 << 20, Time = TimeSpan.FromSeconds(8) });

        Assert.Contains("128 MiB of memory", result.LimitHit, StringComparison.Ordinal);
    }

    [ContainerFact]
    public async Task AnImageThatIsNotThereIsNamedAndNotFetched()
    {
        var engine = (await ContainerEngine.FindAsync(default))!;

        var error = await Assert.ThrowsAsync<IsolationException>(() => RunAsync("true", image: engine.In("gauntlet-no-such-image:1")));

        Assert.Contains("gauntlet-no-such-image:1", error.Message, StringComparison.Ordinal);
    }

    [ContainerFact]
    public async Task AGateThatNamesAnImageRunsItsStepsThere()
    {
        using var gate = await GateFixture.CreateAsync("schema: 1\nimage: host\nsteps:\n  - build: \"! grep -rl --include='*.c' BROKEN .\"\n    timeout: 60s\n");
        var good = await gate.EnqueueFileAsync("good.c", "1");
        var bad = await gate.EnqueueFileAsync("bad.c", "BROKEN");

        await gate.NewRunner(await ContainerEngine.FindAsync(default)).RunAsync(untilEmpty: true, default);

        Assert.Equal((GateState.Merged, GateState.Failed), (gate.StateOf(good), gate.StateOf(bad)));
        Assert.Contains(gate.Log, line => line.Contains("containers of host", StringComparison.Ordinal));
    }

    private async Task<IsolatedResult> RunAsync(string command, IsolationLimits? limits = null, IIsolation? image = null)
    {
        var tree = Directory.CreateDirectory(Path.Combine(_folder, "tree"));
        await File.WriteAllTextAsync(Path.Combine(tree.FullName, "file"), "content\n");
        var tar = Path.Combine(_folder, "tree.tar");
        await TarFile.CreateFromDirectoryAsync(tree.FullName, tar, includeBaseDirectory: false);
        image ??= (await ContainerEngine.FindAsync(default))!.In(ContainerEngine.HostImage);
        return await image.RunAsync(tar, command, [], new Dictionary<string, string>(), limits ?? new IsolationLimits { Time = TimeSpan.FromSeconds(30), DiskBytes = 256 << 20 }, CancellationToken.None);
    }
}

/// <summary>Needs a Docker or Podman engine that answers.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ContainerFactAttribute : FactAttribute
{
    private static readonly string? Reason = ContainerEngine.FindAsync(default).GetAwaiter().GetResult() is null
        ? "no container engine answers (docker version, podman version)"
        : null;

    public ContainerFactAttribute()
    {
        if (Reason is { } why)
            Skip = why;
    }
}
