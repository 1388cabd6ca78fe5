using System.Text.Json;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Commands about what the machine does: running, paused, reset, off.</summary>
internal sealed class RunStateCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        new("query-status", _ => WriteStatus) { AllowsPreconfig = true },
        QmpCommand.Action("stop", _ => context.Pause()),
        QmpCommand.Action("cont", _ => context.Resume()),
        QmpCommand.Action("system_reset", _ => context.Needed.ResetFromHost()),
        QmpCommand.Action("system_powerdown", _ => PowerDown()),
        new("query-cpus-fast", _ => WriteCpus),
    ];

    private void PowerDown()
    {
        if (context.PressPowerButton is not { } press)
            throw new QmpException("this machine has no power button");
        press();
    }

    private void WriteStatus(Utf8JsonWriter writer)
    {
        var state = context.State;
        writer.WriteStartObject();
        writer.WriteString("status", state switch
        {
            MachineState.Running => "running",
            MachineState.Paused => "paused",
            MachineState.Debug => "debug",
            MachineState.Shutdown => "shutdown",
            MachineState.InternalError => "internal-error",
            MachineState.Suspended => "suspended",
            MachineState.IoError => "io-error",
            MachineState.GuestPanicked => "guest-panicked",
            _ => "prelaunch",
        });
        writer.WriteBoolean("singlestep", false);
        writer.WriteBoolean("running", state == MachineState.Running);
        writer.WriteEndObject();
    }

    private void WriteCpus(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        for (var i = 0; i < (context.Machine?.Vcpus.Count ?? 0); i++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("cpu-index", i);
            writer.WriteString("qom-path", DeviceTree.CpuPath(i));
            writer.WriteNumber("thread-id", context.Machine!.VcpuThreadId(i));
            writer.WriteString("target", "x86_64");
            writer.WriteStartObject("props");
            // As CPUID has it: one package of as many cores as there are vCPUs.
            writer.WriteNumber("core-id", i);
            writer.WriteNumber("thread-id", 0);
            writer.WriteNumber("socket-id", 0);
            for (var node = 0; node < context.Nodes.Count; node++)
            {
                if (context.Nodes[node].Cpus.Contains(i))
                    writer.WriteNumber("node-id", node);
            }
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }
}
