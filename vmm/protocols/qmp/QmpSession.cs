using System.Buffers;
using System.Text.Json;
using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>
/// QMP on one chardev (QEMU, docs/interop/qmp-spec.rst): greeting, capabilities negotiation, then commands and their answers, with events between them.
/// </summary>
/// <remarks>
/// Commands are carried out in order on the chardev's reading thread. Once a client has enabled out-of-band execution they are on a thread of their own,
/// so that <c>exec-oob</c> overtakes one that takes long; what waits is bounded, and reading stops when it is full.
/// </remarks>
public sealed class QmpSession : IChardevUser, IJsonSink
{
    // As QEMU has, before it stops reading.
    private const int MaxWaiting = 8;

    private readonly Chardev _chardev;
    private readonly QmpCommands _commands;
    private readonly JsonFramer _framer;
    private readonly object _gate = new();
    private readonly Queue<Action> _waiting = new();
    private Thread? _worker;
    private volatile bool _negotiated;
    private bool _hasOob;

    public QmpSession(Chardev chardev, QmpCommands commands)
    {
        (_chardev, _commands) = (chardev, commands);
        _framer = new JsonFramer(this);
        chardev.Attach(this);
    }

    public void OnConnected()
    {
        _framer.Clear();
        (_negotiated, _hasOob) = (false, false);
        Send(writer =>
        {
            writer.WriteStartObject("QMP");
            writer.WritePropertyName("version");
            ProtocolCommands.WriteVersion(writer);
            writer.WriteStartArray("capabilities");
            writer.WriteStringValue("oob");
            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    public void OnReceived(ReadOnlySpan<byte> bytes) => _framer.Feed(bytes);

    public void OnDisconnected() => _negotiated = false;

    /// <summary>Tells the client that is there, if any, what happened.</summary>
    /// <param name="data">Writes the event's data; null: it has none.</param>
    public void SendEvent(string name, Action<Utf8JsonWriter>? data)
    {
        if (!_negotiated)
            return;
        var now = DateTimeOffset.UtcNow;
        Send(writer =>
        {
            writer.WriteStartObject("timestamp");
            writer.WriteNumber("seconds", now.ToUnixTimeSeconds());
            writer.WriteNumber("microseconds", now.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
            writer.WriteEndObject();
            writer.WriteString("event", name);
            if (data is not null)
            {
                writer.WritePropertyName("data");
                data(writer);
            }
        });
    }

    void IJsonSink.OnGarbage(string what) => InTurn(() => SendError(QmpException.Generic, $"JSON parse error, {what}", null));

    void IJsonSink.OnText(ReadOnlyMemory<byte> text)
    {
        JsonElement request;
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = JsonFramer.MaxDepth });
            request = document.RootElement.Clone();
        }
        catch (JsonException)
        {
            InTurn(() => SendError(QmpException.Generic, "JSON parse error, not a JSON value", null));
            return;
        }
        if (_hasOob && request.ValueKind == JsonValueKind.Object && request.TryGetProperty("exec-oob", out _))
            Answer(request);
        else
            InTurn(() => Answer(request));
    }

    private void Answer(JsonElement request)
    {
        JsonElement? id = null;
        try
        {
            if (request.ValueKind != JsonValueKind.Object)
                throw new QmpException("QMP input must be a JSON object");
            if (request.TryGetProperty("id", out var given))
                id = given;
            var (name, isOob, arguments) = Take(request);
            var answer = name == "qmp_capabilities" && !_negotiated
                ? Negotiate(arguments)
                : !_negotiated
                    ? throw new QmpException("Expecting capabilities negotiation with 'qmp_capabilities'", QmpException.CommandNotFound)
                    : _commands.Execute(name, arguments, isOob);
            Send(writer =>
            {
                writer.WritePropertyName("return");
                answer(writer);
                WriteId(writer, id);
            });
            _commands.AfterAnswer(name);
        }
        catch (QmpException refused)
        {
            SendError(refused.ErrorClass, refused.Message, id);
        }
        catch (InvalidOperationException invalid)
        {
            // A string that is no Unicode text.
            SendError(QmpException.Generic, invalid.Message, null);
        }
    }

    private (string Name, bool IsOob, JsonElement Arguments) Take(JsonElement request)
    {
        string? name = null;
        var isOob = false;
        JsonElement arguments = default;
        foreach (var member in request.EnumerateObject())
        {
            switch (member.Name)
            {
                case "execute" or "exec-oob":
                    if (name is not null)
                        throw new QmpException("QMP input has both 'execute' and 'exec-oob'");
                    if (member.Value.ValueKind != JsonValueKind.String)
                        throw new QmpException($"QMP input member '{member.Name}' must be a string");
                    name = member.Value.GetString();
                    isOob = member.Name == "exec-oob";
                    break;
                case "arguments":
                    if (member.Value.ValueKind != JsonValueKind.Object)
                        throw new QmpException("QMP input member 'arguments' must be an object");
                    arguments = member.Value;
                    break;
                case "id":
                    break;
                default:
                    throw new QmpException($"QMP input member '{member.Name}' is unexpected");
            }
        }
        if (name is null)
            throw new QmpException("QMP input lacks member 'execute'");
        if (isOob && !_hasOob)
            throw new QmpException("QMP input member 'exec-oob' is unexpected");
        return (name, isOob, arguments);
    }

    private Action<Utf8JsonWriter> Negotiate(JsonElement arguments)
    {
        var oob = false;
        if (arguments.ValueKind == JsonValueKind.Object)
        {
            foreach (var given in arguments.EnumerateObject())
            {
                if (given.Name != "enable" || given.Value.ValueKind != JsonValueKind.Array)
                    throw new QmpException($"Parameter '{given.Name}' is unexpected");
                foreach (var capability in given.Value.EnumerateArray())
                {
                    oob = capability.ValueKind == JsonValueKind.String && capability.GetString() == "oob"
                        ? true
                        : throw new QmpException("Parameter 'enable' does not accept value " + capability.GetRawText());
                }
            }
        }
        (_negotiated, _hasOob) = (true, oob);
        return QmpCommand.WriteEmpty;
    }

    // In the order of arrival: at once, or behind what the worker still has to do.
    private void InTurn(Action action)
    {
        if (!_hasOob && _worker is null)
        {
            action();
            return;
        }
        lock (_gate)
        {
            while (_waiting.Count >= MaxWaiting)
                Monitor.Wait(_gate);
            _waiting.Enqueue(action);
            Monitor.PulseAll(_gate);
            if (_worker is null)
            {
                _worker = new Thread(Work) { IsBackground = true, Name = "QMP commands" };
                _worker.Start();
            }
        }
    }

    private void Work()
    {
        while (true)
        {
            Action next;
            lock (_gate)
            {
                while (_waiting.Count == 0)
                    Monitor.Wait(_gate);
                next = _waiting.Dequeue();
                Monitor.PulseAll(_gate);
            }
            next();
        }
    }

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
        _chardev.Write(bytes.WrittenSpan);
    }
}
