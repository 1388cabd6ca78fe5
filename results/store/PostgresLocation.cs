using System.Text.RegularExpressions;
using Gauntlet.Terminal;
using Npgsql;

namespace Gauntlet.Results.Store;

/// <summary>
/// Where a PostgreSQL store is, from a connection URI as libpq takes it (PostgreSQL documentation, 34.1.1.2): <c>postgres://user:password@host:port/database?key=value</c>.
/// Keys: <c>host</c> (a folder is a Unix socket's), <c>sslmode</c>, <c>schema</c> (ours; <c>gauntlet</c> by default). What is left out comes from
/// PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and ~/.pgpass as usual.
/// </summary>
internal sealed partial record PostgresLocation
{
    private string? Host { get; init; }

    private int? Port { get; init; }

    private string? User { get; init; }

    private string? Password { get; init; }

    private string? Database { get; init; }

    private SslMode? Ssl { get; init; }

    public string Schema { get; private init; } = "gauntlet";

    /// <summary>True when a store's location means a PostgreSQL server, rightly written or not.</summary>
    public static bool Fits(string location) =>
        location.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) || location.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase);

    /// <exception cref="UserException">It is malformed.</exception>
    public static PostgresLocation Parse(string uri)
    {
        var match = UriShape().Match(uri);
        if (!match.Success)
            throw Malformed("it has not the form postgres://user:password@host:port/database?key=value (a '/', '@', '?' or '#' in a password is written as %2F, %40, %3F, %23)");

        var location = new PostgresLocation
        {
            User = Part(match, "user"),
            Password = Part(match, "password"),
            Host = Part(match, "host")?.Trim('[', ']'),
            Database = Part(match, "database"),
        };

        if (Part(match, "port") is { } port)
        {
            if (!ushort.TryParse(port, out var number) || number == 0)
                throw Malformed($"the port '{port}' is not a number from 1 to 65535");
            location = location with { Port = number };
        }

        foreach (var pair in (match.Groups["query"].Value).Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var key = equals < 0 ? pair : pair[..equals];
            var value = equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..]);
            location = key switch
            {
                "host" => location with { Host = value },
                "sslmode" when Enum.TryParse<SslMode>(value.Replace("-", "", StringComparison.Ordinal), ignoreCase: true, out var mode) && !int.TryParse(value, out _) => location with { Ssl = mode },
                "sslmode" => throw Malformed($"the sslmode '{value}' is none of disable, allow, prefer, require, verify-ca, verify-full"),
                "schema" when SchemaShape().IsMatch(value) => location with { Schema = value },
                "schema" => throw Malformed($"the schema '{value}' is not made of a to z, 0 to 9 and _"),
                _ => throw Malformed($"it has the unknown key '{key}'; known are host, sslmode, schema"),
            };
        }

        return new[] { location.Host, location.User, location.Password, location.Database }.Any(part => part?.Contains('\0', StringComparison.Ordinal) == true)
            ? throw Malformed("it holds a NUL character")
            : location;
    }

    public string ToConnectionString()
    {
        var builder = new NpgsqlConnectionStringBuilder
        {
            SearchPath = Schema,
            ApplicationName = "gauntlet",
            IncludeErrorDetail = true,
            Host = Host ?? Variable("PGHOST") ?? "localhost",
        };
        if (Port is { } port)
            builder.Port = port;
        else if (ushort.TryParse(Variable("PGPORT"), out var fromEnvironment))
            builder.Port = fromEnvironment;

        if ((User ?? Variable("PGUSER")) is { } user)
            builder.Username = user;
        if ((Password ?? Variable("PGPASSWORD")) is { } password)
            builder.Password = password;
        if ((Database ?? Variable("PGDATABASE")) is { } database)
            builder.Database = database;
        if (Ssl is { } ssl)
            builder.SslMode = ssl;
        return builder.ToString();
    }

    /// <summary>Without the password.</summary>
    public override string ToString() =>
        $"postgres://{(User is null ? "" : User + "@")}{(Host is null ? "" : Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}{(Port is null ? "" : ":" + Port)}/{Database}";

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static string? Part(Match match, string name) => match.Groups[name] is { Success: true, Length: > 0 } group ? Uri.UnescapeDataString(group.Value) : null;

    // Not the location itself: it may hold a password.
    private static UserException Malformed(string why) => new($"The PostgreSQL location given for the results store is malformed: {why}.");

    [GeneratedRegex(@"^postgres(ql)?://((?<user>[^:@/?#]*)(:(?<password>[^@/?#]*))?@)?(?<host>\[[^\]/?#]*\]|[^:@/?#\[\]]*)(:(?<port>[^@/?#]*))?(/(?<database>[^/?#]*))?(\?(?<query>[^#]*))?$", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex UriShape();

    [GeneratedRegex("^[a-z_][a-z0-9_]{0,62}$", RegexOptions.CultureInvariant)]
    private static partial Regex SchemaShape();
}
