using System.Diagnostics;
using System.Reflection;

namespace Gauntlet.Pipelines.Tests.Isolation;

/// <summary>The same attacks when the gate is no root: in a user namespace, with the limits of an ordinary user.</summary>
public sealed class UnprivilegedIsolationTests
{
    [UnprivilegedFact]
    public async Task ItHasNoNetworkNoPrivilegeAndItsOwnProcessesOnly() =>
        Assert.Matches(@"^status 0\n1\nCapEff:\s+0+\nNoNewPrivs:\s+1\n[1-6]\n$", await RunAsync("grep -c : /proc/net/dev; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; ls /proc | grep -c '^[0-9]'"));

    [UnprivilegedFact]
    public async Task ItCannotWriteToTheHost()
    {
        var escape = Path.Combine(Path.GetTempPath(), $"gauntlet-escape-{Guid.NewGuid():n}");

        Assert.Contains("done\n", await RunAsync($"echo evil > {escape}; mount -o remount,rw /usr; echo evil > /usr/evil; echo done"), StringComparison.Ordinal);

        Assert.False(File.Exists(escape) || File.Exists("/usr/evil"));
    }

    [UnprivilegedFact]
    public async Task AForkBombEndsAtItsLimit() => Assert.StartsWith("limit it ran longer than 5 s", await RunAsync("bomb() { bomb | bomb & }; bomb; sleep 60"), StringComparison.Ordinal);

    [UnprivilegedFact]
    public async Task MemoryIsLimited() => Assert.StartsWith("limit it used more than 256 MiB of memory", await RunAsync("perl -e '$x = \"a\" x (1 << 29); sleep 30'"), StringComparison.Ordinal);

    [UnprivilegedFact]
    public async Task DiskIsLimited() => Assert.Contains("No space left", await RunAsync("for i in 1 2 3; do dd if=/dev/zero of=big$i bs=1M count=40; done"), StringComparison.Ordinal);

    private static async Task<string> RunAsync(string command)
    {
        var start = new ProcessStartInfo("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", .. UnprivilegedFactAttribute.TestProgram, "isolate", command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HOME"] = Path.GetTempPath();
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return output;
    }
}

/// <summary>Needs root, to become nobody, and namespaces for nobody.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class UnprivilegedFactAttribute : FactAttribute
{
    public static readonly string[] TestProgram = [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", "exec", Assembly.GetExecutingAssembly().Location];

    private static readonly string? Reason = Find();

    public UnprivilegedFactAttribute()
    {
        if (Reason is { } why)
            Skip = why;
    }

    private static string? Find()
    {
        if (!Environment.IsPrivilegedProcess)
            return "only root can become another user; the other tests of isolation are those of an ordinary one then";
        using var process = Process.Start(new ProcessStartInfo("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user", "--map-root-user", "--mount", "--net", "/usr/bin/test", "-r", TestProgram[^1]]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : $"nobody may make no user namespace here, or not read the tests' folder: {error.Trim()}";
    }
}
