using System.Data.Common;
using Npgsql;

namespace Gauntlet.Results.Store;

/// <summary>PostgreSQL, for a team: the same tables, in a schema of their own of the database that is named.</summary>
internal sealed class PostgresDatabase : StoreDatabase
{
    // Keys of advisory locks, any numbers that other programs on the same database are unlikely to take.
    private const long MigrationLock = 0x6761756e746c65, ArtifactLock = 0x6761756e746c66;

    private readonly NpgsqlDataSource source;

    /// <exception cref="StoreException">The server cannot be reached, or refuses.</exception>
    public PostgresDatabase(PostgresLocation location)
    {
        Location = location.ToString();
        source = NpgsqlDataSource.Create(location.ToConnectionString());
        try
        {
            Write("open a database", transaction =>
            {
                if (transaction.First<long>("SELECT count(*) FROM pg_namespace WHERE nspname = @Schema", new { location.Schema }) > 0)
                    return;
                LockForMigration(transaction);
                transaction.Execute($"CREATE SCHEMA IF NOT EXISTS \"{location.Schema}\"");
            });
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public override string Location { get; }

    protected override string Identity => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY";

    protected override DbConnection Connect() => source.OpenConnection();

    protected override DbTransaction? BeginWrite(DbConnection connection) => connection.BeginTransaction();

    protected override void EndWrite(DbConnection connection, DbTransaction? transaction, bool keep)
    {
        if (keep)
            transaction!.Commit();
        else
            transaction!.Rollback();
    }

    protected override bool IsCollision(DbException exception) =>
        exception is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected };

    protected override void LockForMigration(StoreTransaction transaction) => transaction.Execute("SELECT pg_advisory_xact_lock(@MigrationLock)", new { MigrationLock });

    internal override void LockArtifacts(StoreTransaction transaction, bool exclusive) => transaction.Execute(
        exclusive ? "SELECT pg_advisory_xact_lock(@ArtifactLock)" : "SELECT pg_advisory_xact_lock_shared(@ArtifactLock)", new { ArtifactLock });

    protected override bool TableExists(StoreTransaction transaction, string name) =>
        transaction.First<long>("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = @name", new { name }) > 0;

    internal override StoreException Explain(string doing, Exception exception)
    {
        var (found, advice) = exception switch
        {
            PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } e => (
                e.MessageText, "Check user and password in --results, and the server's pg_hba.conf."),
            PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } e => (e.MessageText, "Create it first (createdb), or name another database in --results."),
            PostgresException { SqlState: PostgresErrorCodes.DiskFull } => ("the server's disk is full", "Free some space there; what was stored before is kept."),
            PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } e => (
                e.MessageText, "Grant CREATE on the database to this user, or let an administrator create the schema."),
            PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction } => ("the server is a read-only replica", "Name the primary server in --results."),
            PostgresException e => ($"the server answered '{e.MessageText}' ({e.SqlState})", "See the server's log."),
            NpgsqlException e => (
                e.InnerException is null ? e.Message : $"{e.Message}: {e.InnerException.Message}", "Check that the server runs and can be reached, then try again; what was reported as stored is kept."),
            _ => (exception.Message, "Check the network and the server's log."),
        };
        return Explained(doing, found, advice, exception);
    }

    public override void Dispose() => source.Dispose();
}
