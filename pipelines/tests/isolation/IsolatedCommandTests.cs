using System.Net;
using System.Net.Sockets;
using Gauntlet.Pipelines.Isolation;

namespace Gauntlet.Pipelines.Tests.Isolation;

/// <summary>Each limit proven by its attack.</summary>
public sealed class IsolatedCommandTests : IDisposable
{
    private readonly string _tree = Directory.CreateTempSubdirectory("gauntlet-test-tree-").FullName;

    public void Dispose() => Directory.Delete(_tree, recursive: true);

    [IsolationFact]
    public async Task ACommandFindsItsTreeAndItsStatusComesBack()
    {
        await File.WriteAllTextAsync(Path.Combine(_tree, "file"), "content");

        var result = await RunAsync("cat file; echo; exit 7");

        Assert.Equal(7, result.ExitStatus);
        Assert.Equal("content\n", result.Output);
    }

    [IsolationFact]
    public async Task WhatItWritesIsGoneAndTheTreeIsAsItWas()
    {
        await File.WriteAllTextAsync(Path.Combine(_tree, "file"), "content");

        var result = await RunAsync("echo evil > file; echo evil > new; echo x > /tmp/x && cat file");

        Assert.Equal("evil\n", result.Output);
        Assert.Equal("content", await File.ReadAllTextAsync(Path.Combine(_tree, "file")));
        Assert.False(File.Exists(Path.Combine(_tree, "new")));
    }

    [IsolationFact]
    public async Task ItCannotWriteToTheHost()
    {
        var target = Path.Combine(Path.GetTempPath(), $"gauntlet-escape-{Guid.NewGuid():n}");

        var result = await RunAsync($"echo evil > {target}; echo evil > /usr/evil; echo evil > /etc/evil; mount -o remount,rw /usr; chmod 777 /usr; ls /root /home /old 2>&1; echo done");

        Assert.Contains("done", result.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(target) || File.Exists("/usr/evil") || File.Exists("/etc/evil"));
    }

    [IsolationFact]
    public async Task ItHasNoNetwork()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;

        var result = await RunAsync($"bash -c 'echo hello > /dev/tcp/127.0.0.1/{port}' 2>&1; cat /proc/net/dev | grep -c : ");

        Assert.False(listener.Pending());
        Assert.EndsWith("1\n", result.Output, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task ItSeesNoProcessButItsOwn()
    {
        var result = await RunAsync("ls /proc | grep -c '^[0-9]'");

        Assert.InRange(int.Parse(result.Output), 1, 6);
    }

    [IsolationFact]
    public async Task ItHasNoPrivilege()
    {
        var result = await RunAsync("grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status");

        Assert.Matches(@"CapEff:\s+0+\n", result.Output);
        Assert.Matches(@"CapBnd:\s+0+\n", result.Output);
        Assert.Matches(@"NoNewPrivs:\s+1\n", result.Output);
    }

    [IsolationFact]
    public async Task AForkBombEndsAtItsLimit()
    {
        var result = await RunAsync("bomb() { bomb | bomb & }; bomb; sleep 60", new IsolationLimits { Processes = 64, Time = TimeSpan.FromSeconds(3) });

        Assert.Contains("longer than 3 s", result.LimitHit, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task FillingTheDiskFailsInsideAlone()
    {
        var result = await RunAsync("dd if=/dev/zero of=big bs=1M count=512 2>&1; ls -l big | awk '{print ($5 <= 64*1024*1024)}'", new IsolationLimits { DiskBytes = 64 << 20 });

        Assert.EndsWith("1\n", result.Output, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task MemoryOfAllItsProcessesTogetherIsLimited()
    {
        var hog = "perl -e '$x = \"a\" x (60 << 20); sleep 30' & ";

        var result = await RunAsync(hog + hog + hog + "wait", new IsolationLimits { MemoryBytes = 128 << 20, Time = TimeSpan.FromSeconds(30) });

        Assert.Contains("128 MiB of memory", result.LimitHit, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task AFloodOfOutputIsCut()
    {
        var result = await RunAsync("yes", new IsolationLimits { OutputBytes = 1 << 20, Time = TimeSpan.FromSeconds(30) });

        Assert.Contains("printed more than 1 MiB", result.LimitHit, StringComparison.Ordinal);
    }

    [IsolationFact]
    public async Task WhatItLeavesBehindIsEndedWithIt()
    {
        var marker = $"4{Random.Shared.Next(100000, 999999)}";

        var result = await RunAsync($"(setsid sleep {marker} >/dev/null 2>&1 &) ; exit 0");

        Assert.Equal(0, result.ExitStatus);
        Assert.DoesNotContain(Directory.EnumerateDirectories("/proc"), folder => CommandLine(folder).Contains(marker, StringComparison.Ordinal));
    }

    private Task<IsolatedResult> RunAsync(string command, IsolationLimits? limits = null) =>
        IsolatedCommand.RunAsync(_tree, command, [], new Dictionary<string, string>(), limits ?? new IsolationLimits { Time = TimeSpan.FromSeconds(30), DiskBytes = 256 << 20 }, CancellationToken.None);

    private static string CommandLine(string folder)
    {
        try
        {
            return File.Exists(Path.Combine(folder, "cmdline")) ? File.ReadAllText(Path.Combine(folder, "cmdline")) : "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
