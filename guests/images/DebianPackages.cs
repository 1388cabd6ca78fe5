using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Guests.Sources;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>
/// Debian packages of any architecture, fetched by the host's apt from the archive that the host uses, checked by apt's signatures, and unpacked in a cache. Nothing of the host
/// changes: package lists of other architectures and releases are kept in a state folder of their own.
/// </summary>
/// <param name="cache">Folder of the cache; made when it is not there.</param>
public sealed partial class DebianPackages(string cache)
{
    private const string Hint = "This needs Debian's apt and dpkg; else give a kernel and a busybox by their paths.";

    /// <summary>Package lists are fetched again after so long.</summary>
    private static readonly TimeSpan ListAge = TimeSpan.FromDays(7);

    /// <summary>How long another process that fills the same cache is waited for.</summary>
    private static readonly TimeSpan LockLimit = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>In the user's cache folder.</summary>
    public static DebianPackages ForUser() => new(UserCache.Folder("debian"));

    /// <summary>A package was unpacked before, or this host has what it takes to fetch one. Whether there is one of the name is not asked.</summary>
    public bool CanProvide(string package, DebianArchitecture architecture) =>
        ReadLatest(Path.Combine(cache, architecture.Debian, package + ".latest")) is not null
        || ((string[])["apt-get", "dpkg-deb"]).All(tool => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, tool))));

    /// <summary>A package's files.</summary>
    /// <param name="Folder">Unpacked.</param>
    /// <param name="Name">Of the package that was unpacked: the one that a package which only depends on it leads to.</param>
    /// <param name="Version">Debian's.</param>
    public sealed record Unpacked(string Folder, string Name, string Version);

    /// <summary>
    /// Unpacks the newest version of a package; a kernel's package without files of its own (<c>linux-image-amd64</c>) stands for the one it depends on. Without network, what was
    /// unpacked before is taken.
    /// </summary>
    /// <exception cref="UserException">There is no such package, or no way to get it.</exception>
    public async Task<Unpacked> UnpackAsync(string package, DebianArchitecture architecture, CancellationToken cancellation)
    {
        if (!PackageName().IsMatch(package))
            throw new UserException($"'{package}' is no package's name.");
        var state = Path.Combine(cache, architecture.Debian);
        Directory.CreateDirectory(state);
        await using var mine = await LockAsync(Path.Combine(state, "lock"), cancellation);
        var latest = Path.Combine(state, package + ".latest");
        if (File.Exists(latest) && File.GetLastWriteTimeUtc(latest) > DateTime.UtcNow - ListAge && ReadLatest(latest) is { } known)
            return known;
        try
        {
            var options = await PrepareAsync(state, architecture, cancellation);
            var found = await FetchAsync(package, state, options, cancellation);
            await File.WriteAllLinesAsync(latest, [found.Folder, found.Name, found.Version], cancellation);
            return found;
        }
        catch (UserException) when (ReadLatest(latest) is not null)
        {
            return ReadLatest(latest)!;
        }
    }

    private static Unpacked? ReadLatest(string file) =>
        File.Exists(file) && File.ReadAllLines(file) is [var folder, var name, var version] && Directory.Exists(folder) ? new Unpacked(folder, name, version) : null;

    /// <summary>apt's options for the state folder, whose lists are then there.</summary>
    private static async Task<string[]> PrepareAsync(string state, DebianArchitecture architecture, CancellationToken cancellation)
    {
        foreach (var folder in (string[])["lists/partial", "archives/partial"])
            Directory.CreateDirectory(Path.Combine(state, folder));
        var (status, sources) = (Path.Combine(state, "status"), Path.Combine(state, "sources.list"));
        if (!File.Exists(status))
            await File.WriteAllTextAsync(status, "", cancellation);
        await File.WriteAllTextAsync(sources, await SourcesAsync(architecture.Release, cancellation), cancellation);
        string[] options =
        [
            "-o", $"APT::Architecture={architecture.Debian}", "-o", $"APT::Architectures={architecture.Debian}", "-o", $"APT::Architectures::={architecture.Debian}",
            "-o", $"Dir::State={state}", "-o", $"Dir::State::lists={state}/lists", "-o", $"Dir::State::status={status}", "-o", $"Dir::Cache={state}",
            "-o", $"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Acquire::Languages=none", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "-o", "Acquire::IndexTargets::deb::CNF::DefaultEnabled=false", "-o", "APT::Sandbox::User=",
            "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=30",
        ];
        var stamp = Path.Combine(state, "updated");
        var wanted = await File.ReadAllTextAsync(sources, cancellation);
        if (!File.Exists(stamp) || File.GetLastWriteTimeUtc(stamp) < DateTime.UtcNow - ListAge || await File.ReadAllTextAsync(stamp, cancellation) != wanted)
        {
            await ExternalTool.RunAsync(["apt-get", .. options, "-q", "-o", "APT::Update::Error-Mode=any", "update"], Hint, cancellation);
            await File.WriteAllTextAsync(stamp, wanted, cancellation);
        }
        return options;
    }

    /// <summary>The host's own sources of Debian, or those of another release at the same place.</summary>
    private static async Task<string> SourcesAsync(string? release, CancellationToken cancellation)
    {
        var targets = await ExternalTool.RunAsync(
            ["apt-get", "indextargets", "--format", "$(IDENTIFIER) $(SITE) $(RELEASE) $(COMPONENT) $(LABEL)", "Identifier: Packages"], Hint, cancellation);
        var lines = Encoding.UTF8.GetString(targets).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).Where(words => words.Length >= 4 && words[3] == "main").ToList();
        var sites = release is null
            ? lines.Select(words => $"deb {words[1]} {words[2]} main")
            : lines.Where(words => !words[2].Contains('-', StringComparison.Ordinal)).Take(1).Select(words => $"deb {words[1]} {release} main");
        var sources = string.Concat(sites.Distinct().Select(site => site + "\n"));
        return sources.Length > 0 ? sources : throw new UserException("apt of this host has no source of Debian packages with the component main.", ExitCode.Environment);
    }

    private static async Task<Unpacked> FetchAsync(string package, string state, string[] options, CancellationToken cancellation)
    {
        var (name, version, depends) = await ShowAsync(package, options, cancellation);
        // linux-image-amd64 is empty and depends on linux-image-6.1.0-56-amd64.
        if (name.StartsWith("linux-image-", StringComparison.Ordinal) && KernelDependency().Match(depends) is { Success: true } real)
            (name, version, _) = await ShowAsync(real.Value, options, cancellation);
        var folder = Path.Combine(state, "unpacked", $"{name}_{version.Replace(':', '.').Replace('/', '_')}");
        if (Directory.Exists(folder))
            return new Unpacked(folder, name, version);
        var download = Directory.CreateDirectory(Path.Combine(state, "download")).FullName;
        try
        {
            await ExternalTool.RunAsync(["apt-get", .. options, "-q", "download", $"{name}={version}"], Hint, cancellation, download);
            var file = Directory.EnumerateFiles(download, "*.deb").First();
            var temporary = folder + ".new";
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
            Directory.CreateDirectory(temporary);
            await ExternalTool.RunAsync(["dpkg-deb", "-x", file, temporary], Hint, cancellation);
            Directory.Move(temporary, folder);
        }
        finally
        {
            Directory.Delete(download, recursive: true);
        }
        return new Unpacked(folder, name, version);
    }

    private static async Task<(string Name, string Version, string Depends)> ShowAsync(string package, string[] options, CancellationToken cancellation)
    {
        var text = Encoding.UTF8.GetString(await ExternalTool.RunAsync(["apt-cache", .. options, "show", "--no-all-versions", package], Hint, cancellation));
        var fields = text.Split('\n').Select(line => line.Split(": ", 2)).Where(pair => pair.Length == 2).GroupBy(pair => pair[0]).ToDictionary(group => group.Key, group => group.First()[1]);
        return fields.TryGetValue("Package", out var name) && fields.TryGetValue("Version", out var version)
            ? (name, version, fields.GetValueOrDefault("Depends", ""))
            : throw new UserException($"Debian has no package '{package}' for this architecture.", ExitCode.Environment);
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken cancellation)
    {
        for (var waited = TimeSpan.Zero; ; waited += LockInterval)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (waited < LockLimit)
            {
                await Task.Delay(LockInterval, cancellation);
            }
        }
    }

    // Debian Policy, section 5.6.7: a package's name.
    [GeneratedRegex(@"^[a-z0-9][a-z0-9+.-]+$")]
    private static partial Regex PackageName();

    [GeneratedRegex(@"linux-image-[0-9][a-z0-9+.~-]*")]
    private static partial Regex KernelDependency();
}
