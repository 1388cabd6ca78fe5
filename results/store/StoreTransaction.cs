using System.Data.Common;
using System.Globalization;
using System.Text;
using Dapper;

namespace Gauntlet.Results.Store;

/// <summary>
/// One piece of work on a <see cref="StoreDatabase"/>. Parameters are <c>@name</c>, given as an object's properties; rows are mapped to a class's
/// settable properties by name, case ignored. Valid only inside the delegate that it was given to, on that thread.
/// </summary>
public sealed class StoreTransaction
{
    /// <summary>SQLite's limit on parameters in one statement is 999 in its older builds.</summary>
    private const int MaxParameters = 900;

    private readonly DbConnection connection;
    private readonly DbTransaction? transaction;

    internal StoreTransaction(DbConnection connection, DbTransaction? transaction)
    {
        this.connection = connection;
        this.transaction = transaction;
    }

    internal bool WillRollBack { get; private set; }

    /// <summary>When the delegate returns, everything that was written is undone instead of kept.</summary>
    public void RollBack() => WillRollBack = true;

    /// <summary>Runs a statement and returns how many rows it touched.</summary>
    public int Execute(string sql, object? parameters = null) => connection.Execute(sql, parameters, transaction);

    public List<T> Query<T>(string sql, object? parameters = null) => connection.Query<T>(sql, parameters, transaction).AsList();

    /// <summary>The first row, or default when there is none.</summary>
    public T? First<T>(string sql, object? parameters = null) => connection.QueryFirstOrDefault<T>(sql, parameters, transaction);

    /// <summary>Inserts rows with few round trips.</summary>
    /// <param name="into">Table and columns: <c>jobs (run_seq, position)</c>.</param>
    /// <param name="rows">Values in that order, the same number in each.</param>
    public void InsertMany(string into, IEnumerable<object?[]> rows)
    {
        var sql = new StringBuilder();
        var parameters = new DynamicParameters();
        var count = 0;
        foreach (var row in rows)
        {
            sql.Append(count == 0 ? $"INSERT INTO {into} VALUES (" : ", (");
            for (var i = 0; i < row.Length; i++)
            {
                var name = "p" + count.ToString(CultureInfo.InvariantCulture);
                sql.Append(i == 0 ? "@" : ", @").Append(name);
                parameters.Add(name, row[i]);
                count++;
            }

            sql.Append(')');
            if (count + row.Length > MaxParameters)
                Flush();
        }

        if (count > 0)
            Flush();

        void Flush()
        {
            connection.Execute(sql.ToString(), parameters, transaction);
            sql.Clear();
            parameters = new DynamicParameters();
            count = 0;
        }
    }
}
