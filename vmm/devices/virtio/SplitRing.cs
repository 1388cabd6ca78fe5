using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>A split virtqueue: descriptor table, available ring, used ring.</summary>
/// <remarks>VIRTIO 1.2, 2.7. The available index may run ahead by at most the queue size; more is a broken driver (2.7.6).</remarks>
internal sealed class SplitRing(Virtqueue queue) : IVirtqueueRing
{
    private const int DescriptorBytes = 16;
    private const ushort FlagNext = 1, FlagWrite = 2, FlagIndirect = 4;
    private const ushort NoInterrupt = 1, NoNotify = 1;

    // Offsets in the available and used rings (2.7.6, 2.7.8).
    private const int FlagsOffset = 0, IndexOffset = 2, RingOffset = 4, AvailableEntryBytes = 2, UsedEntryBytes = 8;

    private IGuestMemory Memory => queue.Memory;

    public RingResult TryPop(DescriptorChain chain)
    {
        ref var state = ref queue.State;
        if (!TryRead16(state.Driver + IndexOffset, out var index))
            return RingResult.Broken;
        var waiting = (ushort)(index - state.Available);
        if (waiting == 0)
            return RingResult.Empty;
        if (waiting > state.Size)
            return RingResult.Broken;
        // The entry must not be read before the index that publishes it.
        Thread.MemoryBarrier();
        var slot = (ulong)(state.Available & (state.Size - 1));
        if (!TryRead16(state.Driver + RingOffset + slot * AvailableEntryBytes, out var head) || head >= state.Size)
            return RingResult.Broken;
        chain.Clear();
        chain.Id = head;
        if (!TryWalk(chain, head))
            return RingResult.Broken;
        state.Available++;
        return RingResult.Chain;
    }

    public bool TryPush(ReadOnlySpan<UsedChain> chains)
    {
        ref var state = ref queue.State;
        Span<byte> entry = stackalloc byte[UsedEntryBytes];
        var used = state.Used;
        foreach (var chain in chains)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(entry, chain.Id);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], chain.Written);
            var slot = (ulong)(used++ & (state.Size - 1));
            if (!Memory.TryWrite(state.Device + RingOffset + slot * UsedEntryBytes, entry))
                return false;
        }
        // The driver must see the entries before the index that publishes them.
        Thread.MemoryBarrier();
        state.Used = used;
        return TryWrite16(state.Device + IndexOffset, used);
    }

    public bool TakeInterruptWish(bool eventIndex)
    {
        ref var state = ref queue.State;
        var (from, to) = (state.SignalledUsed, state.Used);
        state.SignalledUsed = to;
        if (from == to)
            return false;
        // The index must be visible before the driver's wish is read, as the driver sets its wish before it reads the index.
        Thread.MemoryBarrier();
        if (!eventIndex)
            return TryRead16(state.Driver + FlagsOffset, out var flags) && (flags & NoInterrupt) == 0;
        // used_event follows the available ring (2.7.7.2): told when the index passes it.
        return TryRead16(state.Driver + RingOffset + (ulong)state.Size * AvailableEntryBytes, out var wish)
            && (ushort)(to - wish - 1) < (ushort)(to - from);
    }

    public bool TrySetNotification(bool wanted, bool eventIndex)
    {
        ref var state = ref queue.State;
        bool written;
        if (eventIndex)
            // avail_event follows the used ring (2.7.10); one that is not moved on asks for nothing.
            written = !wanted || TryWrite16(state.Device + RingOffset + (ulong)state.Size * UsedEntryBytes, state.Available);
        else
            written = TryWrite16(state.Device + FlagsOffset, wanted ? (ushort)0 : NoNotify);
        Thread.MemoryBarrier();
        return written;
    }

    // 2.7.5: at most as many descriptors as the queue has, in a table or behind one indirect descriptor, so that a loop ends.
    private bool TryWalk(DescriptorChain chain, ushort head)
    {
        var (table, size, at, left) = (queue.State.Descriptors, (uint)queue.State.Size, (uint)head, (uint)queue.State.Size);
        var isIndirect = false;
        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        while (left-- > 0)
        {
            if (!Memory.TryRead(table + at * DescriptorBytes, descriptor))
                return false;
            var address = BinaryPrimitives.ReadUInt64LittleEndian(descriptor);
            var length = BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]);
            var flags = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[12..]);
            var next = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[14..]);
            if ((flags & FlagIndirect) != 0)
            {
                // 2.7.5.3.1: one level, without NEXT, whole entries, no more of them than the queue has.
                if (isIndirect || (flags & FlagNext) != 0 || length == 0 || length % DescriptorBytes != 0 || length / DescriptorBytes > queue.State.Size)
                    return false;
                (table, size, at, left, isIndirect) = (address, length / DescriptorBytes, 0, length / DescriptorBytes, true);
                continue;
            }
            if (!chain.TryAdd(address, length, (flags & FlagWrite) != 0))
                return false;
            if ((flags & FlagNext) == 0)
                return true;
            if (next >= size)
                return false;
            at = next;
        }
        return false;
    }

    private bool TryRead16(ulong address, out ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        var read = Memory.TryRead(address, bytes);
        value = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        return read;
    }

    private bool TryWrite16(ulong address, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        return Memory.TryWrite(address, bytes);
    }
}
