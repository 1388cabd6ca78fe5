using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>VIRTIO 1.2, 2.8: one ring of descriptors, each the driver's or the device's by two flags and what lap each of them is in.</summary>
internal sealed class PackedRingModel : RingModel
{
    private const ushort AvailableFlag = 1 << 7, UsedFlag = 1 << 15;

    // 2.8.14: offset and lap, then flags.
    private const ushort Enable = 0, Disable = 1, AtDescriptor = 2, Lap = 1 << 15;

    private readonly (Offer Buffer, ushort Id, ushort Flags)[] _ring;
    private readonly Stack<ushort> _freeIds = new();
    // Places since the driver's wish was last looked at.
    private readonly List<int> _passed = [];
    // Counted on without end: the slot is the remainder, the lap whether the quotient is even. 2.8.1: both wrap counters begin with 1.
    private int _added, _taken, _used, _seen, _freeEntries;
    private int _wishKind;
    private ushort _wish;
    private (ushort Flags, int Place) _notification;

    public PackedRingModel(GuestMemory memory, ushort size, bool eventIndex)
        : base(memory, size, eventIndex)
    {
        (_ring, _freeEntries) = (new (Offer, ushort, ushort)[size], size);
        for (var i = size - 1; i >= 0; i--)
            _freeIds.Push((ushort)i);
    }

    public override void SetWish(int kind, int ahead)
    {
        _wishKind = kind % (EventIndex ? 3 : 2);
        _wish = OffsetOf(Math.Max(0, _used + ahead));
        Write16(Driver, _wish);
        Write16(Driver + 2, _wishKind);
    }

    public override bool? TakeWish()
    {
        var passed = _passed.ToArray();
        _passed.Clear();
        if (passed.Length == 0)
            return false;
        if (_wishKind != AtDescriptor)
            return _wishKind == Enable;
        // Of more than a lap the driver has seen the first itself: it has added in their places since.
        return passed.Length > Size ? null : Array.Exists(passed, place => OffsetOf(place) == _wish);
    }

    // 2.8.10: with event index at the next descriptor to come; without, at any.
    public override void SetNotification(bool wanted) => _notification = (!wanted ? Disable : EventIndex ? AtDescriptor : Enable, _taken);

    public override void CheckMemory()
    {
        for (var slot = 0; slot < Size; slot++)
        {
            var at = AddressOf(slot);
            var (buffer, id, flags) = _ring[slot];
            Assert.Equal((buffer.Address, buffer.Length, id, flags), (Read32(at) | (ulong)Read32(at + 4) << 32, Read32(at + 8), Read16(at + 12), Read16(at + 14)));
        }
        Assert.Equal(_notification.Flags, Read16(Device + 2));
        // Else it says nothing.
        if (_notification.Flags == AtDescriptor)
            Assert.Equal(OffsetOf(_notification.Place), Read16(Device));
    }

    protected override Offered? TryAdd(IReadOnlyList<Offer> buffers, bool indirect)
    {
        var needed = indirect ? 1 : buffers.Count;
        if (_freeEntries < needed)
            return null;
        _freeEntries -= needed;
        var id = _freeIds.Pop();
        // 2.8.8: of a table's entries only WRITE counts; 2.8.6: of a list's buffer IDs only the last.
        IReadOnlyList<Offer> direct = indirect ? [WriteTable(id, buffers, i => (0xbad, buffers[i].Writable ? Write : 0))] : buffers;
        for (var i = 0; i < needed; i++)
        {
            var isLast = i + 1 == needed;
            var flags = (direct[i].Writable ? Write : 0) | (isLast ? 0 : Next) | (indirect ? Indirect : 0) | (IsFirstLap(_added) ? AvailableFlag : UsedFlag);
            var slot = _added++ % Size;
            _ring[slot] = (direct[i], isLast ? id : (ushort)0xbad, (ushort)flags);
            WriteDescriptor(AddressOf(slot), direct[i], _ring[slot].Id, flags);
        }
        return new Offered(buffers, id, needed, []);
    }

    protected override void MoveAvailable(int entries) => _taken += entries;

    // 2.8.5 and 2.8.7: one descriptor for a chain, at the device's place, which then moves on by all of the chain's.
    protected override void NoteUsed(Offered chain, uint written)
    {
        ref var entry = ref _ring[_used % Size];
        entry = (entry.Buffer with { Length = written }, chain.Id, (ushort)((IsFirstLap(_used) ? AvailableFlag | UsedFlag : 0) | (written > 0 ? Write : 0)));
        for (var i = 0; i < chain.Entries; i++)
            _passed.Add(_used++);
    }

    protected override (ushort Id, uint Written)? NextUsed()
    {
        var at = AddressOf(_seen % Size);
        var flags = Read16(at + 14);
        var isFirst = IsFirstLap(_seen);
        return (flags & AvailableFlag) != 0 == isFirst && (flags & UsedFlag) != 0 == isFirst ? (Read16(at + 12), Read32(at + 8)) : null;
    }

    protected override void Free(Offered chain)
    {
        _seen += chain.Entries;
        _freeEntries += chain.Entries;
        _freeIds.Push(chain.Id);
    }

    // Every other one.
    private bool IsFirstLap(int place) => place / Size % 2 == 0;

    private ushort OffsetOf(int place) => (ushort)(place % Size | (IsFirstLap(place) ? Lap : 0));

    private static ulong AddressOf(int slot) => Descriptors + (ulong)(slot * DescriptorBytes);
}
