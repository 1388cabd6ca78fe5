using System.Reflection;
using System.Text.Json;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Commands about QMP itself: version, commands, schema.</summary>
public sealed class ProtocolCommands(IReadOnlyList<QmpCommand> all, QmpContext context)
{
    private static readonly string[] s_events = ["BLOCK_IO_ERROR", "DEVICE_DELETED", "GUEST_CRASHLOADED", "GUEST_PANICKED", "POWERDOWN", "RESET", "RESUME", "SHUTDOWN", "STOP", "SUSPEND", "WAKEUP"];
    private static readonly string[] s_builtIns = ["any", "bool", "int", "str"];

    public IEnumerable<QmpCommand> All =>
    [
        // Negotiation comes first and is the session's; asked for again it is not found.
        new("qmp_capabilities", _ => throw new QmpException("Capabilities negotiation is already complete, command ignored", QmpException.CommandNotFound))
        {
            AllowsPreconfig = true,
            TakesAny = true,
            AnswersNothing = true,
        },
        new("query-version", _ => WriteVersion) { AllowsPreconfig = true },
        new("query-commands", _ => WriteCommands) { AllowsPreconfig = true },
        new("query-qmp-schema", _ => WriteSchema) { AllowsPreconfig = true },
        // Its answer is sent before it takes effect.
        QmpCommand.Action("quit", _ => { }) with { AllowsPreconfig = true },
        QmpCommand.Action("x-exit-preconfig", _ => ExitPreconfig()) with { AllowsPreconfig = true },
    ];

    /// <summary>The program's version, three numbers.</summary>
    public static Version Version => Assembly.GetExecutingAssembly().GetName().Version!;

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

    private void ExitPreconfig()
    {
        if (!context.IsPreconfig)
            throw new QmpException("The command is permitted only before machine initialization");
        context.IsPreconfig = false;
        if (context.AutoStart)
            context.Resume();
    }

    private void WriteCommands(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var command in all)
        {
            writer.WriteStartObject();
            writer.WriteString("name", command.Name);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    // SchemaInfo (QEMU QMP Reference Manual, "QMP introspection"). Answers are declared as empty, or as 'any', which each of them is.
    private void WriteSchema(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var name in s_builtIns)
        {
            Start("builtin", name);
            writer.WriteString("json-type", name switch
            {
                "any" => "value",
                "bool" => "boolean",
                "int" => "int",
                _ => "string",
            });
            writer.WriteEndObject();
        }
        Start("object", "q_empty");
        writer.WriteStartArray("members");
        writer.WriteEndArray();
        writer.WriteEndObject();
        foreach (var name in s_events)
        {
            Start("event", name);
            writer.WriteString("arg-type", "q_empty");
            writer.WriteEndObject();
        }
        foreach (var command in all)
        {
            var argumentType = command.Arguments.Length == 0 ? "q_empty" : $"q_obj_{command.Name}-arg";
            Start("command", command.Name);
            writer.WriteString("arg-type", argumentType);
            writer.WriteString("ret-type", command.AnswersNothing ? "q_empty" : "any");
            writer.WriteBoolean("allow-oob", command.AllowsOob);
            writer.WriteEndObject();
            if (command.Arguments.Length == 0)
                continue;
            Start("object", argumentType);
            writer.WriteStartArray("members");
            foreach (var argument in command.Arguments)
            {
                writer.WriteStartObject();
                writer.WriteString("name", argument.Name);
                writer.WriteString("type", argument.Type);
                if (argument.IsOptional)
                    writer.WriteNull("default");
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();

        void Start(string metaType, string name)
        {
            writer.WriteStartObject();
            writer.WriteString("meta-type", metaType);
            writer.WriteString("name", name);
        }
    }
}
