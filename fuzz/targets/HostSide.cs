using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Fuzz.Targets;

/// <summary>What the host does to a device while the guest uses it, as two ports that no machine has: a program moves both sides.</summary>
/// <param name="act">Given the port, 0 or 1, and what was written.</param>
internal sealed class HostSide(Action<uint, uint> act) : IPortDevice
{
    public string Name => "host";

    public IReadOnlyList<RegisterMap> Regions { get; } =
        [new("host", AddressSpace.Port, 8, [new Register("FIRST", 0, 4, RegisterAccess.Write), new Register("SECOND", 4, 4, RegisterAccess.Write)])];

    public uint ReadPort(int region, uint offset, int size) => 0;

    public void WritePort(int region, uint offset, int size, uint value) => act(offset / 4, value);
}

/// <summary>A cable whose other end sends back what comes, until too much waits.</summary>
internal sealed class LoopedLink : INetworkLink
{
    private const int MostFrames = 8;

    private readonly byte[][] _frames = [.. Enumerable.Range(0, MostFrames).Select(static _ => new byte[EthernetFrame.MaxBytes])];
    private readonly int[] _lengths = new int[MostFrames];
    private int _first, _count;

    public bool IsUp { get; set; } = true;

    public bool CanSend => _count < MostFrames;

    public void Send(ReadOnlySpan<byte> frame)
    {
        if (!CanSend)
            return;
        var slot = (_first + _count++) % MostFrames;
        frame.CopyTo(_frames[slot]);
        _lengths[slot] = frame.Length;
    }

    /// <summary>A broadcast frame of so many bytes, at least a header's.</summary>
    public void Arrive(int length)
    {
        if (!CanSend)
            return;
        var slot = (_first + _count++) % MostFrames;
        _lengths[slot] = Math.Max(length, EthernetFrame.HeaderBytes);
        _frames[slot].AsSpan(0, _lengths[slot]).Clear();
        MacAddress.Broadcast.Write(_frames[slot]);
    }

    public int Peek(Span<byte> destination)
    {
        if (_count == 0)
            return 0;
        _frames[_first].AsSpan(0, _lengths[_first]).CopyTo(destination);
        return _lengths[_first];
    }

    public void Take() => (_first, _count) = ((_first + 1) % MostFrames, _count - 1);

    public void Connect(Action onChange) { }

    public void Clear() => (_first, _count, IsUp) = (0, 0, true);
}

/// <summary>A stream whose other end sends back what comes, as far as there is room.</summary>
internal sealed class LoopedStream : IStreamLink
{
    private const int MostBytes = 4_096;

    private int _waiting;

    public bool IsOpen { get; set; }

    public bool HasInput => _waiting > 0;

    public int Send(ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(bytes.Length, MostBytes - _waiting);
        _waiting += taken;
        return taken;
    }

    public void Arrive(int count) => _waiting = Math.Min(_waiting + count, MostBytes);

    public int Receive(Span<byte> destination)
    {
        var given = Math.Min(destination.Length, _waiting);
        destination[..given].Fill((byte)_waiting);
        _waiting -= given;
        return given;
    }

    public void Connect(Action onChange) { }

    public void Clear() => (_waiting, IsOpen) = (0, false);
}

/// <summary>Takes back the pages that are the guest's: whole ones, in its RAM.</summary>
internal sealed class PageCheck(IGuestMemory memory) : IReclaimableMemory
{
    public bool TryReclaim(ulong address, ulong length)
    {
        if (((address | length) & (VirtioBalloon.PageBytes - 1)) != 0)
            throw new Oracles.OracleException("balloon", $"0x{length:x} bytes at 0x{address:x} given back: no whole pages");
        Span<byte> zeros = stackalloc byte[VirtioBalloon.PageBytes];
        zeros.Clear();
        for (var at = address; at < address + length; at += VirtioBalloon.PageBytes)
        {
            if (!memory.TryWrite(at, zeros))
                return false;
        }
        return true;
    }
}
