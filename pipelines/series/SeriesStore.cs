using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines.Series;

/// <summary>Series and their mails, kept in the results store.</summary>
public sealed class SeriesStore
{
    private static readonly StoreSchema Schema = new("series", [
        """
        CREATE TABLE series_versions (
            series_id TEXT NOT NULL,
            version BIGINT NOT NULL,
            message_id TEXT NOT NULL,
            last_date TEXT NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (series_id, version, message_id));
        CREATE TABLE series_mails (
            message_id TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            source TEXT NOT NULL,
            PRIMARY KEY (message_id, sha256));
        """,
        "ALTER TABLE series_mails ADD COLUMN content BYTEA",
    ], "SELECT sha256 FROM series_mails WHERE content IS NULL");

    /// <summary>A mail of so many bytes or fewer is kept in its row, packed: ten thousand of them are then one transaction. A larger one is an artifact.</summary>
    private const int MaxRowBytes = 1 << 20;

    private readonly ResultStore _store;

    public SeriesStore(ResultStore store)
    {
        _store = store;
        store.Database.Register(Schema);
    }

    /// <summary>
    /// Adds mails to those that are known and puts all series together anew, so that a patch that arrives late completes its series.
    /// </summary>
    /// <returns>The series that hold one of these mails, and what was put aside.</returns>
    public async Task<AssembledMails> ImportAsync(IReadOnlyList<Mail> mails, CancellationToken cancellation)
    {
        var hashes = new Dictionary<Mail, string>();
        foreach (var mail in mails)
            hashes[mail] = mail.Raw.Length <= MaxRowBytes ? Convert.ToHexStringLower(SHA256.HashData(mail.Raw)) : _store.PutArtifact("mail.eml", new MemoryStream(mail.Raw)).Sha256;
        _store.Database.Write("keep mails", write =>
        {
            foreach (var (mail, hash) in hashes)
            {
                write.Execute(
                    "INSERT INTO series_mails (message_id, sha256, source, content) VALUES (@id, @hash, @source, @content) ON CONFLICT DO NOTHING",
                    new { id = mail.Name, hash, source = mail.Source, content = mail.Raw.Length <= MaxRowBytes ? Pack(mail.Raw) : null });
            }
        });

        var known = AllMails(hashes);
        var assembled = await SeriesAssembler.AssembleAsync(known.Keys.ToArray(), mail => known[mail], cancellation);
        _store.Database.Write("keep series", write =>
        {
            write.Execute("DELETE FROM series_versions");
            foreach (var version in assembled.Versions)
            {
                write.Execute(
                    "INSERT INTO series_versions (series_id, version, message_id, last_date, record) VALUES (@SeriesId, @Version, @message, @date, @record)",
                    new
                    {
                        version.SeriesId,
                        version.Version,
                        message = version.CoverMessageId ?? version.Patches.FirstOrDefault()?.MessageId ?? "",
                        date = (version.Date ?? DateTimeOffset.UnixEpoch).UtcDateTime.ToString("O"),
                        record = JsonSerializer.Serialize(version, SeriesJson.Default.SeriesVersion),
                    });
            }
        });

        var imported = mails.Select(mail => mail.Name).ToHashSet();
        return assembled with
        {
            Versions = [.. assembled.Versions.Where(version => version.Patches.Any(patch => imported.Contains(patch.MessageId)) || imported.Contains(version.CoverMessageId ?? ""))],
        };
    }

    /// <summary>All versions of all series, newest first.</summary>
    public IReadOnlyList<SeriesVersion> List() =>
        [.. _store.Database.Read("list series", read => read.Query<string>("SELECT record FROM series_versions ORDER BY last_date DESC, series_id, version DESC"))
            .Select(record => JsonSerializer.Deserialize(record, SeriesJson.Default.SeriesVersion)!)];

    /// <summary>
    /// By the beginning of a series' identifier, by a mail's identifier, or by words of its title; with <c>@N</c> or <c> vN</c> behind it that version, else the newest.
    /// </summary>
    /// <exception cref="UserException">None, or more than one series.</exception>
    public SeriesVersion Find(string name)
    {
        var match = VersionSuffix(name);
        var all = List();
        var found = all.Where(version => Names(version, match.Name)).GroupBy(version => version.SeriesId).ToArray();
        if (found.Length == 0)
            throw new UserException($"looking for the series '{name}': none by that identifier, message or title; `gauntlet series list` shows all {all.Count}");
        if (found.Length > 1)
            throw new UserException($"looking for the series '{name}': {found.Length} match: {string.Join(", ", found.Take(5).Select(one => $"{one.Key} ({one.First().Title})"))}");
        return match.Version is { } wanted
            ? found[0].FirstOrDefault(version => version.Version == wanted) ?? throw new UserException($"looking for '{name}': the series has no version {wanted}, only {string.Join(", ", found[0].Select(version => version.Version).Order())}")
            : found[0].MaxBy(version => version.Version)!;
    }

    /// <summary>A mail's bytes.</summary>
    /// <exception cref="StoreException">They were removed from the store.</exception>
    public byte[] ReadMail(string sha256) =>
        _store.Database.Read("read a mail", read => read.First<byte[]>("SELECT content FROM series_mails WHERE sha256 = @sha256 AND content IS NOT NULL", new { sha256 })) is { } packed
            ? Unpack(packed)
            : ReadArtifact(sha256);

    private byte[] ReadArtifact(string sha256)
    {
        using var stream = _store.OpenArtifact(sha256) ?? throw new StoreException($"reading the mail {sha256} from {_store.Location}: it is gone; import its source again");
        var buffer = new MemoryStream();
        stream.CopyTo(buffer);
        return buffer.ToArray();
    }

    private static byte[] Pack(byte[] bytes)
    {
        var packed = new MemoryStream();
        using (var stream = new ZLibStream(packed, CompressionLevel.Fastest))
            stream.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Unpack(byte[] packed)
    {
        var bytes = new MemoryStream();
        using (var stream = new ZLibStream(new MemoryStream(packed), CompressionMode.Decompress))
            stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    private Dictionary<Mail, string> AllMails(Dictionary<Mail, string> fresh)
    {
        var freshNames = fresh.Keys.Select(mail => (mail.Name, fresh[mail])).ToHashSet();
        var known = new Dictionary<Mail, string>(fresh);
        foreach (var row in _store.Database.Read("read mails", read => read.Query<MailRow>("SELECT message_id AS Message, sha256 AS Sha256, source AS Source, content AS Content FROM series_mails ORDER BY message_id, sha256")))
        {
            if (!freshNames.Contains((row.Message, row.Sha256)))
                known[new Mail(row.Content is null ? ReadArtifact(row.Sha256) : Unpack(row.Content), row.Source)] = row.Sha256;
        }

        return known;
    }

    private static bool Names(SeriesVersion version, string name) =>
        version.SeriesId.StartsWith(name.Trim('<', '>'), StringComparison.Ordinal)
        || version.CoverMessageId?.Trim('<', '>') == name.Trim('<', '>')
        || version.Patches.Any(patch => patch.MessageId.Trim('<', '>') == name.Trim('<', '>'))
        || version.Title.Contains(name, StringComparison.OrdinalIgnoreCase);

    private static (string Name, int? Version) VersionSuffix(string name)
    {
        foreach (var separator in (ReadOnlySpan<string>)["@", " v"])
        {
            var at = name.LastIndexOf(separator, StringComparison.Ordinal);
            if (at > 0 && int.TryParse(name.AsSpan(at + separator.Length), out var version))
                return (name[..at], version);
        }

        return (name, null);
    }

    private sealed class MailRow
    {
        public string Message { get; set; } = "";

        public string Sha256 { get; set; } = "";

        public string Source { get; set; } = "";

        public byte[]? Content { get; set; }
    }
}

/// <summary>JSON of series, camelCase.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = false)]
[JsonSerializable(typeof(SeriesVersion))]
[JsonSerializable(typeof(IReadOnlyList<SeriesVersion>))]
public sealed partial class SeriesJson : JsonSerializerContext;
