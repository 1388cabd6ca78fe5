namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>The way from QMP to the commands that people type.</summary>
internal sealed class MonitorCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        new("human-monitor-command", arguments =>
        {
            var answer = new Hmp.MonitorConsole(context).Execute(arguments.Text("command-line"));
            return writer => writer.WriteStringValue(answer);
        }, new QmpArgument("command-line"), new QmpArgument("cpu-index", "int", IsOptional: true)),
    ];
}
