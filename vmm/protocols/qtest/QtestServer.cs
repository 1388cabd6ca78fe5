using System.Diagnostics;
using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Protocols.Qtest;

/// <summary>
/// The qtest protocol (QEMU, docs/devel/qtest.rst): a client reads and writes the machine's ports, memory and time, one line a command, one a reply. A
/// line that is none of these is answered with <c>FAIL</c> and a reason.
/// </summary>
public sealed class QtestServer : IChardevUser
{
    /// <summary>A longer line is refused.</summary>
    public const int MaxLineBytes = 64 << 20;

    /// <summary>The largest block that one command reads or writes.</summary>
    public const int MaxBlockBytes = 16 << 20;

    private const string InputsOf = "ioapic";

    private readonly Chardev _chardev;
    private readonly QtestTarget _target;
    private readonly TextWriter? _log;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Lock _replyLock = new();
    private readonly StringBuilder _reply = new();
    private readonly bool[] _levels;
    private byte[] _line = new byte[4096];
    private int _length;
    private bool _tooLong, _inCommand;
    private string? _intercepted;

    /// <param name="log">Where each line goes, with the seconds since the start; null: nowhere.</param>
    public QtestServer(Chardev chardev, QtestTarget target, TextWriter? log)
    {
        (_chardev, _target, _log) = (chardev, target, log);
        _levels = new bool[Devices.Interrupt.PcInterruptLines.Count];
        chardev.Attach(this);
    }

    public void OnConnected() => (_length, _tooLong) = (0, false);

    public void OnDisconnected() { }

    public void OnReceived(ReadOnlySpan<byte> bytes)
    {
        while (bytes.IndexOf((byte)'\n') is >= 0 and var end)
        {
            Keep(bytes[..end]);
            bytes = bytes[(end + 1)..];
            Answer();
            (_length, _tooLong) = (0, false);
        }
        Keep(bytes);
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_tooLong || _length + bytes.Length > MaxLineBytes)
        {
            _tooLong = true;
            return;
        }
        if (_length + bytes.Length > _line.Length)
            Array.Resize(ref _line, Math.Max(_line.Length * 2, _length + bytes.Length));
        bytes.CopyTo(_line.AsSpan(_length));
        _length += bytes.Length;
    }

    private void Answer()
    {
        _target.Settle();
        var line = Encoding.Latin1.GetString(_line.AsSpan(0, _length).TrimEnd((byte)'\r'));
        Log("R", line);
        lock (_replyLock)
            _inCommand = true;
        string reply;
        try
        {
            reply = _tooLong ? throw new QtestException($"a line of more than {MaxLineBytes} bytes") : Execute(new QtestWords(line));
        }
        catch (QtestException refused)
        {
            reply = $"FAIL {refused.Message}";
        }
        _target.Settle();
        lock (_replyLock)
        {
            _inCommand = false;
            _reply.Append(reply).Append('\n');
            Send();
        }
    }

    private string Execute(QtestWords words)
    {
        var command = words.Command.ToString();
        var reply = command switch
        {
            "inb" or "inw" or "inl" => In(ref words, SizeOf(command[^1])),
            "outb" or "outw" or "outl" => Out(ref words, SizeOf(command[^1])),
            "readb" or "readw" or "readl" or "readq" => ReadWord(ref words, SizeOf(command[^1])),
            "writeb" or "writew" or "writel" or "writeq" => WriteWord(ref words, SizeOf(command[^1])),
            "read" => $"OK 0x{Convert.ToHexStringLower(ReadBlock(ref words))}",
            "b64read" => $"OK {Convert.ToBase64String(ReadBlock(ref words))}",
            "write" => WriteBlock(ref words, isBase64: false),
            "b64write" => WriteBlock(ref words, isBase64: true),
            "memset" => MemSet(ref words),
            "clock_step" => ClockStep(ref words),
            "clock_set" => ClockSet(ref words),
            "irq_intercept_in" or "irq_intercept_out" => Intercept(ref words, isInput: command == "irq_intercept_in"),
            "set_irq_in" => SetIrqIn(ref words),
            "endianness" => "OK little",
            "" => throw new QtestException("an empty line"),
            _ => throw new QtestException($"Unknown command '{command}'"),
        };
        return reply;
    }

    private static int SizeOf(char width) => width switch
    {
        'b' => 1,
        'w' => 2,
        'l' => 4,
        _ => 8,
    };

    // Arguments are complete, and nothing is done, when something is left over.
    private static void ExpectEnd(ref QtestWords words)
    {
        if (!words.AtEnd)
            throw new QtestException($"'{words.Text("argument")}' is one argument too many");
    }

    private string In(ref QtestWords words, int size)
    {
        var port = (ushort)words.Number("port", ushort.MaxValue);
        ExpectEnd(ref words);
        return string.Create(CultureInfo.InvariantCulture, $"OK 0x{_target.ReadPort(port, size):x4}");
    }

    private string Out(ref QtestWords words, int size)
    {
        var port = (ushort)words.Number("port", ushort.MaxValue);
        // Wider values are cut, as QEMU cuts them: clients send sign-extended ones.
        var value = (uint)words.Number("value");
        ExpectEnd(ref words);
        _target.WritePort(port, size, size == 4 ? value : value & ((1u << (size * 8)) - 1));
        return "OK";
    }

    private string ReadWord(ref QtestWords words, int size)
    {
        var address = words.Number("address");
        ExpectEnd(ref words);
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        _target.Read(address, bytes[..size]);
        return string.Create(CultureInfo.InvariantCulture, $"OK 0x{BitConverter.ToUInt64(bytes):x16}");
    }

    private string WriteWord(ref QtestWords words, int size)
    {
        var address = words.Number("address");
        var value = words.Number("value");
        ExpectEnd(ref words);
        Span<byte> bytes = stackalloc byte[8];
        BitConverter.TryWriteBytes(bytes, value);
        _target.Write(address, bytes[..size]);
        return "OK";
    }

    private byte[] ReadBlock(ref QtestWords words)
    {
        var address = words.Number("address");
        var length = words.Number("size", MaxBlockBytes);
        ExpectEnd(ref words);
        // A client could not tell the reply from one that was cut off.
        if (length == 0)
            throw new QtestException("size is 0");
        var bytes = new byte[length];
        _target.Read(address, bytes);
        return bytes;
    }

    private string WriteBlock(ref QtestWords words, bool isBase64)
    {
        var address = words.Number("address");
        var length = (int)words.Number("size", MaxBlockBytes);
        var bytes = isBase64 ? words.Base64Bytes("data", length) : words.HexBytes("data", length);
        ExpectEnd(ref words);
        _target.Write(address, bytes);
        return "OK";
    }

    private string MemSet(ref QtestWords words)
    {
        var address = words.Number("address");
        var length = (int)words.Number("size", MaxBlockBytes);
        var value = (byte)words.Number("value", byte.MaxValue);
        ExpectEnd(ref words);
        var bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        _target.Write(address, bytes);
        return "OK";
    }

    private string ClockStep(ref QtestWords words)
    {
        // Without an argument: to the next deadline.
        var now = _target.NowNs;
        var to = words.AtEnd ? _target.NextDeadlineNs ?? now : now + (long)words.Number("nanoseconds", (ulong)(long.MaxValue - now));
        ExpectEnd(ref words);
        return AdvanceTo(to);
    }

    private string ClockSet(ref QtestWords words)
    {
        var to = (long)words.Number("nanoseconds", long.MaxValue);
        ExpectEnd(ref words);
        return AdvanceTo(to);
    }

    private string AdvanceTo(long ns)
    {
        if (!_target.CanStepClock)
            throw new QtestException("time runs by itself here: the clock is stepped with -accel qtest");
        _target.AdvanceTo(ns);
        return string.Create(CultureInfo.InvariantCulture, $"OK {_target.NowNs}");
    }

    private string Intercept(ref QtestWords words, bool isInput)
    {
        var device = words.Text("device").ToString();
        ExpectEnd(ref words);
        ExpectInterruptInputs(device, isInput);
        if (_intercepted is null)
        {
            _intercepted = device;
            _target.Lines!.Observer = OnLine;
        }
        return "OK";
    }

    private string SetIrqIn(ref QtestWords words)
    {
        var device = words.Text("device").ToString();
        var list = words.Text("list of lines").ToString();
        var line = (int)words.Number("line", (ulong)_levels.Length - 1);
        var level = words.Number("level");
        ExpectEnd(ref words);
        ExpectInterruptInputs(device, isInput: true);
        if (list != "unnamed-gpio-in")
            throw new QtestException($"{device} has no lines '{list}'; there is unnamed-gpio-in");
        _target.SetLine(line, level != 0);
        return "OK";
    }

    // The IOAPIC's inputs are where all lines of a PC meet.
    private void ExpectInterruptInputs(string device, bool isInput)
    {
        var name = device[(device.LastIndexOf('/') + 1)..];
        if (_target.Lines is null || (name != InputsOf && !_target.HasDevice(name)))
            throw new QtestException("Unknown device");
        if (name != InputsOf || !isInput)
            throw new QtestException($"{device} has no {(isInput ? "input" : "output")} lines to take; use the inputs of '{InputsOf}'");
    }

    // With the device lock held, in the middle of a command or from a thread of the host's.
    private void OnLine(int gsi, bool level)
    {
        if (_levels[gsi] == level)
            return;
        _levels[gsi] = level;
        lock (_replyLock)
        {
            _reply.Append(CultureInfo.InvariantCulture, $"IRQ {(level ? "raise" : "lower")} {gsi}\n");
            if (!_inCommand)
                Send();
        }
    }

    private void Send()
    {
        var text = _reply.ToString();
        _reply.Clear();
        if (_log is not null)
        {
            foreach (var line in text.AsSpan().TrimEnd('\n').EnumerateLines())
                Log("S", line.ToString());
        }
        _chardev.Write(Encoding.Latin1.GetBytes(text));
    }

    private void Log(string direction, string line)
    {
        if (_log is null)
            return;
        _log.Write(string.Create(CultureInfo.InvariantCulture, $"[{direction} +{Stopwatch.GetElapsedTime(_start).TotalSeconds:f6}] {line}\n"));
        _log.Flush();
    }
}
