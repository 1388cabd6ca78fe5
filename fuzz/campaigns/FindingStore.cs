using System.Globalization;
using Gauntlet.Results.Store;

namespace Gauntlet.Fuzz.Campaigns;

/// <summary>What campaigns found, in the results store: so that a failure is new once, on whichever host and in whichever directory it is found.</summary>
public sealed class FindingStore
{
    private static readonly StoreSchema Schema = new("fuzz", [
        """
        CREATE TABLE fuzz_findings (
            target TEXT NOT NULL,
            bucket TEXT NOT NULL,
            campaigns BIGINT NOT NULL,
            first_utc TEXT NOT NULL,
            last_utc TEXT NOT NULL,
            PRIMARY KEY (target, bucket));
        """,
    ]);

    private readonly ResultStore _store;

    /// <exception cref="StoreException">The store cannot be brought up to date.</exception>
    public FindingStore(ResultStore store)
    {
        _store = store;
        store.Database.Register(Schema);
    }

    /// <summary>Buckets of a target that some campaign found.</summary>
    public IReadOnlyCollection<string> Known(string target) =>
        _store.Database.Read("read what campaigns found", read => read.Query<string>("SELECT bucket FROM fuzz_findings WHERE target = @target ORDER BY first_utc, bucket", new { target }));

    /// <summary>A campaign found these, or has them still.</summary>
    public void Record(string target, IReadOnlyCollection<string> buckets, DateTime utc) => _store.Database.Write("keep what a campaign found", write =>
    {
        foreach (var bucket in buckets)
        {
            write.Execute(
                """
                INSERT INTO fuzz_findings (target, bucket, campaigns, first_utc, last_utc) VALUES (@target, @bucket, 1, @now, @now)
                ON CONFLICT (target, bucket) DO UPDATE SET campaigns = fuzz_findings.campaigns + 1, last_utc = excluded.last_utc
                """,
                new { target, bucket, now = utc.ToString("O", CultureInfo.InvariantCulture) });
        }
    });
}
