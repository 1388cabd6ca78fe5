using System.Text;
using System.Text.Json;
using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Commands about the machine's host side: identity, memory, character devices, accelerator.</summary>
internal sealed class HostCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        new("query-name", _ => WriteName) { AllowsPreconfig = true },
        new("query-uuid", _ => WriteUuid) { AllowsPreconfig = true },
        new("query-kvm", _ => WriteKvm),
        new("query-memory-size-summary", _ => WriteMemorySize),
        new("query-pci", _ => WritePci),
        new("query-iothreads", _ => WriteEmptyArray) { AllowsPreconfig = true },
        new("query-chardev", _ => WriteChardevs) { AllowsPreconfig = true },
        new("query-chardev-backends", _ => WriteChardevBackends) { AllowsPreconfig = true },
        new("ringbuf-read", ReadRingBuf, new QmpArgument("device"), new QmpArgument("size", "int"), new QmpArgument("format", IsOptional: true)),
        QmpCommand.Action("ringbuf-write", WriteRingBuf, new QmpArgument("device"), new QmpArgument("data"), new QmpArgument("format", IsOptional: true)),
    ];

    private static readonly string[] s_backends = ["file", "null", "pipe", "pty", "ringbuf", "socket", "stdio"];

    private static void WriteEmptyArray(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        writer.WriteEndArray();
    }

    private void WriteName(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        if (context.Name is { } name)
            writer.WriteString("name", name);
        writer.WriteEndObject();
    }

    private void WriteUuid(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("UUID", context.Uuid.ToString("D"));
        writer.WriteEndObject();
    }

    private void WriteKvm(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("enabled", context.Machine?.Accelerator.Name == "kvm");
        writer.WriteBoolean("present", File.Exists("/dev/kvm"));
        writer.WriteEndObject();
    }

    private void WriteMemorySize(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteNumber("base-memory", context.RamBytes);
        writer.WriteNumber("plugged-memory", 0);
        writer.WriteEndObject();
    }

    private void WritePci(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        if (context.PciFunctions() is { Count: > 0 } functions)
        {
            writer.WriteStartObject();
            writer.WriteNumber("bus", 0);
            writer.WriteStartArray("devices");
            foreach (var function in functions)
                WriteFunction(writer, function);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    // PCI 3.0, 6.1 and 6.2.5.1: class at 0x0a, base address registers from 0x10, interrupt line and pin at 0x3c.
    private static void WriteFunction(Utf8JsonWriter writer, PciConfigView function)
    {
        writer.WriteStartObject();
        writer.WriteNumber("bus", 0);
        writer.WriteNumber("slot", function.Slot);
        writer.WriteNumber("function", function.Function);
        writer.WriteStartObject("class_info");
        writer.WriteNumber("class", function.Read(0x0a, 2));
        writer.WriteEndObject();
        writer.WriteStartObject("id");
        writer.WriteNumber("device", function.Read(2, 2));
        writer.WriteNumber("vendor", function.Read(0, 2));
        writer.WriteEndObject();
        writer.WriteNumber("irq", function.Read(0x3c, 1));
        writer.WriteNumber("irq_pin", function.Read(0x3d, 1));
        writer.WriteString("qdev_id", "");
        writer.WriteStartArray("regions");
        for (var bar = 0; bar < 6; bar++)
        {
            var value = function.Read(0x10 + bar * 4, 4);
            if (value == 0)
                continue;
            var isPort = (value & 1) != 0;
            writer.WriteStartObject();
            writer.WriteNumber("bar", bar);
            writer.WriteString("type", isPort ? "io" : "memory");
            writer.WriteNumber("address", value & (isPort ? ~3u : ~15u));
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private void WriteChardevs(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var chardev in context.Chardevs)
        {
            writer.WriteStartObject();
            writer.WriteBoolean("frontend-open", chardev.User is not null);
            writer.WriteString("filename", chardev.FileName);
            writer.WriteString("label", chardev.Id);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static void WriteChardevBackends(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var name in s_backends)
        {
            writer.WriteStartObject();
            writer.WriteString("name", name);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private Action<Utf8JsonWriter> ReadRingBuf(QmpArguments arguments)
    {
        var size = arguments.Number("size");
        if (size <= 0)
            throw new QmpException("size must be greater than zero");
        var bytes = RingBufOf(arguments).Take((int)Math.Min(size, RingBufChardev.MaxBytes));
        var text = IsBase64(arguments) ? Convert.ToBase64String(bytes) : Encoding.UTF8.GetString(bytes);
        return writer => writer.WriteStringValue(text);
    }

    private void WriteRingBuf(QmpArguments arguments)
    {
        var data = arguments.Text("data");
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(data.Length)];
        int count;
        if (!IsBase64(arguments))
            count = Encoding.UTF8.GetBytes(data, bytes);
        else if (!Convert.TryFromBase64String(data, bytes, out count))
            throw new QmpException("Parameter 'data' is not base64");
        // Into the buffer: what is written here is what ringbuf-read gives, as in QEMU.
        RingBufOf(arguments).Write(bytes.AsSpan(0, count));
    }

    private static bool IsBase64(QmpArguments arguments) => arguments.TextOrNull("format") switch
    {
        null or "utf8" => false,
        "base64" => true,
        var other => throw new QmpException($"Parameter 'format' does not accept value '{other}'"),
    };

    private RingBufChardev RingBufOf(QmpArguments arguments)
    {
        var id = arguments.Text("device");
        foreach (var chardev in context.Chardevs)
        {
            if (chardev.Id == id)
                return chardev as RingBufChardev ?? throw new QmpException($"{id} is not a ringbuf device");
        }
        throw new QmpException($"Device '{id}' not found");
    }
}
