using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Gauntlet.Pipelines.Isolation;

/// <summary>Docker or Podman by its command line, where an engine answers.</summary>
public sealed class ContainerEngine
{
    /// <summary>An image name that stands for the host's own programs: an image with nothing in it, and the host's system folders mounted read-only.</summary>
    public const string HostImage = "host";

    private const string EmptyImage = "gauntlet-host:1";

    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    private readonly string _program;

    private ContainerEngine(string program, string version)
    {
        _program = program;
        Name = $"{program} {version}";
    }

    /// <summary><c>docker 20.10.24</c>.</summary>
    public string Name { get; }

    /// <summary>
    /// Mount options of a folder in memory that a user may write to. Docker gives it the mode of the image's folder, so it has to be the user's own. Podman takes neither an
    /// owner nor a limit of files; the kernel's is half the pages of the host's memory (tmpfs(5)).
    /// </summary>
    internal string MemoryFolderOptions(long bytes, uint user) => $"size={bytes},exec,mode=1777{(_program == "podman" ? "" : $",nr_inodes=1000000,uid={user},gid={user}")}";

    /// <summary>The first that answers; null: none does.</summary>
    public static async Task<ContainerEngine?> FindAsync(CancellationToken cancellation)
    {
        foreach (var (program, format) in ((string, string)[])[("docker", "{{.Server.Version}}"), ("podman", "{{.Client.Version}}")])
        {
            try
            {
                var (status, output, _) = await RunAsync(program, ["version", "--format", format], cancellation);
                if (status == 0 && output.Trim() is { Length: > 0 } version)
                    return new ContainerEngine(program, version);
            }
            catch (Win32Exception)
            {
                // Not installed.
            }
        }

        return null;
    }

    /// <summary>A way to run commands in an image.</summary>
    /// <param name="image">As the engine names it, and has it: nothing is fetched. <see cref="HostImage"/>: the host's programs.</param>
    public IIsolation In(string image) => new ContainerIsolation(this, image);

    /// <summary>The start of a command line of it.</summary>
    internal ProcessStartInfo Start(IEnumerable<string> arguments) => new(_program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };

    /// <summary>Makes sure that an image is there.</summary>
    /// <returns>Its name for the engine, and the folders of the host that belong to it.</returns>
    /// <exception cref="IsolationException">It is not.</exception>
    internal async Task<(string Image, IReadOnlyList<string> Folders)> RequireAsync(string image, CancellationToken cancellation)
    {
        var name = image == HostImage ? EmptyImage : image;
        if (await AskAsync(["image", "inspect", "--format", "{{.Id}}", name], cancellation) is null)
        {
            if (image != HostImage)
                throw new IsolationException($"isolating a command: {Name} has no image {image}; pull or build it first, a gate fetches none");
            await ImportEmptyAsync(cancellation);
        }

        return (name, image == HostImage ? [.. SystemFolders.Where(Directory.Exists)] : []);
    }

    /// <summary>Output of a command line; null when it failed.</summary>
    internal async Task<string?> AskAsync(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        var (status, output, _) = await RunAsync(_program, arguments, cancellation);
        return status == 0 ? output.Trim() : null;
    }

    private static readonly string[] SystemFolders = ["/usr", "/etc", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

    private async Task ImportEmptyAsync(CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-image-");
        try
        {
            var tar = Path.Combine(folder.FullName, "empty.tar");
            var root = folder.CreateSubdirectory("root");
            root.CreateSubdirectory("tmp");
            await System.Formats.Tar.TarFile.CreateFromDirectoryAsync(root.FullName, tar, includeBaseDirectory: false, cancellation);
            var (status, _, error) = await RunAsync(_program, ["import", tar, EmptyImage], cancellation);
            if (status != 0)
                throw new IsolationException($"isolating a command: {Name} cannot import an image: {error.Trim()}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<(int Status, string Output, string Error)> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(AnswerLimit);
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            return (-1, "", string.Create(CultureInfo.InvariantCulture, $"it did not answer within {AnswerLimit.TotalSeconds:0} s"));
        }
    }
}
