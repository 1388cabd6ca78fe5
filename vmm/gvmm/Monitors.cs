using System.Text.Json;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Program.Serial;
using Gauntlet.Vmm.Protocols.Hmp;
using Gauntlet.Vmm.Protocols.Qmp;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program;

/// <summary>The monitors of a command line, QMP's and people's.</summary>
internal sealed class Monitors
{
    private readonly List<QmpSession> _sessions = [];
    private readonly QmpContext _context;

    /// <exception cref="OptionException">A chardev that is in use.</exception>
    public Monitors(IReadOnlyList<MonitorOption> options, ChardevSet chardevs, QmpContext context)
    {
        _context = context;
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
            session.SendEvent(NameOf(what), DataOf(what, cause));
    }

    /// <summary>Tells every client of a device that is gone.</summary>
    public void OnDeviceDeleted(string id)
    {
        foreach (var session in _sessions)
            session.SendEvent("DEVICE_DELETED", writer => HotPlug.WriteDeleted(writer, id));
    }

    /// <summary>Tells every client of a disk's request that failed (QEMU QMP Reference Manual, BLOCK_IO_ERROR).</summary>
    public void OnBlockError(BlockError error)
    {
        foreach (var session in _sessions)
            session.SendEvent("BLOCK_IO_ERROR", Write);

        void Write(Utf8JsonWriter writer)
        {
            writer.WriteStartObject();
            writer.WriteString("device", error.Device);
            writer.WriteString("node-name", error.Node);
            writer.WriteString("operation", error.IsWrite ? "write" : "read");
            writer.WriteString("action", error.Action switch
            {
                BlockErrorAction.Ignore => "ignore",
                BlockErrorAction.Stop => "stop",
                _ => "report",
            });
            writer.WriteBoolean("nospace", false);
            writer.WriteString("reason", "Input/output error");
            writer.WriteEndObject();
        }
    }

    public static string NameOf(MachineEvent what) => what switch
    {
        MachineEvent.Stop => "STOP",
        MachineEvent.Resume => "RESUME",
        MachineEvent.Reset => "RESET",
        MachineEvent.PowerDown => "POWERDOWN",
        MachineEvent.Suspend => "SUSPEND",
        MachineEvent.Wakeup => "WAKEUP",
        MachineEvent.GuestPanicked => "GUEST_PANICKED",
        MachineEvent.GuestCrashLoaded => "GUEST_CRASHLOADED",
        _ => "SHUTDOWN",
    };

    private Action<Utf8JsonWriter>? DataOf(MachineEvent what, MachineCause cause) => what switch
    {
        MachineEvent.GuestPanicked => writer => WriteAction(writer, _context.Machine?.PanicResponse ?? PanicResponse.None),
        MachineEvent.GuestCrashLoaded => static writer => WriteAction(writer, PanicResponse.None),
        _ => cause == MachineCause.None ? null : writer => WriteCause(writer, cause),
    };

    // QEMU QMP Reference Manual, GUEST_PANICKED: GuestPanicAction.
    private static void WriteAction(Utf8JsonWriter writer, PanicResponse response)
    {
        writer.WriteStartObject();
        writer.WriteString("action", response switch
        {
            PanicResponse.Pause => "pause",
            PanicResponse.Shutdown => "poweroff",
            _ => "run",
        });
        writer.WriteEndObject();
    }

    // QEMU QMP Reference Manual, SHUTDOWN and RESET.
    private static void WriteCause(Utf8JsonWriter writer, MachineCause cause)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("guest", cause is MachineCause.GuestShutdown or MachineCause.GuestReset or MachineCause.GuestPanic);
        writer.WriteString("reason", cause switch
        {
            MachineCause.HostQuit => "host-qmp-quit",
            MachineCause.HostReset => "host-qmp-system-reset",
            MachineCause.GuestShutdown => "guest-shutdown",
            MachineCause.GuestReset => "guest-reset",
            MachineCause.GuestPanic => "guest-panic",
            _ => "host-error",
        });
        writer.WriteEndObject();
    }
}
