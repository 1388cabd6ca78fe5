namespace Gauntlet.Results.Store;

/// <summary>The tables of results. Records are kept whole as JSON; columns beside them are what is searched, ordered or joined by.</summary>
internal static class ResultsSchema
{
    /// <remarks>
    /// <c>runs.seq</c> orders runs, never a time: clocks jump. <c>artifacts.last_seq</c> is the newest run at the time when the artifact was last put:
    /// one without references is kept while a run of that age or older is being written, since its result may be on the way.
    /// </remarks>
    public static readonly StoreSchema Schema = new("results", [
        """
        CREATE TABLE runs (
            seq {identity},
            id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL,
            started_utc TEXT NOT NULL,
            finished_utc TEXT,
            branch TEXT,
            record TEXT NOT NULL,
            owner_host TEXT NOT NULL,
            owner_boot TEXT NOT NULL,
            owner_namespace TEXT NOT NULL,
            owner_pid BIGINT NOT NULL,
            owner_start BIGINT NOT NULL);
        CREATE INDEX runs_branch ON runs (branch, seq);
        CREATE TABLE jobs (
            run_seq BIGINT NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
            job_key TEXT NOT NULL,
            repetition BIGINT NOT NULL,
            position BIGINT NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (run_seq, job_key, repetition));
        CREATE INDEX jobs_position ON jobs (run_seq, position);
        CREATE TABLE results (
            run_seq BIGINT NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
            job_key TEXT NOT NULL,
            repetition BIGINT NOT NULL,
            verdict TEXT NOT NULL,
            flaky BIGINT NOT NULL,
            cpu_seconds DOUBLE PRECISION NOT NULL,
            wall_seconds DOUBLE PRECISION NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (run_seq, job_key, repetition));
        CREATE INDEX results_history ON results (job_key, run_seq);
        CREATE TABLE artifacts (
            sha256 TEXT NOT NULL PRIMARY KEY,
            length BIGINT NOT NULL,
            stored_length BIGINT NOT NULL,
            compressed BIGINT NOT NULL,
            last_seq BIGINT NOT NULL,
            last_put_utc TEXT NOT NULL);
        CREATE TABLE result_artifacts (
            run_seq BIGINT NOT NULL,
            job_key TEXT NOT NULL,
            repetition BIGINT NOT NULL,
            sha256 TEXT NOT NULL,
            PRIMARY KEY (run_seq, job_key, repetition, sha256),
            FOREIGN KEY (run_seq, job_key, repetition) REFERENCES results (run_seq, job_key, repetition) ON DELETE CASCADE);
        CREATE INDEX result_artifacts_sha256 ON result_artifacts (sha256);
        """,

        // Overviews of many runs read this index alone, never the records, which are thousands of times as large.
        """
        CREATE INDEX results_overview ON results (run_seq, verdict, flaky, job_key, repetition, cpu_seconds, wall_seconds);
        """,
    ], "SELECT sha256 FROM result_artifacts");
}
