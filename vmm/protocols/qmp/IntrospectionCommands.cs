using System.Text.Json;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Commands about what there is and could be: machines, CPU models, types, the tree of objects.</summary>
public sealed class IntrospectionCommands(QmpContext context)
{
    private readonly DeviceTree _tree = new(context);

    public IEnumerable<QmpCommand> All =>
    [
        new("query-machines", _ => WriteMachines) { AllowsPreconfig = true },
        new("query-current-machine", _ => WriteCurrentMachine),
        new("query-cpu-definitions", _ => WriteCpuDefinitions) { AllowsPreconfig = true },
        new("qom-list-types", ListTypes, new QmpArgument("implements", IsOptional: true), new QmpArgument("abstract", "bool", IsOptional: true)) { AllowsPreconfig = true },
        new("qom-list", List, new QmpArgument("path")) { AllowsPreconfig = true },
        new("qom-get", Get, new QmpArgument("path"), new QmpArgument("property")) { AllowsPreconfig = true },
        new("qom-set", Set, new QmpArgument("path"), new QmpArgument("property"), new QmpArgument("value", "any")) { AllowsPreconfig = true },
    ];

    private static void WriteMachines(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        WriteMachine("pc", true, X86Board.MaxCpus);
        WriteMachine("q35", false, X86Board.MaxCpus);
        WriteMachine("microvm", false, X86Board.MaxCpus);
        WriteMachine("none", false, 1);
        writer.WriteEndArray();

        void WriteMachine(string name, bool isDefault, int cpus)
        {
            writer.WriteStartObject();
            writer.WriteString("name", name);
            if (isDefault)
                writer.WriteBoolean("is-default", true);
            writer.WriteNumber("cpu-max", cpus);
            writer.WriteBoolean("hotpluggable-cpus", false);
            writer.WriteBoolean("numa-mem-supported", false);
            writer.WriteBoolean("deprecated", false);
            if (name != "none")
            {
                writer.WriteString("default-cpu-type", "qemu64" + DeviceTree.CpuTypeSuffix);
                writer.WriteString("default-ram-id", "pc.ram");
            }
            writer.WriteEndObject();
        }
    }

    private static void WriteCurrentMachine(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("wakeup-suspend-support", false);
        writer.WriteEndObject();
    }

    private static void WriteCpuDefinitions(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var model in CpuModels)
        {
            writer.WriteStartObject();
            writer.WriteString("name", model);
            writer.WriteString("typename", model + DeviceTree.CpuTypeSuffix);
            writer.WriteBoolean("static", false);
            writer.WriteBoolean("migration-safe", model == "qemu64");
            writer.WriteBoolean("deprecated", false);
            writer.WriteStartArray("unavailable-features");
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>CPU models, for <c>-cpu help</c> too.</summary>
    public static IReadOnlyList<string> CpuModels { get; } = ["host", "max", "qemu64"];

    private Action<Utf8JsonWriter> ListTypes(QmpArguments arguments)
    {
        var kind = arguments.TextOrNull("implements");
        return writer =>
        {
            writer.WriteStartArray();
            if (kind is null or "accel")
                WriteTypes(writer, AcceleratorFactory.Names, "-accel", "accel");
            if (kind is null or "machine")
                WriteTypes(writer, ["pc", "q35", "microvm", "none"], "-machine", "machine");
            if (kind is null or "device")
                WriteTypes(writer, context.DeviceTypes, "", "device");
            if (kind is null or "cpu")
                WriteTypes(writer, CpuModels, DeviceTree.CpuTypeSuffix, "x86_64-cpu");
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

    private Action<Utf8JsonWriter> List(QmpArguments arguments)
    {
        var properties = ObjectAt(arguments);
        return writer =>
        {
            writer.WriteStartArray();
            foreach (var property in properties)
            {
                writer.WriteStartObject();
                writer.WriteString("name", property.Name);
                writer.WriteString("type", property.Type);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        };
    }

    private Action<Utf8JsonWriter> Get(QmpArguments arguments)
    {
        var value = PropertyOf(arguments).Value;
        return writer =>
        {
            if (value is long number)
                writer.WriteNumberValue(number);
            else if (value is bool flag)
                writer.WriteBooleanValue(flag);
            else
                writer.WriteStringValue((string)value);
        };
    }

    private Action<Utf8JsonWriter> Set(QmpArguments arguments) =>
        throw new QmpException($"Property '{arguments.Text("path")}.{PropertyOf(arguments).Name}' is not writable");

    private QomProperty PropertyOf(QmpArguments arguments)
    {
        var name = arguments.Text("property");
        foreach (var property in ObjectAt(arguments))
        {
            if (property.Name == name)
                return property;
        }
        throw new QmpException($"Property '{arguments.Text("path")}.{name}' not found");
    }

    private IReadOnlyList<QomProperty> ObjectAt(QmpArguments arguments)
    {
        var path = arguments.Text("path");
        return _tree.Find(path) ?? throw new QmpException($"Device '{path}' not found", QmpException.DeviceNotFound);
    }
}
