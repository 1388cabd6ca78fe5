namespace Gauntlet.Results.Store;

/// <summary>
/// Tables that one subject keeps in the store: the results themselves, the gate's queue, fuzzing campaigns. Each has its own version and moves
/// forward on its own; <see cref="StoreDatabase.Register"/> brings a database to the newest.
/// </summary>
/// <param name="Name">Unique in the program, and the prefix of its table names so that subjects do not collide: <c>gate</c>.</param>
/// <param name="Migrations">
/// SQL scripts; the n-th (from 1) brings version n-1 to n. One that was released never changes again. One body serves SQLite and PostgreSQL:
/// types are <c>BIGINT</c>, <c>DOUBLE PRECISION</c>, <c>TEXT</c>, <c>BYTEA</c>; <c>{identity}</c> stands for the type of a primary key that counts up and is never used twice.
/// </param>
/// <param name="ArtifactReferences">A SELECT of one column: the hashes of artifacts that this subject's rows still need; pruning keeps them. Null: it refers to none.</param>
public sealed record StoreSchema(string Name, IReadOnlyList<string> Migrations, string? ArtifactReferences = null)
{
    /// <summary>The version that this program knows; 1 or more.</summary>
    public int Version => Migrations.Count;
}
