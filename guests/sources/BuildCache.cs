using System.Security.Cryptography;
using System.Text;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Sources;

/// <summary>
/// Builds of sources, kept by what was built and how: the tree's hash and the options. Many lie side by side; each is made once, in a folder that gets its name when it is
/// whole, with its log beside it.
/// </summary>
/// <param name="folder">Made when it is not there.</param>
public sealed class BuildCache(string folder)
{
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>In the user's cache folder.</summary>
    public static BuildCache ForUser() => new(UserCache.Folder("builds"));

    /// <summary>The folder of a build, made when it is not there.</summary>
    /// <param name="kind">What it is: <c>gvmm</c>, <c>qemu</c>.</param>
    /// <param name="how">All that changes what comes out, besides the sources.</param>
    /// <param name="build">Builds in the first folder, where the sources are, and leaves what is to be kept in the second. It writes what tools say to the log.</param>
    /// <exception cref="UserException">The build failed: with the end of what it said, and where its log is.</exception>
    public async Task<string> GetAsync(
        string kind, GitSource source, SourceRevision revision, string how, Func<string, string, Stream, Task> build, CancellationToken cancellation)
    {
        var key = $"{kind}-{revision.Tree[..16]}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(how)))[..8]}";
        var target = Path.Combine(Directory.CreateDirectory(folder).FullName, key);
        if (Directory.Exists(target))
            return target;
        await using var mine = await LockAsync(target + ".lock", cancellation);
        if (Directory.Exists(target))
            return target;
        var (sources, result, log) = (target + ".sources", target + ".new", target + ".log");
        try
        {
            Remove(sources);
            Remove(result);
            Directory.CreateDirectory(result);
            await source.ExtractAsync(revision, sources, cancellation);
            await using (var written = new FileStream(log, FileMode.Create, FileAccess.Write, FileShare.Read))
                await build(sources, result, written);
            Directory.Move(result, target);
            return target;
        }
        catch (UserException e)
        {
            throw new UserException($"Building {kind} of {revision} failed; the log is {log}.\n{e.Message}", e.ExitCode, e);
        }
        finally
        {
            Remove(sources);
            Remove(result);
        }
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                // Another process builds the same: then it need not be built here.
                await Task.Delay(LockInterval, cancellation);
            }
        }
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }
}
