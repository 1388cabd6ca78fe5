namespace Gauntlet.Vmm.Machines;

/// <summary>Where snapshots go in a sandbox, which makes no files: into one that was opened before, if any.</summary>
public sealed class SandboxedSnapshots : IDisposable
{
    private readonly string? _path;
    private readonly FileStream? _file;

    /// <param name="path">Made if it is not there, and emptied by the first snapshot only; null: none can be written.</param>
    /// <exception cref="SnapshotException">It cannot be written to.</exception>
    public SandboxedSnapshots(string? path)
    {
        if (path is null)
            return;
        try
        {
            _path = Path.GetFullPath(path);
            _file = new FileStream(_path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.Write,
                Share = FileShare.Read,
                BufferSize = SnapshotFile.BufferBytes,
                UnixCreateMode = SnapshotFile.OwnerOnly,
            });
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new SnapshotException($"-sandbox on,snapshot={path}: {why.Message}", why);
        }
    }

    /// <summary>The open file, emptied, for a path.</summary>
    /// <exception cref="SnapshotException">It was not opened.</exception>
    internal FileStream Begin(string path)
    {
        if (_file is null || Path.GetFullPath(path) != _path)
        {
            throw new SnapshotException(
                $"snapshot '{path}' was not written: gvmm is in its sandbox, which makes no files; start it with -sandbox on,snapshot={path}, or with -sandbox off");
        }
        _file.SetLength(0);
        return _file;
    }

    public void Dispose() => _file?.Dispose();
}
