using System.Diagnostics;

namespace Gauntlet.Pipelines.Isolation;

/// <summary>
/// Runs commands in containers of an engine: no network, no capability, a read-only root, a user id of its own, the tree and /tmp on filesystems in memory of limited
/// size (each may hold the disk limit). What the engine cannot limit for want of control groups is limited all the same: processes by RLIMIT_NPROC of the user id, memory by summing the
/// container's processes from outside.
/// </summary>
internal sealed class ContainerIsolation(ContainerEngine engine, string image) : IIsolation
{
    private const int KeptOutputBytes = 64 << 10;

    private const string Ready = "gauntlet-isolation-ready\n";

    private static readonly TimeSpan SupervisionPeriod = TimeSpan.FromMilliseconds(100);

    /// <summary>How long after its time a container ends by itself, when the gate that started it is gone.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    public string Name => $"{engine.Name}, image {image}";

    public async Task<IsolatedResult> RunAsync(
        string tree, string command, IReadOnlyList<string> readable, IReadOnlyDictionary<string, string> environment, IsolationLimits limits, CancellationToken cancellation)
    {
        var (imageName, folders) = await engine.RequireAsync(image, cancellation);
        var container = $"gauntlet-{Guid.NewGuid():n}";
        var start = engine.Start(Arguments(container, imageName, [.. folders, .. readable], command, environment, limits));
        using var process = Process.Start(start)!;
        try
        {
            return await SuperviseAsync(process, container, tree, limits, cancellation);
        }
        finally
        {
            // Whatever happened, nothing of it stays.
            await engine.AskAsync(["rm", "--force", container], CancellationToken.None);
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private IEnumerable<string> Arguments(
        string container, string imageName, IEnumerable<string> folders, string command, IReadOnlyDictionary<string, string> environment, IsolationLimits limits)
    {
        var user = IsolatedCommand.NextUserId();
        return
        [
            "run", "--interactive", $"--name={container}", "--pull=never", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--ipc=private",
            $"--user={user}:{user}", $"--pids-limit={limits.Processes}", $"--memory={limits.MemoryBytes}", $"--memory-swap={limits.MemoryBytes}",
            $"--ulimit=nproc={limits.Processes}", $"--ulimit=fsize={limits.DiskBytes}", "--ulimit=core=0", "--ulimit=nofile=4096",
            $"--tmpfs=/build:{engine.MemoryFolderOptions(limits.DiskBytes, user)}", $"--tmpfs=/tmp:{engine.MemoryFolderOptions(limits.DiskBytes, user)}",
            .. File.Exists("/dev/kvm") ? (string[])["--device=/dev/kvm"] : [],
            .. folders.Distinct().Select(folder => $"--volume={folder}:{folder}:ro"),
            "--workdir=/build", "--env=HOME=/tmp", "--env=LC_ALL=C.UTF-8",
            .. environment.Select(variable => $"--env={variable.Key}={variable.Value}"),
            // Process 1, which nothing inside can end.
            "--entrypoint=timeout", imageName, "-s", "KILL", $"{Math.Ceiling((limits.Time + Grace).TotalSeconds)}",
            "/bin/sh", "-c", $"echo {Ready.TrimEnd()}; tar -xf - || exit 1; exec </dev/null; {command}",
        ];
    }

    private async Task<IsolatedResult> SuperviseAsync(Process process, string container, string tree, IsolationLimits limits, CancellationToken cancellation)
    {
        var output = new TailBuffer(KeptOutputBytes, limits.OutputBytes);
        var streams = Task.WhenAll(output.DrainAsync(process.StandardOutput.BaseStream), output.DrainAsync(process.StandardError.BaseStream));
        var feeding = FeedAsync(process, tree, cancellation);
        var ended = process.WaitForExitAsync(CancellationToken.None);
        var watch = Stopwatch.StartNew();
        var inside = 0;
        string? limitHit = null;
        while (await Task.WhenAny(ended, Task.Delay(SupervisionPeriod, CancellationToken.None)) != ended)
        {
            if (inside == 0 && output.Text.Contains(Ready, StringComparison.Ordinal))
                int.TryParse(await engine.AskAsync(["inspect", "--format", "{{.State.Pid}}", container], cancellation), out inside);
            limitHit =
                watch.Elapsed > limits.Time ? $"it ran longer than {limits.Time.TotalSeconds:0} s"
                : output.Flooded ? $"it printed more than {limits.OutputBytes >> 20} MiB"
                : inside > 0 && (NamespaceMemory.Sum(inside) > limits.MemoryBytes || ControlGroup.HasRunOutOfMemory(inside)) ? MemoryHit(limits)
                : null;
            if (limitHit is null && !cancellation.IsCancellationRequested)
                continue;
            await engine.AskAsync(["kill", container], CancellationToken.None);
            break;
        }

        await ended;
        await streams;
        await feeding;
        cancellation.ThrowIfCancellationRequested();
        var text = output.Text;
        var ready = text.IndexOf(Ready, StringComparison.Ordinal);
        if (limitHit is null && ready < 0 && !output.Dropped)
            throw new IsolationException($"isolating a command: {engine.Name} did not start a container of {image}: {text.Trim()}");
        // Between two looks the kernel's limit may have ended the whole container.
        if (await engine.AskAsync(["inspect", "--format", "{{.State.OOMKilled}}", container], cancellation) == "true")
            limitHit = MemoryHit(limits);
        return new IsolatedResult(limitHit is null ? process.ExitCode : null, limitHit, ready < 0 ? text : text[(ready + Ready.Length)..]);
    }

    private static string MemoryHit(IsolationLimits limits) => $"it used more than {limits.MemoryBytes >> 20} MiB of memory";

    private static async Task FeedAsync(Process process, string tree, CancellationToken cancellation)
    {
        try
        {
            await using var file = File.OpenRead(tree);
            await file.CopyToAsync(process.StandardInput.BaseStream, cancellation);
            process.StandardInput.Close();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // It ended, or is ended, before it read all: its end says why.
        }
    }
}
