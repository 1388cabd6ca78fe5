using System.Buffers;
using System.Text.Json;
using Gauntlet.Linux;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>One client of QMP: greeting, capabilities negotiation, then a command and its answer at a time, with events between them.</summary>
internal sealed class QmpSession(int fd, QmpCommands commands)
{
    // A command of the harness has a hundred bytes.
    private const int MaxCommandBytes = 64 * 1024;
    private const int MaxDepth = 16;

    private readonly Lock _output = new();
    private bool _negotiated;

    /// <summary>Serves until the client goes away.</summary>
    public void Run()
    {
        Send(writer =>
        {
            writer.WriteStartObject("QMP");
            writer.WritePropertyName("version");
            QmpCommands.WriteVersion(writer);
            writer.WriteStartArray("capabilities");
            writer.WriteEndArray();
            writer.WriteEndObject();
        });
        var buffer = new byte[4096];
        var length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                if (length == MaxCommandBytes)
                    return;
                Array.Resize(ref buffer, length * 2);
            }
            var count = Descriptors.Read(fd, buffer.AsSpan(length));
            if (count == 0)
                return;
            length += count;
            // Commands are JSON values one after the other; a line's end is not needed.
            var used = 0;
            while (TryTakeValue(buffer.AsSpan(used, length - used), out var consumed, out var broken))
            {
                if (broken || !Answer(buffer.AsMemory(used, consumed)))
                    return;
                used += consumed;
            }
            buffer.AsSpan(used, length - used).CopyTo(buffer);
            length -= used;
        }
    }

    public void SendEvent(MachineEvent what)
    {
        if (!_negotiated)
            return;
        Send(writer =>
        {
            writer.WriteString("event", what switch
            {
                MachineEvent.Stop => "STOP",
                MachineEvent.Resume => "RESUME",
                MachineEvent.Reset => "RESET",
                MachineEvent.PowerDown => "POWERDOWN",
                _ => "SHUTDOWN",
            });
            if (what is MachineEvent.Reset or MachineEvent.Shutdown)
            {
                writer.WriteStartObject("data");
                writer.WriteBoolean("guest", true);
                writer.WriteString("reason", what == MachineEvent.Reset ? "guest-reset" : "guest-shutdown");
                writer.WriteEndObject();
            }
            var now = DateTimeOffset.UtcNow;
            writer.WriteStartObject("timestamp");
            writer.WriteNumber("seconds", now.ToUnixTimeSeconds());
            writer.WriteNumber("microseconds", now.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
            writer.WriteEndObject();
        });
    }

    // False: no whole value there yet. Broken: none can come of it.
    private static bool TryTakeValue(ReadOnlySpan<byte> bytes, out int consumed, out bool broken)
    {
        (consumed, broken) = (0, false);
        var start = 0;
        while (start < bytes.Length && bytes[start] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            start++;
        if (start == bytes.Length)
            return false;
        var reader = new Utf8JsonReader(bytes[start..], isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        try
        {
            if (!reader.Read() || !reader.TrySkip())
                return false;
            consumed = start + (int)reader.BytesConsumed;
        }
        catch (JsonException)
        {
            // What follows cannot be found again but at the next line.
            var line = bytes.IndexOf((byte)'\n');
            consumed = line < 0 ? bytes.Length : line + 1;
        }
        return true;
    }

    // False ends the session.
    private bool Answer(ReadOnlyMemory<byte> bytes)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException)
        {
            SendError("GenericError", "Invalid JSON syntax", null);
            return true;
        }
        using (document)
        {
            var root = document.RootElement;
            JsonElement? id = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("id", out var given) ? given : null;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("execute", out var execute) || execute.ValueKind != JsonValueKind.String)
            {
                SendError("GenericError", "QMP input lacks member 'execute'", id);
                return true;
            }
            var name = execute.GetString()!;
            if (name == "qmp_capabilities")
            {
                _negotiated = true;
                SendReturn(QmpCommands.WriteEmpty, id);
                return true;
            }
            if (!_negotiated)
            {
                SendError("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'", id);
                return true;
            }
            try
            {
                var answer = commands.Execute(name, root.TryGetProperty("arguments", out var arguments) ? arguments : default);
                SendReturn(answer, id);
                if (name == "quit")
                    commands.Quit();
            }
            catch (QmpException refused)
            {
                SendError(refused.ErrorClass, refused.Message, id);
            }
            return true;
        }
    }

    private void SendReturn(Action<Utf8JsonWriter> value, JsonElement? id) => Send(writer =>
    {
        writer.WritePropertyName("return");
        value(writer);
        WriteId(writer, id);
    });

    private void SendError(string errorClass, string description, JsonElement? id) => Send(writer =>
    {
        writer.WriteStartObject("error");
        writer.WriteString("class", errorClass);
        writer.WriteString("desc", description);
        writer.WriteEndObject();
        WriteId(writer, id);
    });

    private static void WriteId(Utf8JsonWriter writer, JsonElement? id)
    {
        if (id is not { } value)
            return;
        writer.WritePropertyName("id");
        value.WriteTo(writer);
    }

    private void Send(Action<Utf8JsonWriter> body)
    {
        var bytes = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartObject();
            body(writer);
            writer.WriteEndObject();
        }
        bytes.Write("\r\n"u8);
        lock (_output)
            _ = Descriptors.WriteAll(fd, bytes.WrittenSpan);
    }
}
