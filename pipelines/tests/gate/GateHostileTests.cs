using System.Net;
using System.Net.Sockets;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Tests.Isolation;
using static Gauntlet.Pipelines.Tests.Series.MailMaker;

namespace Gauntlet.Pipelines.Tests.Gate;

/// <summary>Patches whose build attacks the host: each fails its own series, by name, and what waits before and behind it is merged.</summary>
public sealed class GateHostileTests
{
    [IsolationFact]
    public async Task EachAttackFailsItsOwnSeriesAndNothingElse()
    {
        var escape = $"/usr/local/gauntlet-escape-{Guid.NewGuid():n}";
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // Each ends well only if it gets through.
        (string Command, string Reason)[] attacks =
        [
            ($"echo evil > {escape}", "status"),
            ($"bash -c 'echo > /dev/tcp/127.0.0.1/{((IPEndPoint)listener.LocalEndpoint).Port}'", "status 1"),
            // exec: the shell itself may not be able to fork any more.
            ("b() { b | b & }; b; exec sleep 100", "longer than 5 s"),
            ("dd if=/dev/zero of=/build/x bs=1M count=200", "status 1"),
            ("perl -e '$x = \"a\" x (1 << 30); sleep 100'", "512 MiB of memory"),
            ("yes", "printed more than"),
            ("kill -9 -1; exit 1", "a signal ended it"),
        ];
        using var gate = await GateFixture.CreateAsync("schema: 1\nwindow: 3\nsteps:\n  - name: build\n    build: \"sh ./build.sh\"\n    timeout: 5s\n");
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "master"]);
        await gate.Repository.CommitAsync("build", ("build.sh", "true\n"));
        await gate.Repository.Git.RunAsync(["checkout", "--quiet", "--detach"]);
        var before = await gate.EnqueueFileAsync("before.c", "1");
        var hostile = new List<GateEntry>();
        foreach (var (attack, i) in attacks.Select((attack, i) => (attack.Command, i)))
        {
            var change = $"---\n\ndiff --git a/build.sh b/build.sh\n--- a/build.sh\n+++ b/build.sh\n@@ -1 +1 @@\n-true\n+{attack}\n";
            hostile.Add(await gate.EnqueueAsync($"attack {i}", [Patch($"[PATCH] attack {i}", $"attack{i}@x", change: change)]));
        }

        var behind = await gate.EnqueueFileAsync("behind.c", "1");

        await gate.RunAsync();

        Assert.All(hostile.Zip(attacks), pair =>
        {
            Assert.Equal(GateState.Failed, gate.StateOf(pair.First));
            Assert.Contains($"at patch 1, {pair.First.Title}", gate.ReasonOf(pair.First), StringComparison.Ordinal);
            Assert.Contains(pair.Second.Reason, gate.ReasonOf(pair.First), StringComparison.Ordinal);
        });
        Assert.Equal((GateState.Merged, GateState.Merged), (gate.StateOf(before), gate.StateOf(behind)));
        Assert.Equal(["start", "pipeline", "build", "Merge add before.c v1", "Merge add behind.c v1"], await gate.HistoryAsync());
        Assert.False(File.Exists(escape));
        Assert.False(listener.Pending());
    }

    [IsolationFact]
    public async Task ATreeThatDoesNotFitOnTheDiskOfAStepIsItsSeriesFault()
    {
        using var gate = await GateFixture.CreateAsync();
        // 64 MiB are there for the tree and what is built of it.
        var lines = string.Concat(Enumerable.Repeat($"+{new string('x', 99_999)}\n", 800));
        var big = await gate.EnqueueAsync("add big", [Patch("[PATCH] add big", "big@x", change: $"---\n\ndiff --git a/big b/big\nnew file mode 100644\n--- /dev/null\n+++ b/big\n@@ -0,0 +1,800 @@\n{lines}")]);
        var good = await gate.EnqueueFileAsync("good.c", "1");

        await gate.RunAsync();

        Assert.Equal((GateState.Failed, GateState.Merged), (gate.StateOf(big), gate.StateOf(good)));
    }

    [IsolationFact]
    public async Task AttributesOfATreeHideNoFileFromItsTest()
    {
        using var gate = await GateFixture.CreateAsync();
        var hidden = await gate.EnqueueAsync("hide", [Patch("[PATCH] hide", "hide@x", change: GateFixture.NewFile(".gitattributes", "evil.c export-ignore") + GateFixture.NewFile("evil.c", "BROKEN")[4..])]);

        await gate.RunAsync();

        Assert.Equal(GateState.Failed, gate.StateOf(hidden));
    }
}
