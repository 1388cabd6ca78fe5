using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>A packed virtqueue: one ring of descriptors that driver and device write in turn.</summary>
/// <remarks>VIRTIO 1.2, 2.8. A descriptor is available when its AVAIL bit equals the driver's wrap counter and its USED bit does not (2.8.1).</remarks>
internal sealed class PackedRing(Virtqueue queue) : IVirtqueueRing
{
    private const int DescriptorBytes = 16, LengthOffset = 8, IdOffset = 12, FlagsOffset = 14;
    private const ushort FlagNext = 1, FlagWrite = 2, FlagIndirect = 4, FlagAvailable = 1 << 7, FlagUsed = 1 << 15;

    // Event suppression (2.8.14): descriptor offset and wrap counter, then flags.
    private const int EventFlagsOffset = 2;
    private const ushort EventEnable = 0, EventDisable = 1, EventDescriptor = 2, EventFlagsMask = 3, EventWrap = 1 << 15;

    private IGuestMemory Memory => queue.Memory;

    public RingResult TryPop(DescriptorChain chain)
    {
        ref var state = ref queue.State;
        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        if (!Memory.TryRead(AddressOf(state.Available) + FlagsOffset, descriptor[FlagsOffset..]))
            return RingResult.Broken;
        if (!IsAvailable(BinaryPrimitives.ReadUInt16LittleEndian(descriptor[FlagsOffset..]), state.AvailableWrap))
            return RingResult.Empty;
        // The flags publish what they stand in, and what the chain's later descriptors hold.
        Thread.MemoryBarrier();
        chain.Clear();
        var (slot, wrap) = (state.Available, state.AvailableWrap);
        for (var taken = 1; taken <= state.Size; taken++)
        {
            if (!Memory.TryRead(AddressOf(slot), descriptor))
                return RingResult.Broken;
            if (++slot == state.Size)
                (slot, wrap) = (0, !wrap);
            var flags = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[FlagsOffset..]);
            if (!TryTake(chain, descriptor, flags, isFirst: taken == 1))
                return RingResult.Broken;
            if ((flags & FlagNext) != 0)
                continue;
            // 2.8.6: the buffer ID is in the last descriptor.
            (chain.Id, chain.RingEntries) = (BinaryPrimitives.ReadUInt16LittleEndian(descriptor[IdOffset..]), taken);
            (state.Available, state.AvailableWrap) = (slot, wrap);
            return RingResult.Chain;
        }
        return RingResult.Broken;
    }

    public bool TryPush(ReadOnlySpan<UsedChain> chains)
    {
        ref var state = ref queue.State;
        Span<byte> body = stackalloc byte[FlagsOffset - LengthOffset];
        var first = state.Used;
        var firstFlags = FlagsOf(chains[0].Written);
        for (var i = 0; i < chains.Length; i++)
        {
            var (id, ringEntries, written) = chains[i];
            var address = AddressOf(state.Used);
            BinaryPrimitives.WriteUInt32LittleEndian(body, written);
            BinaryPrimitives.WriteUInt16LittleEndian(body[(IdOffset - LengthOffset)..], id);
            if (!Memory.TryWrite(address + LengthOffset, body) || (i > 0 && !TryWrite16(address + FlagsOffset, FlagsOf(written))))
                return false;
            var next = state.Used + ringEntries;
            (state.Used, state.UsedWrap) = next >= state.Size ? ((ushort)(next - state.Size), !state.UsedWrap) : ((ushort)next, state.UsedWrap);
            state.Unsignalled = (ushort)Math.Min(state.Unsignalled + ringEntries, state.Size + 1);
        }
        // A driver looks at them in order: the first one's flags, written last, publish all.
        Thread.MemoryBarrier();
        return TryWrite16(AddressOf(first) + FlagsOffset, firstFlags);
    }

    public bool TakeInterruptWish(bool eventIndex)
    {
        ref var state = ref queue.State;
        var pushed = state.Unsignalled;
        state.Unsignalled = 0;
        if (pushed == 0)
            return false;
        Thread.MemoryBarrier();
        Span<byte> suppression = stackalloc byte[4];
        if (!Memory.TryRead(state.Driver, suppression))
            return false;
        var flags = BinaryPrimitives.ReadUInt16LittleEndian(suppression[EventFlagsOffset..]) & EventFlagsMask;
        if (flags != EventDescriptor || !eventIndex)
            return flags != EventDisable;
        // How many entries back from the next one the wished one is; it is passed when it is among those just pushed.
        var wish = BinaryPrimitives.ReadUInt16LittleEndian(suppression);
        var back = state.Used - (wish & ~EventWrap);
        if (((wish & EventWrap) != 0) != state.UsedWrap)
            back += state.Size;
        return back > 0 && back <= pushed;
    }

    public bool TrySetNotification(bool wanted, bool eventIndex)
    {
        ref var state = ref queue.State;
        Span<byte> suppression = stackalloc byte[4];
        BinaryPrimitives.WriteUInt16LittleEndian(suppression, (ushort)(state.Available | (state.AvailableWrap ? EventWrap : 0)));
        BinaryPrimitives.WriteUInt16LittleEndian(suppression[EventFlagsOffset..], !wanted ? EventDisable : eventIndex ? EventDescriptor : EventEnable);
        var written = Memory.TryWrite(state.Device, suppression);
        Thread.MemoryBarrier();
        return written;
    }

    private static bool IsAvailable(ushort flags, bool wrap) => ((flags & FlagAvailable) != 0) == wrap && ((flags & FlagUsed) != 0) != wrap;

    private ushort FlagsOf(uint written) => (ushort)((queue.State.UsedWrap ? FlagAvailable | FlagUsed : 0) | (written > 0 ? FlagWrite : 0));

    private ulong AddressOf(ushort slot) => queue.State.Descriptors + (ulong)slot * DescriptorBytes;

    private bool TryTake(DescriptorChain chain, ReadOnlySpan<byte> descriptor, ushort flags, bool isFirst)
    {
        var address = BinaryPrimitives.ReadUInt64LittleEndian(descriptor);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(descriptor[LengthOffset..]);
        if ((flags & FlagIndirect) == 0)
            return chain.TryAdd(address, length, (flags & FlagWrite) != 0);
        // 2.8.19: an indirect table stands alone; its entries are used in order and only their WRITE flag counts (2.8.8).
        var count = length / DescriptorBytes;
        if (!isFirst || (flags & FlagNext) != 0 || length == 0 || length % DescriptorBytes != 0 || count > queue.State.Size)
            return false;
        Span<byte> entry = stackalloc byte[DescriptorBytes];
        for (ulong i = 0; i < count; i++)
        {
            if (!Memory.TryRead(address + i * DescriptorBytes, entry)
                || !chain.TryAdd(BinaryPrimitives.ReadUInt64LittleEndian(entry), BinaryPrimitives.ReadUInt32LittleEndian(entry[LengthOffset..]),
                    (BinaryPrimitives.ReadUInt16LittleEndian(entry[FlagsOffset..]) & FlagWrite) != 0))
                return false;
        }
        return true;
    }

    private bool TryWrite16(ulong address, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        return Memory.TryWrite(address, bytes);
    }
}
