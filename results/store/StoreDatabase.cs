using System.Data.Common;
using System.Globalization;

namespace Gauntlet.Results.Store;

/// <summary>
/// The database under a store, open to every room for tables of its own: <see cref="Register"/> a <see cref="StoreSchema"/>, then read and write
/// with SQL that both engines take. May be used from any thread.
/// </summary>
public abstract class StoreDatabase : IDisposable
{
    /// <summary>Times a write is tried when the engine says that a collision with another writer undid it.</summary>
    private const int WriteAttempts = 8;

    private static readonly StoreSchema Versions = new("schema_versions", ["""
        CREATE TABLE schema_versions (
            name TEXT NOT NULL PRIMARY KEY,
            version BIGINT NOT NULL,
            artifact_references TEXT,
            applied_utc TEXT NOT NULL)
        """]);

    /// <summary>For messages: the folder, or the server and database without the password.</summary>
    public abstract string Location { get; }

    /// <summary>Runs queries without a transaction around them.</summary>
    /// <param name="doing">What for, as in "Cannot {doing}".</param>
    /// <exception cref="StoreException">The medium failed.</exception>
    public T Read<T>(string doing, Func<StoreTransaction, T> read)
    {
        try
        {
            using var connection = Connect();
            return read(new StoreTransaction(connection, null));
        }
        catch (Exception e) when (e is DbException or IOException or UnauthorizedAccessException)
        {
            throw Explain(doing, e);
        }
    }

    /// <summary>
    /// Runs a transaction that may write: all of it lasts when this returns, or nothing of it happened. The delegate may be called more than
    /// once when another writer got in the way, so it must have no effects but those on its transaction.
    /// </summary>
    /// <inheritdoc cref="Read"/>
    public T Write<T>(string doing, Func<StoreTransaction, T> write)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var turn = EnterWrite();
                using var connection = Connect();
                return Run(connection, write);
            }
            catch (DbException e) when (attempt < WriteAttempts && IsCollision(e))
            {
                // Nothing was kept: once more from the start.
            }
            catch (Exception e) when (e is DbException or IOException or UnauthorizedAccessException)
            {
                throw Explain(doing, e);
            }
        }
    }

    /// <inheritdoc cref="Write{T}"/>
    public void Write(string doing, Action<StoreTransaction> write) => Write(doing, transaction =>
    {
        write(transaction);
        return true;
    });

    /// <summary>Brings a subject's tables to the version that this program knows. Cheap when they are; safe when several processes do it at once.</summary>
    /// <exception cref="StoreException">The database holds a newer version, or the medium failed.</exception>
    public void Register(StoreSchema schema)
    {
        const string doing = "prepare the tables";
        var known = Read(doing, read => VersionOf(read, schema.Name));
        RefuseNewer(schema, known);
        if (known == schema.Version)
            return;

        Write(doing, transaction =>
        {
            LockForMigration(transaction);
            if (!TableExists(transaction, Versions.Name))
                transaction.Execute(Dialect(Versions.Migrations[0]));

            var version = VersionOf(transaction, schema.Name);
            RefuseNewer(schema, version);
            for (var next = version; next < schema.Version; next++)
                transaction.Execute(Dialect(schema.Migrations[next]));

            transaction.Execute(
                """
                INSERT INTO schema_versions (name, version, artifact_references, applied_utc) VALUES (@Name, @Version, @ArtifactReferences, @applied)
                ON CONFLICT (name) DO UPDATE SET version = excluded.version, artifact_references = excluded.artifact_references, applied_utc = excluded.applied_utc
                """,
                new { schema.Name, schema.Version, schema.ArtifactReferences, applied = DateTime.UtcNow.ToString("O", CultureInfo.InvariantCulture) });
        });
    }

    /// <summary>A new open connection, set up.</summary>
    protected abstract DbConnection Connect();

    /// <summary>Starts a transaction that will write; null when the engine's own statements do it.</summary>
    protected abstract DbTransaction? BeginWrite(DbConnection connection);

    /// <summary>Commits what <see cref="BeginWrite"/> started, or rolls it back.</summary>
    protected abstract void EndWrite(DbConnection connection, DbTransaction? transaction, bool keep);

    /// <summary>Waits for this thread's turn to write in this process; disposing gives it up. Null: the engine orders writers itself.</summary>
    protected virtual IDisposable? EnterWrite() => null;

    /// <summary>The engine undid the transaction because of another one, and trying again may help.</summary>
    protected abstract bool IsCollision(DbException exception);

    /// <summary>Keeps every other process out of migrations until the transaction ends.</summary>
    protected abstract void LockForMigration(StoreTransaction transaction);

    /// <summary>Keeps artifacts from being put (shared) while they are pruned (exclusive), until the transaction ends.</summary>
    internal abstract void LockArtifacts(StoreTransaction transaction, bool exclusive);

    /// <summary>Gives space that was freed back to the file system where the engine does not by itself.</summary>
    internal virtual void ReleaseSpace()
    {
    }

    protected abstract bool TableExists(StoreTransaction transaction, string name);

    /// <summary>What <c>{identity}</c> is here.</summary>
    protected abstract string Identity { get; }

    /// <summary>A failure of the engine or the file system in words for its user: what was being done, what was found, what to do.</summary>
    internal abstract StoreException Explain(string doing, Exception exception);

    /// <summary>The common shape of those words.</summary>
    protected StoreException Explained(string doing, string found, string advice, Exception? inner) =>
        new($"Cannot {doing} in the results store {Location}: {found.Trim().TrimEnd('.')}. {advice}", inner);

    public abstract void Dispose();

    private T Run<T>(DbConnection connection, Func<StoreTransaction, T> write)
    {
        using var transaction = BeginWrite(connection);
        try
        {
            var work = new StoreTransaction(connection, transaction);
            var result = write(work);
            EndWrite(connection, transaction, keep: !work.WillRollBack);
            return result;
        }
        catch
        {
            try
            {
                EndWrite(connection, transaction, keep: false);
            }
            catch (Exception e) when (e is DbException or InvalidOperationException)
            {
                // The engine undid it already, as SQLite does when the disk is full; that there is nothing left to undo must not hide why.
            }

            throw;
        }
    }

    private string Dialect(string sql) => sql.Replace("{identity}", Identity, StringComparison.Ordinal);

    private int VersionOf(StoreTransaction transaction, string name) =>
        TableExists(transaction, Versions.Name) ? (int)transaction.First<long>("SELECT version FROM schema_versions WHERE name = @name", new { name }) : 0;

    private void RefuseNewer(StoreSchema schema, int found)
    {
        if (found > schema.Version)
        {
            throw new StoreException(
                $"The results store {Location} was written by a newer Gauntlet: its tables '{schema.Name}' have version {found}, this program knows {schema.Version}. " +
                "Update Gauntlet, or name another store with --results.");
        }
    }
}
