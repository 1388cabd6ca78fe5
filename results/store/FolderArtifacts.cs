using Gauntlet.Linux;

namespace Gauntlet.Results.Store;

/// <summary>
/// Artifacts as files named by their hash: <c>artifacts/ab/abcdef…</c>, with <c>.gz</c> when compressed, so that <c>zcat</c> reads them. A file gets
/// its name by renaming when it is whole and synced, and before its row is committed: a row always has its bytes.
/// </summary>
internal sealed class FolderArtifacts(string storeFolder) : IArtifactStorage
{
    /// <summary>A temporary file that is older was left by a killed process.</summary>
    private static readonly TimeSpan LeftoverAge = TimeSpan.FromDays(1);

    private readonly string folder = Path.Combine(storeFolder, "artifacts");

    public string SpillFolder => Path.Combine(folder, "incoming");

    public bool Has(StoreTransaction transaction, string sha256, bool compressed) => File.Exists(PathOf(sha256, compressed));

    public StagedArtifact Stage(PackedArtifact packed) => new(packed.TakeFile(SpillFolder));

    public void Keep(StoreTransaction transaction, PackedArtifact packed, StagedArtifact staged)
    {
        var path = PathOf(packed.Sha256, packed.Compressed);
        var shard = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(shard))
        {
            Directory.CreateDirectory(shard);
            DurableFile.SyncFolder(folder);
        }

        if (File.Exists(staged.File))
            DurableFile.Move(staged.File!, path);
    }

    public void Remove(StoreTransaction transaction, IReadOnlyList<string> sha256)
    {
        foreach (var hash in sha256)
        {
            File.Delete(PathOf(hash, compressed: false));
            File.Delete(PathOf(hash, compressed: true));
        }
    }

    public void RemoveLeftovers(StoreTransaction transaction)
    {
        if (!Directory.Exists(SpillFolder))
            return;
        foreach (var file in new DirectoryInfo(SpillFolder).EnumerateFiles())
        {
            if (DateTime.UtcNow - file.LastWriteTimeUtc > LeftoverAge)
                file.Delete();
        }
    }

    public Stream? OpenStored(string sha256, bool compressed)
    {
        try
        {
            return new FileStream(PathOf(sha256, compressed), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private string PathOf(string sha256, bool compressed) => Path.Combine(folder, sha256[..2], sha256 + (compressed ? ".gz" : ""));
}
