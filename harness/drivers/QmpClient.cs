using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Gauntlet.Harness.Drivers;

/// <summary>The VMM answered a QMP command with an error, or not as QMP does.</summary>
public sealed class QmpException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>
/// A session of the QEMU Machine Protocol on a Unix socket (QEMU, docs/interop/qmp-spec): greeting, capabilities, then one command at a time. Events are
/// passed over. Answers are bounded, so that a VMM gone wild cannot exhaust this process.
/// </summary>
public sealed class QmpClient : IAsyncDisposable
{
    private const int MaxAnswerBytes = 32 << 20;

    /// <summary>Text of the session that is kept.</summary>
    private const int MaxLogCharacters = 1 << 20;

    private readonly NetworkStream _stream;
    private readonly StringBuilder _log = new();
    private byte[] _buffer = new byte[16 << 10];
    private int _length;

    private QmpClient(Socket socket) => _stream = new NetworkStream(socket, ownsSocket: true);

    /// <summary>What was said, a line each, the client's with <c>-></c> and the server's with <c>&lt;-</c> before it.</summary>
    public string Log => _log.ToString();

    /// <summary>Connects and negotiates. A VMM answers one client at a time.</summary>
    /// <exception cref="QmpException">It does not speak QMP.</exception>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<QmpClient> ConnectAsync(string socketPath, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellation);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        var client = new QmpClient(socket);
        try
        {
            using (var greeting = await client.ReadAsync(cancellation))
            {
                if (!greeting.RootElement.TryGetProperty("QMP", out _))
                    throw new QmpException("it sent no QMP greeting");
            }
            await client.ExecuteAsync("qmp_capabilities", null, cancellation);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a command and returns its <c>return</c> member.</summary>
    /// <param name="argumentsJson">A JSON object; null: none.</param>
    /// <exception cref="QmpException">An error was answered, the connection ended, or what came was not QMP.</exception>
    public async Task<JsonElement> ExecuteAsync(string command, string? argumentsJson, CancellationToken cancellation)
    {
        var request = argumentsJson is null ? $$"""{"execute":"{{command}}"}""" : $$"""{"execute":"{{command}}","arguments":{{argumentsJson}}}""";
        Note("-> ", request);
        await _stream.WriteAsync(Encoding.UTF8.GetBytes(request + "\n"), cancellation);
        while (true)
        {
            using var answer = await ReadAsync(cancellation);
            var root = answer.RootElement;
            if (root.TryGetProperty("return", out var value))
                return value.Clone();
            if (root.TryGetProperty("error", out var error))
                throw new QmpException($"it answered {command} with: {(error.ValueKind == JsonValueKind.Object && error.TryGetProperty("desc", out var text) ? text.ToString() : error.GetRawText())}");
        }
    }

    /// <summary>Runs a command of the human monitor, such as <c>info registers -a</c>.</summary>
    public async Task<string> ExecuteHumanAsync(string commandLine, CancellationToken cancellation)
    {
        var result = await ExecuteAsync("human-monitor-command", $$"""{"command-line":"{{JsonEncodedText.Encode(commandLine)}}"}""", cancellation);
        return result.ValueKind == JsonValueKind.String ? result.GetString()! : throw new QmpException("its human monitor answered with something other than text");
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async Task<JsonDocument> ReadAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var end = _buffer.AsSpan(0, _length).IndexOf((byte)'\n');
            if (end >= 0)
            {
                var line = _buffer.AsMemory(0, end).ToArray();
                _buffer.AsSpan(end + 1, _length - end - 1).CopyTo(_buffer);
                _length -= end + 1;
                Note("<- ", Encoding.UTF8.GetString(line).TrimEnd('\r'));
                try
                {
                    var document = JsonDocument.Parse(line);
                    if (document.RootElement.ValueKind == JsonValueKind.Object)
                        return document;
                    document.Dispose();
                    throw new QmpException("what it sent is JSON, but no QMP message");
                }
                catch (JsonException e)
                {
                    throw new QmpException("what it sent is not JSON", e);
                }
            }
            if (_length == _buffer.Length)
            {
                if (_length >= MaxAnswerBytes)
                    throw new QmpException($"it sent an answer of more than {MaxAnswerBytes} bytes");
                Array.Resize(ref _buffer, _length * 2);
            }
            var read = await _stream.ReadAsync(_buffer.AsMemory(_length), cancellation);
            if (read == 0)
                throw new QmpException("it closed the connection");
            _length += read;
        }
    }

    private void Note(string mark, string text)
    {
        if (_log.Length + text.Length < MaxLogCharacters)
            _log.Append(mark).Append(text).Append('\n');
    }
}
