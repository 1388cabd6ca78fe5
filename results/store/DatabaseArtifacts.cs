namespace Gauntlet.Results.Store;

/// <summary>Artifacts in the database, in chunks, so that neither side holds a large one in memory.</summary>
internal sealed class DatabaseArtifacts : IArtifactStorage
{
    /// <summary>Bytes of one row.</summary>
    private const int ChunkLength = 1 << 20;

    private static readonly StoreSchema Schema = new("artifact_chunks", ["""
        CREATE TABLE artifact_chunks (
            sha256 TEXT NOT NULL REFERENCES artifacts (sha256) ON DELETE CASCADE,
            chunk BIGINT NOT NULL,
            content BYTEA NOT NULL,
            PRIMARY KEY (sha256, chunk));
        """]);

    private readonly StoreDatabase database;

    public DatabaseArtifacts(StoreDatabase database)
    {
        this.database = database;
        database.Register(Schema);
    }

    public string SpillFolder => Path.GetTempPath();

    public bool Has(StoreTransaction transaction, string sha256, bool compressed) =>
        transaction.First<long>("SELECT count(*) FROM artifact_chunks WHERE sha256 = @sha256 AND chunk = 0", new { sha256 }) > 0;

    public StagedArtifact Stage(PackedArtifact packed) => new(File: null);

    public void Keep(StoreTransaction transaction, PackedArtifact packed, StagedArtifact staged)
    {
        using var stored = packed.OpenStored();
        var buffer = new byte[(int)Math.Min(ChunkLength, packed.StoredLength)];
        for (long chunk = 0; ; chunk++)
        {
            var count = stored.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (count == 0 && chunk > 0)
                return;

            // An empty artifact has one empty chunk: that is how it is told from a missing one.
            transaction.Execute(
                "INSERT INTO artifact_chunks (sha256, chunk, content) VALUES (@Sha256, @chunk, @content)", new { packed.Sha256, chunk, content = buffer[..count] });
            if (count == 0)
                return;
        }
    }

    // Both go with the row that they belong to.
    public void Remove(StoreTransaction transaction, IReadOnlyList<string> sha256)
    {
    }

    public void RemoveLeftovers(StoreTransaction transaction)
    {
    }

    public Stream? OpenStored(string sha256, bool compressed) => Chunk(sha256, 0) is { } first ? new ChunkStream(this, sha256, first) : null;

    private byte[]? Chunk(string sha256, long chunk) => database.Read("read an artifact", transaction =>
        transaction.First<byte[]>("SELECT content FROM artifact_chunks WHERE sha256 = @sha256 AND chunk = @chunk", new { sha256, chunk }));

    private sealed class ChunkStream(DatabaseArtifacts storage, string sha256, byte[] first) : ForwardStream
    {
        private byte[] current = first;
        private int position;
        private long chunk;
        private bool ended = first.Length == 0;

        public override int Read(Span<byte> buffer)
        {
            if (ended || buffer.IsEmpty)
                return 0;
            if (position == current.Length)
            {
                if (storage.Chunk(sha256, ++chunk) is not { } next)
                {
                    ended = true;
                    return 0;
                }

                (current, position) = (next, 0);
            }

            var count = Math.Min(buffer.Length, current.Length - position);
            current.AsSpan(position, count).CopyTo(buffer);
            position += count;
            return count;
        }
    }
}
