using System.Text.Json;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Commands about disks.</summary>
internal sealed class BlockCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        new("query-block", _ => WriteDrives),
        new("query-named-block-nodes", _ => WriteNodes, new QmpArgument("flat", "bool", IsOptional: true)) { AllowsPreconfig = true },
        new("query-blockstats", _ => WriteNothing, new QmpArgument("query-nodes", "bool", IsOptional: true)),
        QmpCommand.Action("blockdev-add", Add, new QmpArgument("driver"), new QmpArgument("node-name", IsOptional: true)) with { TakesAny = true, AllowsPreconfig = true },
        QmpCommand.Action("blockdev-del", Remove, new QmpArgument("node-name")) with { AllowsPreconfig = true },
    ];

    private static void WriteNothing(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        writer.WriteEndArray();
    }

    private void Add(QmpArguments arguments) => Refuse(() => BlockdevReader.Add(context.Blocks, arguments.Value));

    private void Remove(QmpArguments arguments) => Refuse(() => context.Blocks.Remove(arguments.Text("node-name")));

    private static void Refuse(Action action)
    {
        try
        {
            action();
        }
        catch (BlockImageException why)
        {
            throw new QmpException(why.Message);
        }
    }

    // Those that a device or a drive has.
    private void WriteDrives(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var node in context.Blocks.All)
        {
            if (node.User is not { } user)
                continue;
            writer.WriteStartObject();
            writer.WriteString("device", user);
            writer.WriteString("type", "unknown");
            writer.WriteBoolean("removable", false);
            writer.WriteBoolean("locked", false);
            writer.WriteString("io-status", node.Errors is { HasFailed: true } ? "failed" : "ok");
            writer.WritePropertyName("inserted");
            WriteNode(writer, node);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private void WriteNodes(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (var node in context.Blocks.All)
            WriteNode(writer, node);
        writer.WriteEndArray();
    }

    // BlockDeviceInfo.
    private static void WriteNode(Utf8JsonWriter writer, BlockNode node)
    {
        writer.WriteStartObject();
        writer.WriteString("file", node.File);
        writer.WriteString("node-name", node.Name);
        writer.WriteBoolean("ro", node.Image.IsReadOnly);
        writer.WriteString("drv", node.Driver);
        writer.WriteNumber("backing_file_depth", 0);
        writer.WriteBoolean("encrypted", false);
        writer.WriteString("detect_zeroes", "off");
        foreach (var limit in (ReadOnlySpan<string>)["bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"])
            writer.WriteNumber(limit, 0);
        writer.WriteStartObject("cache");
        writer.WriteBoolean("writeback", true);
        writer.WriteBoolean("direct", false);
        writer.WriteBoolean("no-flush", false);
        writer.WriteEndObject();
        writer.WriteNumber("write_threshold", 0);
        writer.WriteStartObject("image");
        writer.WriteString("filename", node.File);
        writer.WriteString("format", node.Driver);
        writer.WriteNumber("virtual-size", node.Image.Bytes);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
