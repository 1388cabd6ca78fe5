using Gauntlet.Linux;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Machines;

/// <summary>A snapshot could not be written or taken; the message names the file, what is wrong, and what to do.</summary>
public sealed class SnapshotException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Snapshots by the name of their file.</summary>
public static class SnapshotFile
{
    internal const int BufferBytes = 256 * 1024;

    // What a guest has in memory is nobody else's business.
    internal const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes a machine's state beside the file, then puts it in its place: there is never half a snapshot under the name.</summary>
    /// <param name="pauseAfterwards">The machine stays where it was saved, paused.</param>
    /// <exception cref="SnapshotException">It cannot be written, or the machine has nothing to go on with.</exception>
    public static void Save(Machine machine, string path, bool pauseAfterwards = false)
    {
        var part = path + ".part";
        try
        {
            if (machine.SandboxedSnapshots is { } opened)
            {
                var place = opened.Begin(path);
                machine.Save(place, pauseAfterwards);
                place.Flush(flushToDisk: true);
                return;
            }
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = BufferBytes, UnixCreateMode = OwnerOnly };
            using (var file = new FileStream(part, options))
            {
                machine.Save(file, pauseAfterwards);
                file.Flush(flushToDisk: true);
            }
            DurableFile.Move(part, path);
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or InvalidOperationException or ArgumentException or NotSupportedException or AcceleratorException)
        {
            if (machine.SandboxedSnapshots is null)
                Remove(part);
            throw new SnapshotException($"snapshot '{path}' was not written: {why.Message}", why);
        }
    }

    /// <summary>A running machine becomes what the file holds (<see cref="Machine.Load"/>).</summary>
    /// <exception cref="SnapshotException">It cannot be read, is damaged, or is of another machine.</exception>
    public static void Load(Machine machine, string path)
    {
        using var file = Open(path);
        Explain(path, () => machine.Load(file));
    }

    /// <summary>Opens a snapshot for <see cref="Machine.Run"/>.</summary>
    /// <exception cref="SnapshotException">It cannot be read.</exception>
    public static FileStream Open(string path)
    {
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, BufferBytes);
            if (file.CanSeek)
                return file;
            file.Dispose();
            throw new SnapshotException($"snapshot '{path}': not a regular file");
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new SnapshotException($"snapshot '{path}' cannot be read: {why.Message}", why);
        }
    }

    /// <summary>Has what a snapshot is refused for told with the file's name.</summary>
    /// <exception cref="SnapshotException">As <see cref="Load"/>.</exception>
    public static void Explain(string path, Action load)
    {
        try
        {
            load();
        }
        catch (Exception why) when (why is StateFormatException or AcceleratorException or IOException)
        {
            throw new SnapshotException($"snapshot '{path}': {why.Message}", why);
        }
    }

    private static void Remove(string part)
    {
        try
        {
            File.Delete(part);
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            // The first error is the one to tell.
        }
    }
}
