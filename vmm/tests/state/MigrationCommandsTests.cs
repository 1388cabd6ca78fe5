using System.Text;
using System.Text.Json;
using Gauntlet.Vmm.Protocols.Hmp;
using Gauntlet.Vmm.Protocols.Qmp;

namespace Gauntlet.Vmm.Tests.State;

public sealed class MigrationCommandsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-migrate-").FullName;
    private readonly TraceGuest _guest = new("tcg");
    private readonly Task _run;
    private readonly QmpContext _context;

    public MigrationCommandsTests()
    {
        _run = Task.Factory.StartNew(() => _guest.Machine.Run(paused: true), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _context = new QmpContext { Machine = _guest.Machine, Quit = _guest.Machine.RequestQuit };
        _guest.Machine.AwaitWishes();
    }

    public void Dispose()
    {
        _guest.Machine.RequestQuit();
        _run.Wait();
        _guest.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Migrate_writes_the_file_and_tells_that_it_did()
    {
        var commands = new QmpCommands(_context);
        Assert.Equal("{}", Ask(commands, "query-migrate", "{}"));
        var path = Path.Combine(_folder, "state");
        Assert.Equal("{}", Ask(commands, "migrate", $$"""{"uri":"file:{{path}}"}"""));
        Assert.Equal("""{"status":"completed"}""", Ask(commands, "query-migrate", "{}"));
        Assert.StartsWith("gvmmsnap", File.ReadAllText(path, Encoding.Latin1), StringComparison.Ordinal);
        Assert.Contains("file:PATH", Assert.Throws<QmpException>(() => Ask(commands, "migrate", """{"uri":"tcp:host:1"}""")).Message, StringComparison.Ordinal);
        Assert.Throws<QmpException>(() => Ask(commands, "migrate", $$"""{"uri":"file:{{_folder}}/none/state"}"""));
        Assert.Contains("failed", Ask(commands, "query-migrate", "{}"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_monitor_saves_and_loads_by_file()
    {
        var monitor = new MonitorConsole(_context);
        var path = Path.Combine(_folder, "state");
        Assert.Equal("", monitor.Execute($"savevm {path}"));
        Assert.True(_guest.Machine.Memory.TryWrite(0x100000, [1, 2, 3]));
        Assert.Equal("", monitor.Execute($"loadvm {path}"));
        Span<byte> after = stackalloc byte[3];
        Assert.True(_guest.Machine.Memory.TryRead(0x100000, after));
        Assert.Equal([0, 0, 0], after.ToArray());
        Assert.StartsWith("Error: snapshot", monitor.Execute("loadvm /nowhere"), StringComparison.Ordinal);
        Assert.Equal("", monitor.Execute($"migrate file:{path}"));
    }

    private static string Ask(QmpCommands commands, string name, string arguments)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
            commands.Execute(name, JsonDocument.Parse(arguments).RootElement)(writer);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
