using System.Globalization;
using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Protocols.Hmp;

namespace Gauntlet.Vmm.Protocols.Gdb;

/// <summary>
/// Serves the GDB Remote Serial Protocol (Debugging with GDB, appendix E) on a chardev: a thread is a vCPU, numbered from 1; all stop when one does.
/// </summary>
/// <remarks>
/// A client that connects finds the machine stopped. One that leaves without detaching leaves it as it is, without its breakpoints.
/// Packets are handled on the chardev's thread; a stop is told from the machine's, so that what is sent is guarded by a lock.
/// </remarks>
public sealed partial class GdbServer : IChardevUser, IGdbPacketSink
{
    private const int SigInt = 2, SigTrap = 5;
    private const string Ok = "OK", BadPacket = "E01", NoMemory = "E14", NotPossible = "E22", Unknown = "";

    private readonly Chardev _chardev;
    private readonly Machine _machine;
    private readonly MonitorConsole? _monitor;
    private readonly GdbPacketReader _reader;
    private readonly GdbRegisters _registers;
    private readonly int[] _sizes;
    private readonly GdbMemory _memory;
    private readonly GdbBreakpoints _breakpoints;
    private readonly Lock _gate = new();
    private bool _acknowledges, _tellsBreaks, _isConnected, _goesOn, _interrupted, _ended;
    private string _lastReply = "";

    // Who 'g', 'm' and their like are about, and who 'c' and 's' let go on (-1: all).
    private int _current, _goer = -1;

    /// <param name="isLongModeCpu">x86-64's registers; else i386's.</param>
    /// <param name="monitor">Answers <c>monitor</c>; null: there is none.</param>
    public GdbServer(Chardev chardev, Machine machine, bool isLongModeCpu, MonitorConsole? monitor)
    {
        (_chardev, _machine, _monitor) = (chardev, machine, monitor);
        _reader = new GdbPacketReader(this);
        _registers = new GdbRegisters(isLongModeCpu);
        _sizes = _registers.Sizes;
        _memory = new GdbMemory(machine.Memory);
        _breakpoints = new GdbBreakpoints(machine, _memory);
        chardev.Attach(this);
    }

    public void OnConnected()
    {
        _reader.Clear();
        (_acknowledges, _tellsBreaks, _goesOn, _interrupted, _isConnected) = (true, false, false, false, true);
        (_current, _goer, _memory.IsPhysical) = (0, -1, false);
        _machine.AwaitWishes();
        _machine.PauseForDebugger();
    }

    public void OnReceived(ReadOnlySpan<byte> bytes) => _reader.Feed(bytes);

    public void OnDisconnected()
    {
        if (!_isConnected)
            return;
        lock (_gate)
            (_isConnected, _goesOn) = (false, false);
        _machine.Inspect(_breakpoints.Clear);
    }

    /// <summary>To be called with everything that happens to the machine.</summary>
    public void OnMachineEvent(MachineEvent what, MachineCause cause)
    {
        switch (what)
        {
            case MachineEvent.Reset:
                _memory.PlantAgain();
                break;
            case MachineEvent.Stop:
                lock (_gate)
                {
                    if (!_goesOn)
                        return;
                    _goesOn = false;
                    Send(StopReply());
                }
                break;
            case MachineEvent.Shutdown:
                lock (_gate)
                {
                    if (!_goesOn || _ended)
                        return;
                    (_goesOn, _ended) = (false, true);
                    // Exited. With -no-shutdown the machine stops, too: that is not told twice.
                    Send("W00");
                }
                break;
            default:
                break;
        }
    }

    void IGdbPacketSink.OnDamaged()
    {
        if (_acknowledges)
            _chardev.Write("-"u8);
    }

    void IGdbPacketSink.OnRefused()
    {
        if (!_acknowledges)
            return;
        lock (_gate)
            Transmit(_lastReply);
    }

    void IGdbPacketSink.OnInterrupt()
    {
        lock (_gate)
            _interrupted = _goesOn;
        _machine.PauseForDebugger();
    }

    void IGdbPacketSink.OnPacket(ReadOnlySpan<byte> packet)
    {
        if (_acknowledges)
            _chardev.Write("+"u8);
        var reply = packet.Length == 0 ? Unknown : packet[0] == 'X' ? WriteBinary(packet[1..]) : Answer(Encoding.Latin1.GetString(packet));
        if (reply is null)
            return;
        lock (_gate)
            Send(reply);
    }

    // Null: there is nothing to say yet.
    private string? Answer(string packet)
    {
        var rest = packet.AsSpan(1);
        switch (packet[0])
        {
            case '?':
                return StopReply();
            case 'g':
                return ReadAll();
            case 'G':
                return WriteAll(rest);
            case 'p':
                return ReadOne(rest);
            case 'P':
                return WriteOne(rest);
            case 'm':
                return ReadMemory(rest);
            case 'M':
                return WriteMemory(rest);
            case 'Z':
                return SetPoint(rest, isSet: true);
            case 'z':
                return SetPoint(rest, isSet: false);
            case 'H':
                return Choose(rest);
            case 'T':
                return TryThread(rest, out var thread) && thread > 0 ? Ok : BadPacket;
            case 'c' or 's':
                return GoOn(packet[0], rest);
            case 'C' or 'S':
                // A signal for a CPU: there is none.
                var semicolon = rest.IndexOf(';');
                return GoOn(char.ToLowerInvariant(packet[0]), semicolon < 0 ? [] : rest[(semicolon + 1)..]);
            case 'v':
                return AnswerVerbose(packet);
            case 'q' or 'Q':
                return AnswerQuery(packet);
            case 'D':
                return Detach();
            case 'k':
                _machine.RequestQuit();
                return null;
            default:
                return Unknown;
        }
    }

    private string? AnswerVerbose(string packet)
    {
        if (packet == "vCont?")
            return "vCont;c;C;s;S";
        if (packet.StartsWith("vCont;", StringComparison.Ordinal))
            return GoOnByThread(packet["vCont;".Length..]);
        if (packet.StartsWith("vKill", StringComparison.Ordinal))
        {
            _machine.RequestQuit();
            return Ok;
        }
        return Unknown;
    }

    private string? AnswerQuery(string packet)
    {
        const string features = "qXfer:features:read:target.xml:";
        if (packet.StartsWith("qSupported", StringComparison.Ordinal))
        {
            _tellsBreaks = packet.Contains("swbreak+", StringComparison.Ordinal);
            return string.Create(CultureInfo.InvariantCulture, $"PacketSize={GdbPacketReader.MaxPacketBytes:x};qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+");
        }
        if (packet.StartsWith(features, StringComparison.Ordinal))
            return Part(_registers.Description, packet.AsSpan(features.Length));
        if (packet.StartsWith("qThreadExtraInfo,", StringComparison.Ordinal))
            return TryThread(packet.AsSpan("qThreadExtraInfo,".Length), out var thread) && thread > 0 ? GdbHex.OfText(Describe(thread - 1)) : BadPacket;
        if (packet.StartsWith("qRcmd,", StringComparison.Ordinal))
            return Command(packet.AsSpan("qRcmd,".Length));
        if (packet.StartsWith("Qqemu.PhyMemMode:", StringComparison.Ordinal))
        {
            _memory.IsPhysical = packet.EndsWith(":1", StringComparison.Ordinal);
            return Ok;
        }
        switch (packet)
        {
            case "QStartNoAckMode":
                // This packet and its reply are the last that are acknowledged.
                lock (_gate)
                    Send(Ok);
                _acknowledges = false;
                return null;
            case "qC":
                return $"QC{Id(_current)}";
            case "qAttached":
                return "1";
            case "qfThreadInfo":
                return Threads();
            case "qsThreadInfo":
                return "l";
            case "qqemu.PhyMemMode":
                return _memory.IsPhysical ? "1" : "0";
            default:
                return Unknown;
        }
    }

    private static string Id(int index) => (index + 1).ToString("x", CultureInfo.InvariantCulture);

    private string Threads()
    {
        var text = new StringBuilder("m");
        for (var i = 0; i < _machine.Vcpus.Count; i++)
            text.Append(i == 0 ? "" : ",").Append(Id(i));
        return text.ToString();
    }

    private string Describe(int index)
    {
        X86State state = default;
        _machine.Inspect(() => _machine.Vcpus[index].GetState(out state));
        return string.Create(CultureInfo.InvariantCulture, $"CPU#{index} [{state.Activity switch { X86Activity.Running => "running", X86Activity.Halted => "halted", _ => "waits for SIPI" }}]");
    }

    // -1 is all, 0 any; else the vCPU's index and 1. False: no such thread.
    private bool TryThread(ReadOnlySpan<char> text, out int thread)
    {
        thread = -1;
        if (text is "-1")
            return true;
        if (!GdbHex.TryNumber(text, out var number) || number > (ulong)_machine.Vcpus.Count)
            return false;
        thread = (int)number;
        return true;
    }

    private string Choose(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !TryThread(text[1..], out var thread))
            return NotPossible;
        if (text[0] == 'c')
            _goer = thread - 1 < 0 ? -1 : thread - 1;
        else
            _current = Math.Max(thread - 1, 0);
        return Ok;
    }

    // OFFSET,LENGTH of a document.
    private static string Part(string document, ReadOnlySpan<char> range)
    {
        if (!GdbHex.TryRange(range, int.MaxValue, out var offset, out var length))
            return BadPacket;
        if (offset >= (ulong)document.Length)
            return "l";
        var count = (int)Math.Min((ulong)Math.Min(length, GdbPacketReader.MaxPacketBytes - 8), (ulong)document.Length - offset);
        return $"{((int)offset + count < document.Length ? 'm' : 'l')}{document.AsSpan((int)offset, count)}";
    }

    private string Command(ReadOnlySpan<char> hex)
    {
        if (!GdbHex.TryBytes(hex, out var line))
            return BadPacket;
        var answer = _monitor is null ? "there is no monitor\n" : _monitor.Execute(Encoding.UTF8.GetString(line)).ReplaceLineEndings("\n");
        // In pieces that fit.
        const int most = GdbPacketReader.MaxPacketBytes / 4;
        lock (_gate)
        {
            for (var at = 0; at < answer.Length; at += most)
                Send("O" + GdbHex.OfText(answer.Substring(at, Math.Min(most, answer.Length - at))));
        }
        return Ok;
    }

    // c [ADDRESS], s [ADDRESS].
    private string? GoOn(char action, ReadOnlySpan<char> text)
    {
        if (!text.IsEmpty)
        {
            if (!GdbHex.TryNumber(text, out var address))
                return BadPacket;
            WithState(state =>
            {
                state.Rip = address;
                _machine.Vcpus[_current].SetState(state);
                return Ok;
            });
        }
        if (action == 'c')
            return GoOn(_goer < 0 ? _machine.Vcpus : [_machine.Vcpus[_goer]], []);
        var stepping = _machine.Vcpus[_goer < 0 ? _current : _goer];
        return GoOn([stepping], [stepping]);
    }

    // ACTION[:THREAD];… where the first that fits a thread counts; a thread that none fits stands still.
    private string? GoOnByThread(string text)
    {
        var going = new List<IVcpu>();
        var stepping = new List<IVcpu>();
        var decided = new bool[_machine.Vcpus.Count];
        foreach (var range in text.AsSpan().Split(';'))
        {
            var word = text.AsSpan()[range];
            var colon = word.IndexOf(':');
            var action = colon < 0 ? word : word[..colon];
            var thread = -1;
            if (action.IsEmpty || action[0] is not ('c' or 'C' or 's' or 'S') || (colon >= 0 && !TryThread(word[(colon + 1)..], out thread)))
                return BadPacket;
            for (var i = 0; i < decided.Length; i++)
            {
                if (decided[i] || (thread > 0 && thread != i + 1))
                    continue;
                decided[i] = true;
                going.Add(_machine.Vcpus[i]);
                if (action[0] is 's' or 'S')
                    stepping.Add(_machine.Vcpus[i]);
            }
        }
        return GoOn(going, stepping);
    }

    private string? GoOn(IReadOnlyList<IVcpu> going, IReadOnlyList<IVcpu> stepping)
    {
        if (_machine.State == MachineState.Running)
            return NotPossible;
        if (_ended || _machine.State is MachineState.Shutdown or MachineState.InternalError)
            return "W00";
        var applied = false;
        _machine.Inspect(() => applied = _breakpoints.TryApply(stepping));
        if (!applied)
            return NotPossible;
        lock (_gate)
            (_goesOn, _interrupted) = (true, false);
        if (_machine.Resume(going.Count == _machine.Vcpus.Count ? null : going))
            return null;
        lock (_gate)
            _goesOn = false;
        return NotPossible;
    }

    private string Detach()
    {
        _machine.Inspect(_breakpoints.Clear);
        if (_machine.State == MachineState.Debug || _machine.State == MachineState.Prelaunch)
            _machine.Resume();
        return Ok;
    }

    // T05thread:2;watch:1000;
    private string StopReply()
    {
        var stopped = _machine.AtBreakpoint;
        if (stopped is not null)
            _current = stopped.Index;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"T{(_interrupted ? SigInt : SigTrap):x2}thread:{Id(_current)};");
        _interrupted = false;
        if ((stopped as IDebuggableVcpu)?.PointMet is not { } point)
            return text.ToString();
        switch (point.Kind)
        {
            case BreakpointKind.Software or BreakpointKind.Hardware:
                if (_tellsBreaks)
                    text.Append(_breakpoints.IsSoftware(point.Address) ? "swbreak:;" : "hwbreak:;");
                break;
            default:
                var name = point.Kind switch { BreakpointKind.Write => "watch", BreakpointKind.Read => "rwatch", _ => "awatch" };
                text.Append(CultureInfo.InvariantCulture, $"{name}:{point.Address:x};");
                break;
        }
        return text.ToString();
    }

    // With the gate held.
    private void Send(string reply)
    {
        if (!_isConnected)
            return;
        _lastReply = reply;
        Transmit(reply);
    }

    private void Transmit(string reply)
    {
        var text = Encoding.Latin1.GetBytes(reply);
        byte sum = 0;
        foreach (var value in text)
            sum += value;
        _chardev.Write([(byte)'$', .. text, .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"#{sum:x2}"))]);
    }
}
