using System.Text;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Protocols.Gdb;

// Registers, memory and breakpoints: what gdb asks for while the machine stands still.
public sealed partial class GdbServer
{
    private string WithState(Func<X86State, string> read)
    {
        var reply = "";
        _machine.Inspect(() =>
        {
            _machine.Vcpus[_current].GetState(out var state);
            reply = read(state);
        });
        return reply;
    }

    private string ReadAll() => WithState(state =>
    {
        var text = new StringBuilder();
        Span<byte> bytes = stackalloc byte[16];
        for (var number = 0; number < _sizes.Length; number++)
        {
            _registers.Get(state, number, bytes[.._sizes[number]]);
            GdbHex.Append(text, bytes[.._sizes[number]]);
        }
        return text.ToString();
    });

    private string ReadOne(ReadOnlySpan<char> text)
    {
        if (!GdbHex.TryNumber(text, out var number) || number >= (ulong)_sizes.Length)
            return NotPossible;
        return WithState(state =>
        {
            var bytes = new byte[_sizes[number]];
            _registers.Get(state, (int)number, bytes);
            return Convert.ToHexStringLower(bytes);
        });
    }

    private string WriteAll(ReadOnlySpan<char> hex)
    {
        var total = 0;
        foreach (var size in _sizes)
            total += size;
        if (!GdbHex.TryBytes(hex, out var bytes) || bytes.Length != total)
            return BadPacket;
        return WithState(state =>
        {
            var at = 0;
            for (var number = 0; number < _sizes.Length; number++)
            {
                // What cannot be changed stays: gdb sends them all to change one.
                _registers.Set(ref state, number, bytes.AsSpan(at, _sizes[number]));
                at += _sizes[number];
            }
            _machine.Vcpus[_current].SetState(state);
            return Ok;
        });
    }

    private string WriteOne(ReadOnlySpan<char> text)
    {
        var equals = text.IndexOf('=');
        if (equals < 0 || !GdbHex.TryNumber(text[..equals], out var number) || number >= (ulong)_sizes.Length || !GdbHex.TryBytes(text[(equals + 1)..], out var bytes)
            || bytes.Length != _sizes[number])
            return BadPacket;
        return WithState(state =>
        {
            if (!_registers.Set(ref state, (int)number, bytes))
                return NotPossible;
            _machine.Vcpus[_current].SetState(state);
            return Ok;
        });
    }

    private string ReadMemory(ReadOnlySpan<char> text)
    {
        // Two digits a byte.
        if (!GdbHex.TryRange(text, GdbPacketReader.MaxPacketBytes / 2, out var address, out var length))
            return BadPacket;
        return WithState(state =>
        {
            var bytes = new byte[length];
            return _memory.TryRead(state, address, bytes) ? Convert.ToHexStringLower(bytes) : NoMemory;
        });
    }

    private string WriteMemory(ReadOnlySpan<char> text)
    {
        var colon = text.IndexOf(':');
        if (colon < 0 || !GdbHex.TryRange(text[..colon], GdbPacketReader.MaxPacketBytes, out var address, out var length)
            || !GdbHex.TryBytes(text[(colon + 1)..], out var bytes) || bytes.Length != length)
            return BadPacket;
        return WithState(state => _memory.TryWrite(state, address, bytes) ? Ok : NoMemory);
    }

    private string WriteBinary(ReadOnlySpan<byte> packet)
    {
        var colon = packet.IndexOf((byte)':');
        if (colon < 0 || !GdbHex.TryRange(Encoding.Latin1.GetString(packet[..colon]), GdbPacketReader.MaxPacketBytes, out var address, out var length)
            || packet.Length - colon - 1 != length)
            return BadPacket;
        var bytes = packet[(colon + 1)..].ToArray();
        return WithState(state => _memory.TryWrite(state, address, bytes) ? Ok : NoMemory);
    }

    // TYPE,ADDRESS,KIND; a watchpoint's kind is its length.
    private string SetPoint(ReadOnlySpan<char> text, bool isSet)
    {
        if (text.Length < 2 || text[1] != ',')
            return BadPacket;
        // Conditions and commands, which were not offered, come behind a semicolon.
        var place = text[2..];
        var semicolon = place.IndexOf(';');
        if (!GdbHex.TryRange(semicolon < 0 ? place : place[..semicolon], int.MaxValue, out var address, out var length))
            return BadPacket;
        BreakpointKind kind;
        switch (text[0])
        {
            case '0':
                kind = BreakpointKind.Software;
                break;
            case '1':
                kind = BreakpointKind.Hardware;
                break;
            case '2':
                kind = BreakpointKind.Write;
                break;
            case '3':
                kind = BreakpointKind.Read;
                break;
            case '4':
                kind = BreakpointKind.Access;
                break;
            default:
                return Unknown;
        }
        if (_machine.Vcpus[0] is not IDebuggableVcpu)
            return Unknown;
        var point = new Breakpoint(kind, address, kind is BreakpointKind.Software or BreakpointKind.Hardware ? 1 : Math.Max(length, 1));
        return WithState(state =>
        {
            if (isSet)
                return _breakpoints.TryAdd(state, point) ? Ok : kind == BreakpointKind.Software ? NoMemory : NotPossible;
            _breakpoints.Remove(state, point);
            return Ok;
        });
    }
}
