using System.Diagnostics;
using System.Text;
using Gauntlet.Linux;

namespace Gauntlet.Pipelines.Isolation;

/// <summary>What an isolated command may use. Each limit is enforced by the kernel or by the supervisor, and named when it is hit.</summary>
public sealed record IsolationLimits
{
    /// <summary>Wall time.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Bytes of memory of all its processes together.</summary>
    public long MemoryBytes { get; init; } = 4L << 30;

    /// <summary>Bytes of disk: the tree's copy and everything it writes.</summary>
    public long DiskBytes { get; init; } = 8L << 30;

    /// <summary>Processes and threads at once.</summary>
    public int Processes { get; init; } = 512;

    /// <summary>Bytes of output after which it is ended.</summary>
    public long OutputBytes { get; init; } = 64L << 20;
}

/// <summary>How an isolated command ended.</summary>
/// <param name="ExitStatus">Its own; null when a limit ended it.</param>
/// <param name="LimitHit">Which limit, in words; null: none.</param>
/// <param name="Output">End of what it printed, both streams.</param>
public sealed record IsolatedResult(int? ExitStatus, string? LimitHit, string Output);

/// <summary>This host cannot isolate, or failed while doing so: an error of the infrastructure.</summary>
public sealed class IsolationException(string message) : IOException(message);

/// <summary>
/// Runs a shell command that a stranger wrote, on a tree that a stranger wrote: in namespaces of its own (mount, pid, network, ipc, uts; user too when not
/// root), under a user id of its own, without network, without privileges, seeing read-only system folders and a private copy of the tree.
/// </summary>
public static class IsolatedCommand
{
    /// <summary>First of the user ids that commands run under, one for each at a time, so that limits by user id are limits of one command.</summary>
    private const uint FirstUserId = 0x6000_0000;

    private const int KeptOutputBytes = 64 << 10;

    /// <summary>Printed when the isolation stands, just before the command: what comes before it is the set-up's own complaint.</summary>
    private const string Ready = "gauntlet-isolation-ready\n";

    /// <summary>Under the command's limits, as part of it: a tree that does not fit fails like a build that does not.</summary>
    private const string Unpack = "tar -xf - --no-same-owner <&3 || exit 1; exec 3<&-; ";

    // For an ordinary user the supervisor's namespaces would be owned by another user namespace than the one that mounts /proc, which the kernel refuses.
    private static readonly string[] OwnUserNamespace = ["--user", "--map-root-user", "--pid", "--net", "--fork", "--kill-child=SIGKILL"];

    private static readonly TimeSpan SupervisionPeriod = TimeSpan.FromMilliseconds(50);

    private static readonly string Script = ReadScript();

    private static int _nextUserId;

    /// <param name="tree">Folder that the command finds, copied, as its working directory; or a tar file, of which it finds the content.</param>
    /// <param name="command">For /bin/sh.</param>
    /// <param name="readable">Further folders that it may read, at their own places.</param>
    /// <param name="environment">Variables; nothing is inherited but PATH and the language.</param>
    /// <param name="limits">What it may use.</param>
    /// <param name="cancellation">Ends it, with all it started.</param>
    /// <exception cref="IsolationException">The isolation could not be set up. The command did not run.</exception>
    public static async Task<IsolatedResult> RunAsync(
        string tree, string command, IReadOnlyList<string> readable, IReadOnlyDictionary<string, string> environment, IsolationLimits limits, CancellationToken cancellation)
    {
        var isRoot = Libc.geteuid() == 0;
        var userId = isRoot ? NextUserId() : 0;
        var root = Directory.CreateTempSubdirectory("gauntlet-root-").FullName;
        try
        {
            var cpuSeconds = (long)limits.Time.TotalSeconds * Math.Max(1, Environment.ProcessorCount) + 1;
            var supervised = new SupervisedCommand
            {
                Program = "/usr/bin/unshare",
                Arguments =
                [
                    "--mount", "--ipc", "--uts", .. isRoot ? (string[])[] : OwnUserNamespace,
                    "/bin/sh", "-c", Script, "sh", root, tree, $"{limits.DiskBytes}", $"{userId}", $"{limits.Processes}", $"{limits.DiskBytes}", $"{cpuSeconds}",
                    string.Join(' ', readable), $"echo {Ready.TrimEnd()}; {(File.Exists(tree) ? Unpack : "")}{command}",
                ],
                Environment =
                [
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/tmp",
                    .. environment.Select(variable => $"{variable.Key}={variable.Value}"),
                ],
                WorkingDirectory = "/",
                NoNetwork = isRoot,
                OwnPids = isRoot,
            };
            // A thread of its own: the kernel ends the command when the thread that started it ends.
            return await Task.Factory.StartNew(
                () => Supervise(supervised, limits, cancellation), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        finally
        {
            Directory.Delete(root);
        }
    }

    /// <summary>One that no other command has at this time, as far as this process can tell.</summary>
    internal static uint NextUserId() => FirstUserId + (uint)(Interlocked.Increment(ref _nextUserId) & 0xfff) + ((uint)Environment.ProcessId << 12) % 0x1000_0000;

    private static IsolatedResult Supervise(SupervisedCommand command, IsolationLimits limits, CancellationToken cancellation)
    {
        using var supervisor = new Supervisor();
        using var process = supervisor.Start(command);
        var output = new TailBuffer(KeptOutputBytes, limits.OutputBytes);
        using var standardOutput = new FileStream(process.Output, FileAccess.Read, bufferSize: 0);
        using var standardError = new FileStream(process.Error, FileAccess.Read, bufferSize: 0);
        var streams = Task.WhenAll(output.DrainAsync(standardOutput), output.DrainAsync(standardError));
        var reports = new ReportReader(process);

        var watch = Stopwatch.StartNew();
        string? limitHit = null;
        while (!reports.WaitForEnd(SupervisionPeriod))
        {
            limitHit =
                watch.Elapsed > limits.Time ? $"it ran longer than {limits.Time.TotalSeconds:0} s"
                : output.Flooded ? $"it printed more than {limits.OutputBytes >> 20} MiB"
                : reports.ProcessId is { } id && NamespaceMemory.Sum(id) > limits.MemoryBytes ? $"it used more than {limits.MemoryBytes >> 20} MiB of memory"
                : null;
            if (limitHit is null && !cancellation.IsCancellationRequested)
                continue;
            process.Terminate();
            reports.WaitForEnd(Timeout.InfiniteTimeSpan);
            break;
        }

        streams.GetAwaiter().GetResult();
        cancellation.ThrowIfCancellationRequested();
        if (command.OwnPids && !reports.HasNamespaces)
            throw new IsolationException("isolating a command: this host gives no network or process namespace of its own to a program");
        var text = output.Text;
        var ready = text.IndexOf(Ready, StringComparison.Ordinal);
        if (limitHit is null && ready < 0 && !output.Dropped)
            throw new IsolationException($"isolating a command: namespaces or mounts are not to be had here: {reports.Failure}{text.Trim()}");
        text = ready < 0 ? text : text[(ready + Ready.Length)..];
        return new IsolatedResult(limitHit is null ? reports.ExitStatus : null, limitHit ?? (reports.ExitStatus is null ? "a signal ended it" : null), text);
    }

    private static string ReadScript()
    {
        using var stream = typeof(IsolatedCommand).Assembly.GetManifestResourceStream("isolate.sh")!;
        return new StreamReader(stream, Encoding.UTF8).ReadToEnd();
    }
}
