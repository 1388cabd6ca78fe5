using System.Text.Json;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>
/// A machine's state to a file, by the names of QEMU's migration (QEMU QMP Reference Manual, "migrate"): the target is <c>file:PATH</c>, and the
/// command returns when all is written, the machine paused.
/// </summary>
internal sealed class MigrationCommands(QmpContext context)
{
    private const string FileScheme = "file:";

    private string? _status, _error;

    public IEnumerable<QmpCommand> All =>
    [
        QmpCommand.Action("migrate", arguments => Migrate(PathOf(arguments.Text("uri"))), new QmpArgument("uri"), new QmpArgument("detach", "bool", IsOptional: true)),
        new("query-migrate", _ => WriteStatus),
    ];

    /// <summary>The file of a migration address.</summary>
    /// <exception cref="QmpException">It is no <c>file:</c>.</exception>
    public static string PathOf(string uri) => uri.StartsWith(FileScheme, StringComparison.Ordinal) && uri.Length > FileScheme.Length
        ? uri[FileScheme.Length..]
        : throw new QmpException($"'{uri}': a machine is migrated to a file only; give file:PATH");

    private void Migrate(string path)
    {
        var machine = context.Needed;
        try
        {
            SnapshotFile.Save(machine, path, pauseAfterwards: true);
            (_status, _error) = ("completed", null);
        }
        catch (SnapshotException why)
        {
            (_status, _error) = ("failed", why.Message);
            throw new QmpException(why.Message);
        }
    }

    private void WriteStatus(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        if (_status is not null)
            writer.WriteString("status", _status);
        if (_error is not null)
            writer.WriteString("error-desc", _error);
        writer.WriteEndObject();
    }
}
