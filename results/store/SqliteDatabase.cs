using System.Data.Common;
using Dapper;
using Microsoft.Data.Sqlite;

namespace Gauntlet.Results.Store;

/// <summary>
/// SQLite in write-ahead mode, in the file <c>results.db</c> of a folder. Commits are synced before they are reported (<c>synchronous=FULL</c>):
/// a kill or a power cut loses nothing that was reported.
/// </summary>
internal sealed class SqliteDatabase : StoreDatabase
{
    public const string FileName = "results.db";

    /// <summary>How long a writer waits for writers of other processes; a transaction takes milliseconds.</summary>
    private const int BusySeconds = 60;

    private readonly string connectionString;
    private readonly SemaphoreSlim writer = new(1, 1);

    /// <exception cref="StoreException">The folder cannot be made, or the file there is not a store.</exception>
    public SqliteDatabase(string folder)
    {
        Folder = Path.GetFullPath(folder);
        connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = Path.Combine(Folder, FileName),
            Mode = SqliteOpenMode.ReadWriteCreate,
            ForeignKeys = true,
            Pooling = true,
            DefaultTimeout = BusySeconds,
        }.ToString();

        const string doing = "open or create a database";
        try
        {
            Directory.CreateDirectory(Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(doing, e);
        }

        Read(doing, Prepare);
    }

    public string Folder { get; }

    public override string Location => Folder;

    protected override string Identity => "INTEGER PRIMARY KEY AUTOINCREMENT";

    private bool Prepare(StoreTransaction connection)
    {
        if (connection.First<string>("PRAGMA journal_mode") == "wal")
            return true;

        var tables = connection.Query<string>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name");
        if (tables.Count > 0 && !tables.Contains("schema_versions"))
        {
            throw new StoreException(
                $"{Path.Combine(Folder, FileName)} is a SQLite database but not a results store: it holds the table '{tables[0]}'. Name another folder with --results.");
        }

        // Has to be said before the first table is made: pruning then gives pages back without copying the whole file.
        connection.Execute("PRAGMA auto_vacuum = INCREMENTAL");
        connection.Execute("PRAGMA journal_mode = WAL");
        return true;
    }

    protected override DbConnection Connect()
    {
        var connection = new SqliteConnection(connectionString);
        try
        {
            connection.Open();

            // busy_timeout 0: this library waits in whole seconds; the provider's own retry is finer.
            connection.Execute("PRAGMA busy_timeout = 0; PRAGMA synchronous = FULL;");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// By statements: the provider's transaction object cannot be disposed of, nor its connection closed, after SQLite has rolled back by itself.
    /// IMMEDIATE takes the writer's lock at once, so that a transaction never fails for another half way.
    /// </summary>
    protected override DbTransaction? BeginWrite(DbConnection connection)
    {
        connection.Execute("BEGIN IMMEDIATE");
        return null;
    }

    protected override void EndWrite(DbConnection connection, DbTransaction? transaction, bool keep) => connection.Execute(keep ? "COMMIT" : "ROLLBACK");

    /// <summary>Threads of this process take turns here, since waiting for SQLite's lock is polling.</summary>
    protected override IDisposable EnterWrite()
    {
        writer.Wait();
        return new Turn(writer);
    }

    protected override bool IsCollision(DbException exception) => false;

    // A transaction that writes is the only one: the engine's lock is the one that is asked for.
    protected override void LockForMigration(StoreTransaction transaction)
    {
    }

    internal override void LockArtifacts(StoreTransaction transaction, bool exclusive)
    {
    }

    internal override void ReleaseSpace() => Read("release space", connection =>
    {
        connection.Query<long>("PRAGMA incremental_vacuum");
        connection.Query<long>("PRAGMA wal_checkpoint(TRUNCATE)");
        return true;
    });

    protected override bool TableExists(StoreTransaction transaction, string name) =>
        transaction.First<long>("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = @name", new { name }) > 0;

    internal override StoreException Explain(string doing, Exception exception)
    {
        var (found, advice) = exception switch
        {
            SqliteException { SqliteErrorCode: 5 or 6 } => (
                $"another process has been writing it for {BusySeconds} s", "Look for a stopped or hanging gauntlet process, end it, and try again."),
            SqliteException { SqliteErrorCode: 8 } => (
                "it is read-only", "Give write permission to the folder and the files in it, or copy it elsewhere and name the copy with --results."),
            SqliteException { SqliteErrorCode: 10 } => (
                $"reading or writing its file failed ({exception.Message})", "See the kernel's log and free space on its disk; what was reported as stored is kept."),
            SqliteException { SqliteErrorCode: 11 } => (
                "its file is damaged", $"Keep a copy of {FileName}; the sqlite3 program's .recover may save most of it; move the folder away and a new store will be made."),
            SqliteException { SqliteErrorCode: 13 } => ("the disk is full", "Free some space, or name a store elsewhere with --results; what was stored before is kept."),
            SqliteException { SqliteErrorCode: 14 } => (
                "its file cannot be opened or created", "Check the permissions of the folder and whether its file system is read-only, or name another with --results."),
            SqliteException { SqliteErrorCode: 26 } => ($"{FileName} there is not a SQLite database", "Move it away, or name another folder with --results."),
            SqliteException => (exception.Message, "This is not expected: please report it with the store's files."),
            _ => FileFault.Explain(exception),
        };
        return Explained(doing, found, advice, exception);
    }

    public override void Dispose()
    {
        using (var connection = new SqliteConnection(connectionString))
            SqliteConnection.ClearPool(connection);
        writer.Dispose();
    }

    private sealed class Turn(SemaphoreSlim semaphore) : IDisposable
    {
        public void Dispose() => semaphore.Release();
    }
}
