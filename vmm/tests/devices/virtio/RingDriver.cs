using System.Buffers.Binary;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>One buffer that a driver offers.</summary>
internal readonly record struct Offer(ulong Address, uint Length, bool Writable);

/// <summary>A chain that the device gave back.</summary>
internal readonly record struct Returned(ushort Id, uint Written);

/// <summary>The driver's side of a virtqueue, written from VIRTIO 1.2, 2.7.13 and 2.8.21, over the same memory as the device's.</summary>
/// <param name="at">What its addresses are moved by: <see cref="Spacing"/> times the queue's number.</param>
internal abstract class RingDriver(ArrayMemory memory, ushort size, ulong at)
{
    public const ulong Descriptors = 0x1000, Driver = 0x3000, Device = 0x5000, Indirect = 0x7000;

    /// <summary>From one queue's areas to the next one's.</summary>
    public const ulong Spacing = 0x8000;

    protected ArrayMemory Memory => memory;

    protected ulong At => at;

    protected ushort Size => size;

    /// <summary>Makes a chain available and returns its ID; -1 when there is no room.</summary>
    public abstract int Add(IReadOnlyList<Offer> chain, bool indirect = false);

    /// <summary>Takes the next chain that the device gave back.</summary>
    public abstract Returned? Take();

    protected ushort Read16(ulong address) => BinaryPrimitives.ReadUInt16LittleEndian(memory.Bytes.AsSpan((int)address));

    protected uint Read32(ulong address) => BinaryPrimitives.ReadUInt32LittleEndian(memory.Bytes.AsSpan((int)address));

    protected void Write16(ulong address, int value) => BinaryPrimitives.WriteUInt16LittleEndian(memory.Bytes.AsSpan((int)address), (ushort)value);

    protected void WriteDescriptor(ulong at, Offer offer, int third, int fourth)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(memory.Bytes.AsSpan((int)at), offer.Address);
        BinaryPrimitives.WriteUInt32LittleEndian(memory.Bytes.AsSpan((int)at + 8), offer.Length);
        Write16(at + 12, third);
        Write16(at + 14, fourth);
    }
}

internal sealed class SplitDriver : RingDriver
{
    private const int Next = 1, Write = 2, IndirectFlag = 4;

    private readonly Stack<ushort> _free = new();
    private readonly Dictionary<ushort, ushort[]> _inFlight = [];
    private ushort _available, _used;

    public SplitDriver(ArrayMemory memory, ushort size, ulong at = 0)
        : base(memory, size, at)
    {
        for (var i = size - 1; i >= 0; i--)
            _free.Push((ushort)i);
    }

    public ushort AvailableIndex => _available;

    public override int Add(IReadOnlyList<Offer> chain, bool indirect = false)
    {
        var needed = indirect ? 1 : chain.Count;
        if (_free.Count < needed)
            return -1;
        var slots = Enumerable.Range(0, needed).Select(_ => _free.Pop()).ToArray();
        if (indirect)
        {
            // A table of its own for each head.
            var table = At + Indirect + slots[0] * 0x100UL;
            for (var i = 0; i < chain.Count; i++)
                WriteDescriptor(table + (ulong)i * 16, chain[i], (chain[i].Writable ? Write : 0) | (i + 1 < chain.Count ? Next : 0), i + 1);
            WriteDescriptor(At + Descriptors + slots[0] * 16UL, new Offer(table, (uint)chain.Count * 16, false), IndirectFlag, 0);
        }
        else
        {
            for (var i = 0; i < chain.Count; i++)
            {
                var isLast = i + 1 == chain.Count;
                WriteDescriptor(At + Descriptors + slots[i] * 16UL, chain[i], (chain[i].Writable ? Write : 0) | (isLast ? 0 : Next), isLast ? 0 : slots[i + 1]);
            }
        }
        _inFlight[slots[0]] = slots;
        Write16(At + Driver + 4 + (ulong)(_available % Size) * 2, slots[0]);
        Write16(At + Driver + 2, ++_available);
        return slots[0];
    }

    public override Returned? Take()
    {
        if (Read16(At + Device + 2) == _used)
            return null;
        var entry = At + Device + 4 + (ulong)(_used++ % Size) * 8;
        var returned = new Returned((ushort)Read32(entry), Read32(entry + 4));
        Assert.True(_inFlight.Remove(returned.Id, out var slots), $"chain {returned.Id} was not in flight");
        foreach (var slot in slots)
            _free.Push(slot);
        return returned;
    }

    /// <summary>used_event: wants to be told when the used index passes it.</summary>
    public void SetUsedEvent(ushort index) => Write16(At + Driver + 4 + Size * 2UL, index);

    public void SetNoInterrupt(bool value) => Write16(At + Driver, value ? 1 : 0);
}

internal sealed class PackedDriver(ArrayMemory memory, ushort size, ulong at = 0) : RingDriver(memory, size, at)
{
    private const int Next = 1, Write = 2, IndirectFlag = 4, AvailableFlag = 1 << 7, UsedFlag = 1 << 15;

    private readonly Dictionary<ushort, int> _inFlight = [];
    private int _next, _used;
    private ushort _nextId;
    private bool _nextWrap = true, _usedWrap = true;

    public override int Add(IReadOnlyList<Offer> chain, bool indirect = false)
    {
        var needed = indirect ? 1 : chain.Count;
        if (_inFlight.Values.Sum() + needed > Size)
            return -1;
        while (_inFlight.ContainsKey(_nextId))
            _nextId = (ushort)((_nextId + 1) % Size);
        var id = _nextId;
        _inFlight[id] = needed;
        IReadOnlyList<Offer> direct = chain;
        if (indirect)
        {
            var table = At + Indirect + id * 0x100UL;
            for (var i = 0; i < chain.Count; i++)
                WriteDescriptor(table + (ulong)i * 16, chain[i], 0, chain[i].Writable ? Write : 0);
            direct = [new Offer(table, (uint)chain.Count * 16, false)];
        }
        for (var i = 0; i < direct.Count; i++)
        {
            var flags = (direct[i].Writable ? Write : 0) | (i + 1 < direct.Count ? Next : 0) | (indirect ? IndirectFlag : 0) | (_nextWrap ? AvailableFlag : UsedFlag);
            WriteDescriptor(At + Descriptors + (ulong)_next * 16, direct[i], id, flags);
            if (++_next == Size)
                (_next, _nextWrap) = (0, !_nextWrap);
        }
        return id;
    }

    public override Returned? Take()
    {
        var at = At + Descriptors + (ulong)_used * 16;
        var flags = Read16(at + 14);
        if (((flags & AvailableFlag) != 0) != _usedWrap || ((flags & UsedFlag) != 0) != _usedWrap)
            return null;
        var returned = new Returned(Read16(at + 12), Read32(at + 8));
        Assert.True(_inFlight.Remove(returned.Id, out var entries), $"chain {returned.Id} was not in flight");
        _used += entries;
        if (_used >= Size)
            (_used, _usedWrap) = (_used - Size, !_usedWrap);
        return returned;
    }
}
