using System.Text;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;

namespace Gauntlet.Results.Reports;

/// <summary>What every report is made from: a run, its results, perhaps what changed, and the way to its artifacts.</summary>
/// <param name="Results">In the order of the run's jobs.</param>
/// <param name="Diff">Against a baseline; null: none was asked for.</param>
/// <param name="OpenArtifact">By hash; null when it is not there any more.</param>
public sealed record RunReport(Run Run, IReadOnlyList<JobResult> Results, RunDiff? Diff, Func<string, Stream?> OpenArtifact)
{
    public VerdictCounts Counts { get; } = new(Results.Select(result => result.Verdict));

    /// <summary>Results that a reader has to do something about, worst first.</summary>
    public IEnumerable<JobResult> Failures => Results.Where(result => result.Verdict.IsFailure()).OrderBy(result => VerdictSymbol.WorstFirst.Index().First(v => v.Item == result.Verdict).Index);

    /// <summary>Reads a run from a store.</summary>
    public static RunReport Load(IStore store, Run run, RunDiff? diff = null) => new(run, store.GetResults(run.Id).ToList(), diff, store.OpenArtifact);

    /// <summary>A job's name with its repetition, where it is not the first: <c>paging #2</c>.</summary>
    public static string NameOf(Job job) => job.Repetition == 1 ? job.Case : $"{job.Case} #{job.Repetition}";

    /// <summary>
    /// The text of an artifact, harmless to show: head and tail with a note between them when it is longer than the limit. Null when the attempt has
    /// none of that name; a note when the bytes are gone or damaged.
    /// </summary>
    /// <param name="limit">Bytes that are shown at most.</param>
    public string? ReadText(Attempt attempt, string name, int limit) =>
        attempt.Artifacts.FirstOrDefault(artifact => artifact.Name == name) is { } artifact ? ReadText(artifact, limit) : null;

    /// <inheritdoc cref="ReadText(Attempt, string, int)"/>
    public string ReadText(Artifact artifact, int limit)
    {
        try
        {
            using var stream = OpenArtifact(artifact.Sha256);
            if (stream is null)
                return $"[{artifact.Name} was pruned from the store]";
            var head = new byte[limit / 2];
            var headLength = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
            var tail = new TailBuffer(limit - head.Length);
            tail.CopyFrom(stream);
            var text = new StringBuilder(Decode(head.AsSpan(0, headLength)));
            if (tail.Skipped > 0)
                text.Append($"\n[… {Quantity.Bytes(tail.Skipped)} left out here; the store has them …]\n");
            text.Append(Decode(tail.ToArray()));
            if (artifact.Truncated)
                text.Append("\n[the harness kept only head and tail of this output: it passed its limit]\n");
            return text.ToString();
        }
        catch (StoreException e)
        {
            return $"[{artifact.Name} cannot be read: {Harmless.Line(e.Message)}]";
        }
    }

    private static string Decode(ReadOnlySpan<byte> bytes) => Harmless.Lines(Encoding.UTF8.GetString(bytes));

    /// <summary>The last bytes of a stream.</summary>
    private sealed class TailBuffer(int capacity)
    {
        private readonly byte[] ring = new byte[capacity];
        private long total;

        public long Skipped => Math.Max(0, total - ring.Length);

        public void CopyFrom(Stream stream)
        {
            var chunk = new byte[65536];
            while (stream.Read(chunk) is > 0 and var count)
            {
                foreach (var value in chunk.AsSpan(0, count))
                    ring[total++ % ring.Length] = value;
            }
        }

        public byte[] ToArray()
        {
            var length = (int)Math.Min(total, ring.Length);
            var bytes = new byte[length];
            for (var i = 0; i < length; i++)
                bytes[i] = ring[(Skipped + i) % ring.Length];
            return bytes;
        }
    }
}
