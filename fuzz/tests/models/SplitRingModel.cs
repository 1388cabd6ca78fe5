using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>VIRTIO 1.2, 2.7: a table of descriptors, a ring of heads from the driver, a ring of heads and lengths from the device.</summary>
internal sealed class SplitRingModel : RingModel
{
    private readonly Stack<ushort> _free = new();
    private readonly (uint Id, uint Written)[] _ring;
    private ushort _availableIndex, _taken, _used, _looked, _seen, _availableEvent;
    private bool _isSilent, _wantsNoInterrupt;
    private ushort _usedEvent;

    /// <param name="start">What both indices begin at, as after as many chains.</param>
    public SplitRingModel(GuestMemory memory, ushort size, bool eventIndex, ushort start)
        : base(memory, size, eventIndex)
    {
        _ring = new (uint, uint)[size];
        for (var i = size - 1; i >= 0; i--)
            _free.Push((ushort)i);
        (_availableIndex, _taken, _used, _looked, _seen) = (start, start, start, start, start);
        Write16(Driver + 2, start);
        Write16(Device + 2, start);
    }

    // 2.7.7: used_event behind the available ring; avail_event behind the used ring (2.7.8).
    private ulong UsedEventAddress => Driver + 4 + 2 * (ulong)Size;

    private ulong AvailableEventAddress => Device + 4 + 8 * (ulong)Size;

    public override void SetWish(int kind, int ahead)
    {
        if (EventIndex)
            Write16(UsedEventAddress, _usedEvent = (ushort)(_used + ahead));
        else
            Write16(Driver, (_wantsNoInterrupt = kind % 2 == 1) ? 1 : 0);
    }

    // 2.7.7.2: with event index, one is sent when the entry at the index used_event is written.
    public override bool? TakeWish()
    {
        var isWished = _used != _looked && !EventIndex && !_wantsNoInterrupt;
        for (var index = _looked; EventIndex && index != _used; index++)
            isWished |= index == _usedEvent;
        _looked = _used;
        return isWished;
    }

    // 2.7.10.1: flags stay 0 with event index.
    public override void SetNotification(bool wanted)
    {
        if (!EventIndex)
            _isSilent = !wanted;
        else if (wanted)
            _availableEvent = _taken;
    }

    public override void CheckMemory()
    {
        Assert.Equal(_isSilent ? 1 : 0, Read16(Device));
        Assert.Equal(_used, Read16(Device + 2));
        for (var slot = 0; slot < Size; slot++)
            Assert.Equal(_ring[slot], (Read32(EntryAddress(slot)), Read32(EntryAddress(slot) + 4)));
        Assert.Equal(_availableEvent, Read16(AvailableEventAddress));
    }

    protected override Offered? TryAdd(IReadOnlyList<Offer> buffers, bool indirect)
    {
        var needed = indirect ? 1 : buffers.Count;
        if (_free.Count < needed)
            return null;
        var slots = Enumerable.Range(0, needed).Select(_ => _free.Pop()).ToArray();
        if (indirect)
        {
            var table = WriteTable(slots[0], buffers, i => (FlagsOf(buffers, i), i + 1));
            WriteDescriptor(Descriptors + slots[0] * (ulong)DescriptorBytes, table, Indirect, 0);
        }
        for (var i = 0; !indirect && i < needed; i++)
            WriteDescriptor(Descriptors + slots[i] * (ulong)DescriptorBytes, buffers[i], FlagsOf(buffers, i), i + 1 < needed ? slots[i + 1] : 0);
        Write16(Driver + 4 + 2 * (ulong)(_availableIndex % Size), slots[0]);
        Write16(Driver + 2, ++_availableIndex);
        return new Offered(buffers, slots[0], 1, slots);
    }

    protected override void MoveAvailable(int entries) => _taken = (ushort)(_taken + entries);

    protected override void NoteUsed(Offered chain, uint written) => _ring[_used++ % Size] = (chain.Id, written);

    protected override (ushort Id, uint Written)? NextUsed()
    {
        if (Read16(Device + 2) == _seen)
            return null;
        var entry = EntryAddress(_seen++ % Size);
        return ((ushort)Read32(entry), Read32(entry + 4));
    }

    protected override void Free(Offered chain)
    {
        foreach (var slot in chain.Slots)
            _free.Push(slot);
    }

    private static int FlagsOf(IReadOnlyList<Offer> buffers, int i) => (buffers[i].Writable ? Write : 0) | (i + 1 < buffers.Count ? Next : 0);

    private static ulong EntryAddress(int slot) => Device + 4 + (ulong)slot * 8;
}
