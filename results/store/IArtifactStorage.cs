namespace Gauntlet.Results.Store;

/// <summary>Where the bytes of artifacts are; which there are, and who needs them, is in the tables.</summary>
internal interface IArtifactStorage
{
    /// <summary>Folder for temporary files while an artifact comes in.</summary>
    string SpillFolder { get; }

    /// <summary>The bytes of a row of <c>artifacts</c> are there.</summary>
    bool Has(StoreTransaction transaction, string sha256, bool compressed);

    /// <summary>What can be done before the transaction that makes the row; the result is handed to <see cref="Keep"/> once or more.</summary>
    StagedArtifact Stage(PackedArtifact packed);

    /// <summary>Keeps the bytes, inside the transaction that makes their row.</summary>
    void Keep(StoreTransaction transaction, PackedArtifact packed, StagedArtifact staged);

    /// <summary>Removes the bytes of rows that go, inside the transaction that removes them, while nobody can put the same.</summary>
    void Remove(StoreTransaction transaction, IReadOnlyList<string> sha256);

    /// <summary>Removes what a killed process left behind, at a time when nobody can put.</summary>
    void RemoveLeftovers(StoreTransaction transaction);

    /// <summary>The bytes as kept; null when they are not there.</summary>
    Stream? OpenStored(string sha256, bool compressed);
}

/// <summary>A file that waits for its name; none when the bytes go into the database.</summary>
internal sealed record StagedArtifact(string? File) : IDisposable
{
    public void Dispose()
    {
        if (File is not null)
            System.IO.File.Delete(File);
    }
}
