using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Harness.Drivers;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>The process ended, or stopped to answer.</summary>
/// <param name="hangs">It is alive, but did not answer in time.</param>
public sealed class QemuDiedException(bool hangs) : Exception(hangs ? "QEMU does not answer" : "QEMU ended")
{
    public bool Hangs { get; } = hangs;
}

/// <summary>
/// One QEMU that is driven over qtest, with a QMP session beside it for resets. Commands of a program go in one piece, and as many replies are read: a round trip
/// each would be a quarter as fast.
/// </summary>
public sealed class QemuProcess : IDisposable
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5), LongestStart = TimeSpan.FromSeconds(60);

    private const int MostLateTries = 8;

    // No more than a socket holds: else this end would wait to send, and QEMU to reply.
    private const int PieceCharacters = 1 << 15;

    private readonly string _folder;
    private readonly Process _process;
    private readonly Socket _qtest, _qmp;
    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly StringBuilder _commands = new();
    // Of those commands: it ends an operation, whose reply it has. A configuration access is two.
    private readonly Queue<bool> _endings = new();
    private readonly MemoryStream _pending = new();

    /// <param name="trace">Events that are traced into <see cref="TracePath"/>, as <c>-trace events=</c> reads them; null for none.</param>
    /// <param name="variables">Of its environment, besides the inherited ones.</param>
    /// <exception cref="UserException">It does not start; its own message is told.</exception>
    public QemuProcess(QemuCommand command, string? trace = null, IReadOnlyDictionary<string, string>? variables = null)
    {
        _folder = Directory.CreateTempSubdirectory("gauntlet-qemu-").FullName;
        var started = false;
        try
        {
            var firmware = Path.Combine(_folder, "hlt.bin");
            File.WriteAllBytes(firmware, QtestMachine.Firmware);
            using var qtest = Listen("qtest");
            using var qmp = Listen("qmp");
            List<string> arguments = ["-c", "exec \"$0\" \"$@\" 2>\"$ERRORS\"", command.Program, .. command.Arguments(firmware)];
            arguments.AddRange(["-qtest", $"unix:{Path.Combine(_folder, "qtest")}", "-qtest-log", "none", "-qmp", $"unix:{Path.Combine(_folder, "qmp")}"]);
            if (trace is not null)
            {
                File.WriteAllText(Path.Combine(_folder, "events"), trace);
                arguments.AddRange(["-D", TracePath, "-trace", $"events={Path.Combine(_folder, "events")}"]);
            }
            var start = new ProcessStartInfo("/bin/sh", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
            start.Environment["ERRORS"] = Path.Combine(_folder, "errors");
            foreach (var (name, value) in SanitizerReport.Variables(symbolize: false).Concat(variables ?? new Dictionary<string, string>()))
                start.Environment[name] = value;
            _process = Process.Start(start) ?? throw new IOException("starting /bin/sh: it did not start");
            _process.StandardInput.Close();
            _process.StandardOutput.Close();
            started = true;
            _qmp = Accept(qmp);
            _qtest = Accept(qtest);
            ReadMessage("QMP", LongestStart).Dispose();
            Execute("qmp_capabilities");
        }
        catch (Exception exception)
        {
            // A sanitizer warns of what it does not follow, at each start.
            var said = SanitizerReport.Parse(Errors)?.Bucket
                ?? string.Join('\n', Errors.Split('\n').Where(line => !line.Contains("WARNING: ASan", StringComparison.Ordinal)));
            if (started && !_process!.HasExited)
                _process.Kill();
            Directory.Delete(_folder, recursive: true);
            if (exception is not (QemuDiedException or SocketException))
                throw;
            throw new UserException($"starting {command.Program}: {(string.IsNullOrWhiteSpace(said) ? exception.Message : said.Trim())}", ExitCode.Environment, inner: exception);
        }
    }

    /// <summary>What it traces goes there.</summary>
    public string TracePath => Path.Combine(_folder, "trace");

    /// <summary>What it wrote to its standard error.</summary>
    public string Errors => Path.Combine(_folder, "errors") is var path && File.Exists(path) ? ReadShared(path) : "";

    public int Id => _process.Id;

    /// <summary>After it died: as a shell tells it, 128 and the signal's number where a signal ended it.</summary>
    public int Status
    {
        get
        {
            _process.WaitForExit();
            return _process.ExitCode;
        }
    }

    /// <summary>How many operations of the last program it replied to, of those that are commands.</summary>
    public int Answered { get; private set; }

    /// <summary>A guest can stop or power off its machine: then it answers, but is of no use.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>What a program reads, in its order; nothing for operations that qtest has no command for.</summary>
    /// <exception cref="QemuDiedException">It did not outlive the program.</exception>
    public IReadOnlyList<ulong> Run(IReadOnlyList<Operation> program)
    {
        var replies = new List<ulong>(program.Count);
        Answered = 0;
        _commands.Clear();
        _endings.Clear();
        foreach (var operation in program)
        {
            if (!IsCommand(operation))
                continue;
            if (operation.Kind is OperationKind.PciRead or OperationKind.PciWrite)
            {
                foreach (var access in operation.Plain())
                {
                    _commands.Append(QtestScript.Line(access)).Append('\n');
                    _endings.Enqueue(access.Address != Operation.PciSelector);
                }
            }
            else
            {
                _commands.Append(QtestScript.Line(operation)).Append('\n');
                _endings.Enqueue(true);
            }
            if (_commands.Length >= PieceCharacters)
                Exchange(replies);
        }
        Exchange(replies);
        return replies;
    }

    private void Exchange(List<ulong> replies)
    {
        if (_endings.Count == 0)
            return;
        Send(_qtest, _commands.ToString());
        _commands.Clear();
        var deadline = Stopwatch.GetTimestamp() + (long)(Longest.TotalSeconds * Stopwatch.Frequency);
        var kept = 0;
        while (_endings.Count > 0)
        {
            var end = kept + Receive(_qtest, deadline, kept);
            ReadOnlySpan<byte> left = _buffer.AsSpan(0, end);
            for (int newline; (newline = left.IndexOf((byte)'\n')) >= 0; left = left[(newline + 1)..])
            {
                // Notices of interrupt lines come between the replies.
                if (left.StartsWith("IRQ"u8))
                    continue;
                if (!_endings.TryDequeue(out var isEnding) || !isEnding)
                    continue;
                Answered++;
                replies.Add(left.StartsWith("OK 0x"u8) && Utf8Parser.TryParse(left[5..newline], out ulong read, out _, 'x') ? read : 0);
            }
            // A reply may come in two pieces; a longer one than the buffer is data that a program reads, of which nothing is used.
            kept = left.Length < _buffer.Length ? left.Length : 0;
            left[..kept].CopyTo(_buffer);
        }
    }

    /// <summary>False for what qtest has no command for, or this QEMU none.</summary>
    public static bool IsCommand(in Operation operation) =>
        operation.Kind is OperationKind.Read or OperationKind.Write or OperationKind.Fill or OperationKind.WriteMemory or OperationKind.ReadMemory or OperationKind.Pattern
            or OperationKind.PciRead or OperationKind.PciWrite;

    /// <summary>RESET of the whole machine, as its button; memory keeps its contents.</summary>
    /// <exception cref="QemuDiedException">It did not outlive it.</exception>
    public void Reset()
    {
        Send(_qmp, "{\"execute\":\"system_reset\"}\n");
        while (true)
        {
            using var message = ReadMessage(null, Longest);
            if (message.RootElement.TryGetProperty("event", out var name))
            {
                if (name.GetString() == "RESET")
                    return;
                IsStopped |= name.GetString() is "STOP" or "SHUTDOWN";
            }
        }
    }

    /// <summary>Runs a command of QMP and returns its <c>return</c> member; default when it answers with an error.</summary>
    public JsonElement Execute(string command, string arguments = "{}")
    {
        Send(_qmp, $"{{\"execute\":\"{command}\",\"arguments\":{arguments}}}\n");
        while (true)
        {
            using var message = ReadMessage(null, Longest);
            if (message.RootElement.TryGetProperty("return", out var value))
                return value.Clone();
            if (message.RootElement.TryGetProperty("error", out _))
                return default;
        }
    }

    /// <summary>Runs a command of the human monitor.</summary>
    public string ExecuteHuman(string command)
    {
        var text = Execute("human-monitor-command", $"{{\"command-line\":\"{JsonEncodedText.Encode(command)}\"}}");
        return text.ValueKind == JsonValueKind.String ? text.GetString()! : "";
    }

    /// <summary>Waits until the process has ended by itself; false when it has not in this time.</summary>
    public bool WaitForEnd(TimeSpan longest) => _process.WaitForExit(longest);

    public void Dispose()
    {
        _qtest.Dispose();
        _qmp.Dispose();
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _pending.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private Socket Listen(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder, name)));
        socket.Listen(1);
        return socket;
    }

    // The process may end before it connects: then nobody comes.
    private Socket Accept(Socket listener)
    {
        var watch = Stopwatch.StartNew();
        while (!listener.Poll(TimeSpan.FromMilliseconds(50), SelectMode.SelectRead))
        {
            if (_process.HasExited || watch.Elapsed > LongestStart)
                throw new QemuDiedException(!_process.HasExited);
        }
        var socket = listener.Accept();
        socket.SendTimeout = (int)Longest.TotalMilliseconds;
        return socket;
    }

    private static void Send(Socket socket, string text)
    {
        try
        {
            for (ReadOnlySpan<byte> left = Encoding.UTF8.GetBytes(text); left.Length > 0;)
                left = left[socket.Send(left)..];
        }
        catch (SocketException exception)
        {
            throw new QemuDiedException(exception.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock);
        }
    }

    private int Receive(Socket socket, long deadline, int at = 0)
    {
        try
        {
            var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline);
            if ((left <= TimeSpan.Zero || !socket.Poll(left, SelectMode.SelectRead)) && !AnswersLate(socket))
                throw new QemuDiedException(true);
            var count = socket.Receive(_buffer.AsSpan(at));
            return count > 0 ? count : throw new QemuDiedException(false);
        }
        catch (SocketException)
        {
            throw new QemuDiedException(false);
        }
    }

    // On a busy host it may not have come to run: it hangs when it used the time itself.
    private bool AnswersLate(Socket socket)
    {
        var start = _process.TotalProcessorTime;
        for (var tries = 0; tries < MostLateTries; tries++)
        {
            if (socket.Poll(Longest / 2, SelectMode.SelectRead))
                return true;
            if (_process.HasExited)
                return false;
            _process.Refresh();
            if (_process.TotalProcessorTime - start > Longest / 2)
                return false;
        }
        return false;
    }

    private JsonDocument ReadMessage(string? member, TimeSpan longest)
    {
        var deadline = Stopwatch.GetTimestamp() + (long)(longest.TotalSeconds * Stopwatch.Frequency);
        while (true)
        {
            var bytes = _pending.GetBuffer().AsSpan(0, (int)_pending.Length);
            var end = bytes.IndexOf((byte)'\n');
            if (end >= 0)
            {
                var message = JsonDocument.Parse(bytes[..end].ToArray());
                var rest = bytes[(end + 1)..].ToArray();
                _pending.SetLength(0);
                _pending.Write(rest);
                if (member is null || message.RootElement.TryGetProperty(member, out _))
                    return message;
                message.Dispose();
                continue;
            }
            _pending.Write(_buffer.AsSpan(0, Receive(_qmp, deadline)));
        }
    }

    // The end of it: what a program dies of it says last.
    private static string ReadShared(string path)
    {
        const int Most = 64 << 10;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = Math.Max(stream.Length - Most, 0);
        var bytes = ArrayPool<byte>.Shared.Rent(Most);
        var text = Encoding.UTF8.GetString(bytes, 0, stream.ReadAtLeast(bytes.AsSpan(0, Most), Most, throwOnEndOfStream: false));
        ArrayPool<byte>.Shared.Return(bytes);
        return text;
    }
}
