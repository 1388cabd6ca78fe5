using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>
/// The QMP commands that there are. Names and shapes of answers are QEMU's (QEMU QMP Reference Manual).
/// </summary>
/// <param name="machine">The machine, or null with <c>-machine none</c>.</param>
/// <param name="devices">Names that <c>-device</c> takes.</param>
/// <param name="onQuit">Ends the process.</param>
public sealed class QmpCommands(Machine? machine, IReadOnlyList<string> devices, Action onQuit)
{
    private const string CpuTypeSuffix = "-x86_64-cpu";

    /// <summary>CPU models, for <c>-cpu help</c> too.</summary>
    public static IReadOnlyList<string> CpuModels { get; } = ["host", "max", "qemu64"];

    /// <summary>The program's version, three numbers.</summary>
    public static Version Version => Assembly.GetExecutingAssembly().GetName().Version!;

    /// <summary>Carries a command out and gives what writes its return value.</summary>
    /// <exception cref="QmpException">There is no such command, or it is refused.</exception>
    public Action<Utf8JsonWriter> Execute(string name, JsonElement arguments)
    {
        switch (name)
        {
            case "query-version":
                return WriteVersion;
            case "query-status":
                return WriteStatus;
            case "stop":
                machine?.Pause();
                return WriteEmpty;
            case "cont":
                if (machine?.Resume() is false)
                    throw new QmpException("Resetting the Virtual Machine is required");
                return WriteEmpty;
            case "system_reset":
                machine?.RequestReset();
                return WriteEmpty;
            case "quit":
                return WriteEmpty;
            case "query-cpus-fast":
                return WriteCpus;
            case "query-machines":
                return WriteMachines;
            case "query-kvm":
                return writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteBoolean("enabled", machine?.Accelerator.Name == "kvm");
                    writer.WriteBoolean("present", File.Exists("/dev/kvm"));
                    writer.WriteEndObject();
                };
            case "query-commands":
                return WriteCommands;
            case "qom-list-types":
                return ListTypes(arguments);
            case "human-monitor-command":
                var line = arguments.ValueKind == JsonValueKind.Object && arguments.TryGetProperty("command-line", out var text) && text.ValueKind == JsonValueKind.String
                    ? text.GetString()!
                    : throw new QmpException("Parameter 'command-line' is missing");
                var answer = ExecuteMonitor(line);
                return writer => writer.WriteStringValue(answer);
            default:
                throw new QmpException($"The command {name} has not been found", "CommandNotFound");
        }
    }

    /// <summary>After the answer to <c>quit</c> is out.</summary>
    public void Quit() => onQuit();

    public static void WriteEmpty(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteEndObject();
    }

    public static void WriteVersion(Utf8JsonWriter writer)
    {
        var version = Version;
        writer.WriteStartObject();
        writer.WriteStartObject("qemu");
        writer.WriteNumber("micro", version.Build);
        writer.WriteNumber("minor", version.Minor);
        writer.WriteNumber("major", version.Major);
        writer.WriteEndObject();
        writer.WriteString("package", "gvmm");
        writer.WriteEndObject();
    }

    private static void WriteCommands(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var name in (ReadOnlySpan<string>)["cont", "human-monitor-command", "qmp_capabilities", "qom-list-types", "query-commands", "query-cpus-fast",
            "query-kvm", "query-machines", "query-status", "query-version", "quit", "stop", "system_reset"])
        {
            writer.WriteStartObject();
            writer.WriteString("name", name);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static void WriteMachines(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var (name, cpus, isDefault) in (ReadOnlySpan<(string, int, bool)>)[("none", 1, false), ("pc", PcBoard.MaxCpus, true)])
        {
            writer.WriteStartObject();
            writer.WriteString("name", name);
            if (isDefault)
                writer.WriteBoolean("is-default", true);
            writer.WriteNumber("cpu-max", cpus);
            writer.WriteBoolean("hotpluggable-cpus", false);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private void WriteStatus(Utf8JsonWriter writer)
    {
        var state = machine?.State ?? MachineState.Prelaunch;
        writer.WriteStartObject();
        writer.WriteBoolean("running", state == MachineState.Running);
        writer.WriteBoolean("singlestep", false);
        writer.WriteString("status", state switch
        {
            MachineState.Running => "running",
            MachineState.Paused => "paused",
            MachineState.Shutdown => "shutdown",
            MachineState.InternalError => "internal-error",
            _ => "prelaunch",
        });
        writer.WriteEndObject();
    }

    private void WriteCpus(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        for (var i = 0; i < (machine?.Vcpus.Count ?? 0); i++)
        {
            writer.WriteStartObject();
            writer.WriteNumber("cpu-index", i);
            writer.WriteString("qom-path", string.Create(CultureInfo.InvariantCulture, $"/machine/unattached/device[{i}]"));
            writer.WriteNumber("thread-id", machine!.VcpuThreadId(i));
            writer.WriteString("target", "x86_64");
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private Action<Utf8JsonWriter> ListTypes(JsonElement arguments)
    {
        string? kind = null;
        if (arguments.ValueKind == JsonValueKind.Object && arguments.TryGetProperty("implements", out var implements))
            kind = implements.ValueKind == JsonValueKind.String ? implements.GetString() : throw new QmpException("Parameter 'implements' must be a string");
        return writer =>
        {
            writer.WriteStartArray();
            if (kind is null or "accel")
                WriteTypes(writer, AcceleratorFactory.Names, "-accel", "accel");
            if (kind is null or "device")
                WriteTypes(writer, devices, "", "device");
            if (kind is null or "cpu")
                WriteTypes(writer, CpuModels, CpuTypeSuffix, "x86_64-cpu");
            writer.WriteEndArray();
        };

        static void WriteTypes(Utf8JsonWriter writer, IReadOnlyList<string> names, string suffix, string parent)
        {
            foreach (var name in names)
            {
                writer.WriteStartObject();
                writer.WriteString("name", name + suffix);
                writer.WriteString("parent", parent);
                writer.WriteEndObject();
            }
        }
    }

    private string ExecuteMonitor(string line)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        switch (words)
        {
            case ["info", "registers"]:
                return DumpRegisters(all: false);
            case ["info", "registers", "-a"]:
                return DumpRegisters(all: true);
            case ["info", "status"]:
                return machine?.State == MachineState.Running ? "VM status: running\r\n" : "VM status: paused\r\n";
            case ["info", "version"]:
                return $"{Version.ToString(3)}gvmm\r\n";
            case ["info", "mtree"]:
                return DumpMappings();
            default:
                return $"unknown command: '{line}'\r\n";
        }
    }

    private string DumpRegisters(bool all)
    {
        var text = new StringBuilder();
        machine?.Inspect(() =>
        {
            foreach (var vcpu in machine.Vcpus)
            {
                if (!all && vcpu.Index > 0)
                    break;
                vcpu.GetState(out var state);
                text.Append(CultureInfo.InvariantCulture, $"\nCPU#{vcpu.Index}\n");
                RegisterDump.Append(text, in state);
            }
        });
        return text.ToString().ReplaceLineEndings("\r\n");
    }

    private string DumpMappings()
    {
        var text = new StringBuilder();
        if (machine is null)
            return "";
        foreach (var run in machine.Memory.Layout)
            text.Append(CultureInfo.InvariantCulture, $"{run.GuestAddress:x16}-{run.GuestAddress + run.Length - 1:x16} {(run.ReadOnly ? "rom" : "ram")}: {run.Name}\r\n");
        lock (machine.Bus.DeviceLock)
        {
            foreach (var mapping in machine.Bus.GetMappings())
            {
                text.Append(CultureInfo.InvariantCulture, $"{mapping.Base:x16}-{mapping.Base + mapping.Length - 1:x16} {(mapping.Space == Bus.AddressSpace.Port ? "i/o" : "mmio")}: ");
                text.Append(CultureInfo.InvariantCulture, $"{mapping.Device.Name}.{mapping.Device.Regions[mapping.Region].Name}\r\n");
            }
        }
        return text.ToString();
    }
}
