using System.Text.Json;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Program.Serial;
using Gauntlet.Vmm.Protocols.Hmp;
using Gauntlet.Vmm.Protocols.Qmp;

namespace Gauntlet.Vmm.Program;

/// <summary>The monitors of a command line, QMP's and people's.</summary>
internal sealed class Monitors
{
    private readonly List<QmpSession> _sessions = [];

    /// <exception cref="OptionException">A chardev that is in use.</exception>
    public Monitors(IReadOnlyList<MonitorOption> options, ChardevSet chardevs, QmpContext context)
    {
        foreach (var option in options)
        {
            var chardev = chardevs[option.Chardev];
            if (chardev is not MuxChardev && chardev.User is not null)
                throw new OptionException($"-mon: chardev '{chardev.Id}' is in use; share it with mux=on");
            if (option.IsQmp)
                _sessions.Add(new QmpSession(chardev, new QmpCommands(context)));
            else
                _ = new MonitorSession(chardev, new MonitorConsole(context));
        }
    }

    /// <summary>Tells every client what happened to the machine.</summary>
    public void OnMachineEvent(MachineEvent what, MachineCause cause)
    {
        foreach (var session in _sessions)
            session.SendEvent(NameOf(what), cause == MachineCause.None ? null : writer => WriteCause(writer, cause));
    }

    private static string NameOf(MachineEvent what) => what switch
    {
        MachineEvent.Stop => "STOP",
        MachineEvent.Resume => "RESUME",
        MachineEvent.Reset => "RESET",
        MachineEvent.PowerDown => "POWERDOWN",
        _ => "SHUTDOWN",
    };

    // QEMU QMP Reference Manual, SHUTDOWN and RESET.
    private static void WriteCause(Utf8JsonWriter writer, MachineCause cause)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("guest", cause is MachineCause.GuestShutdown or MachineCause.GuestReset);
        writer.WriteString("reason", cause switch
        {
            MachineCause.HostQuit => "host-qmp-quit",
            MachineCause.HostReset => "host-qmp-system-reset",
            MachineCause.GuestShutdown => "guest-shutdown",
            MachineCause.GuestReset => "guest-reset",
            _ => "host-error",
        });
        writer.WriteEndObject();
    }
}
