using System.Globalization;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// A private folder for one attempt, named after this process, removed with all that the VMM left in it. What a process that was killed left is swept by
/// the next one.
/// </summary>
public sealed class ScratchFolder : IDisposable
{
    private const string Prefix = "gauntlet-";

    private ScratchFolder(string path) => Path = path;

    public string Path { get; }

    /// <exception cref="IOException">The temporary folder cannot be written.</exception>
    public static ScratchFolder Create() =>
        new(Directory.CreateTempSubdirectory(string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Environment.ProcessId}-")).FullName);

    public void Dispose() => Remove(Path);

    /// <summary>Removes folders and sockets of processes that are gone. What belongs to other users stays.</summary>
    public static void SweepStale()
    {
        try
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(System.IO.Path.GetTempPath(), Prefix + "*"))
            {
                var owner = System.IO.Path.GetFileName(entry)[Prefix.Length..].Split('-')[0];
                if (int.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var processId) && !Directory.Exists($"/proc/{owner}") && processId > 0)
                    Remove(entry);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing of ours depends on it.
        }
    }

    private static void Remove(string path)
    {
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            else
                File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A VMM may have taken its own rights away; the folder is small and in the temporary one.
        }
    }
}
