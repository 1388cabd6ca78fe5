using System.Reflection;
using Xunit.Sdk;

namespace Gauntlet.Results.Tests.Store;

/// <summary>A real server of its own, on a Unix socket in a temporary folder; started when a test first asks.</summary>
public sealed class PostgresServer : IDisposable
{
    private readonly Lazy<TemporaryFolder> folder = new(Start);

    /// <summary>Why there can be none here; null when there can.</summary>
    public static string? Missing { get; } = Tool("initdb") is null
        ? "no PostgreSQL server is installed (initdb is neither in PATH nor in /usr/lib/postgresql); apt-get install postgresql"
        : Environment.UserName == "root" && Command.Find("runuser") is null ? "PostgreSQL does not run as root, and runuser is missing" : null;

    /// <summary>An empty store on it.</summary>
    public string NewLocation() =>
        $"postgres://postgres@/postgres?host={Uri.EscapeDataString(folder.Value.Path)}&schema=t{Guid.NewGuid():N}";

    public void Dispose()
    {
        if (!folder.IsValueCreated)
            return;
        Control(folder.Value, "stop", "-m", "immediate");
        folder.Value.Dispose();
    }

    private static TemporaryFolder Start()
    {
        var folder = new TemporaryFolder();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0b111_111_111);
        AsServerUser("initdb", "-D", folder["data"], "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8");
        Control(folder, "start", "-w", "-l", folder["data/log"], "-o", $"-k {folder.Path} -c listen_addresses= -c fsync=off -c max_connections=60");
        return folder;
    }

    private static void Control(TemporaryFolder folder, params string[] arguments) => AsServerUser("pg_ctl", ["-D", folder["data"], .. arguments]);

    private static void AsServerUser(string tool, params string[] arguments)
    {
        if (Environment.UserName == "root")
            Command.Run("runuser", ["-u", "postgres", "--", Tool(tool)!, .. arguments]);
        else
            Command.Run(Tool(tool)!, arguments);
    }

    private static string? Tool(string name) => Command.Find(
        name, Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")) : []);
}

/// <summary>Tests that share the server.</summary>
[CollectionDefinition(Name)]
public sealed class StoreCollection : ICollectionFixture<PostgresServer>
{
    public const string Name = "store";
}

public enum Engine
{
    Sqlite,
    Postgres,
}

/// <summary>Runs a theory on SQLite.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class OnSqliteAttribute : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[Engine.Sqlite]];
}

/// <summary>Runs a theory on a real PostgreSQL server, where there is one.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class OnPostgresAttribute : DataAttribute
{
    public OnPostgresAttribute() => Skip = PostgresServer.Missing;

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[Engine.Postgres]];
}
