using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>A buffer that a driver offers.</summary>
internal readonly record struct Offer(ulong Address, uint Length, bool Writable);

/// <summary>A chain that a driver made available.</summary>
/// <param name="Id">What the device names it by when it gives it back.</param>
/// <param name="Entries">Of a packed ring; 1 in a split one.</param>
/// <param name="Slots">Of the descriptor table of a split ring, the head first.</param>
internal sealed record Offered(IReadOnlyList<Offer> Buffers, ushort Id, int Entries, IReadOnlyList<ushort> Slots);

/// <summary>
/// Both sides of a virtqueue as VIRTIO 1.2 tells them, with nothing in common with gvmm's: the driver's is done in guest memory, the device's is what must be found there.
/// </summary>
internal abstract class RingModel(GuestMemory memory, ushort size, bool eventIndex)
{
    public const ulong Descriptors = 0x1000, Driver = 0x2000, Device = 0x3000;

    protected const int DescriptorBytes = 16;
    protected const ushort Next = 1, Write = 2, Indirect = 4;

    private const ulong Tables = 0x4000, TableBytes = 0x100;

    private readonly List<Offered> _available = [], _underWay = [];
    private readonly Queue<(Offered Chain, uint Written)> _unseen = new();

    /// <summary>What the device took and has not given back, in the order in which it was taken.</summary>
    public IReadOnlyList<Offered> UnderWay => _underWay;

    public int EntriesUnderWay => _underWay.Sum(chain => chain.Entries);

    protected int Size => size;

    protected bool EventIndex => eventIndex;

    /// <summary>The driver makes a chain available; nothing happens when the ring has no room for it.</summary>
    public void Add(IReadOnlyList<Offer> buffers, bool indirect)
    {
        if (TryAdd(buffers, indirect) is { } chain)
            _available.Add(chain);
    }

    /// <summary>What the device takes next; null: nothing is there.</summary>
    public Offered? Take()
    {
        if (_available.Count == 0)
            return null;
        var chain = _available[0];
        _available.RemoveAt(0);
        _underWay.Add(chain);
        MoveAvailable(chain.Entries);
        return chain;
    }

    /// <summary>The device takes back that it has taken the last one.</summary>
    public void PutBack()
    {
        var chain = _underWay[^1];
        _underWay.RemoveAt(_underWay.Count - 1);
        _available.Insert(0, chain);
        MoveAvailable(-chain.Entries);
    }

    /// <summary>The device gives a chain back.</summary>
    public void GiveBack(Offered chain, uint written)
    {
        Assert.True(_underWay.Remove(chain));
        _unseen.Enqueue((chain, written));
        NoteUsed(chain, written);
    }

    /// <summary>The driver takes all that it finds given back: what was, in that order.</summary>
    public void Collect()
    {
        while (NextUsed() is { } found)
        {
            Assert.True(_unseen.TryDequeue(out var expected), $"the driver finds chain {found.Id} given back, which was not");
            Assert.Equal((expected.Chain.Id, expected.Written), found);
            Free(expected.Chain);
        }
        Assert.Empty(_unseen);
    }

    /// <summary>The driver says when it wants an interrupt: always, never, or at a place in the used ring.</summary>
    /// <param name="kind">Any number: one of those that there are.</param>
    /// <param name="ahead">Of the device's place in the ring, from -2 on.</param>
    public abstract void SetWish(int kind, int ahead);

    /// <summary>Whether the driver is to be told of what was given back since the last call; null: either is right.</summary>
    public abstract bool? TakeWish();

    /// <summary>The device wants to be notified of what is added, or not.</summary>
    public abstract void SetNotification(bool wanted);

    /// <summary>Everything that the device is to have written is in memory, and nothing else.</summary>
    public abstract void CheckMemory();

    protected abstract Offered? TryAdd(IReadOnlyList<Offer> buffers, bool indirect);

    protected abstract void MoveAvailable(int entries);

    protected abstract void NoteUsed(Offered chain, uint written);

    protected abstract (ushort Id, uint Written)? NextUsed();

    protected abstract void Free(Offered chain);

    /// <summary>Puts a table of descriptors elsewhere and gives the one descriptor that points to it.</summary>
    protected Offer WriteTable(int number, IReadOnlyList<Offer> buffers, Func<int, (int Third, int Fourth)> fields)
    {
        var table = Tables + (ulong)number * TableBytes;
        for (var i = 0; i < buffers.Count; i++)
            WriteDescriptor(table + (ulong)(i * DescriptorBytes), buffers[i], fields(i).Third, fields(i).Fourth);
        return new Offer(table, (uint)(buffers.Count * DescriptorBytes), false);
    }

    protected void WriteDescriptor(ulong at, Offer buffer, int third, int fourth)
    {
        Span<byte> bytes = stackalloc byte[DescriptorBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, buffer.Address);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], buffer.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[12..], (ushort)third);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[14..], (ushort)fourth);
        Assert.True(memory.TryWrite(at, bytes));
    }

    protected ushort Read16(ulong at)
    {
        Span<byte> bytes = stackalloc byte[2];
        Assert.True(memory.TryRead(at, bytes));
        return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }

    protected uint Read32(ulong at) => Read16(at) | (uint)Read16(at + 2) << 16;

    protected void Write16(ulong at, int value) => Assert.True(memory.TryWrite(at, [(byte)value, (byte)(value >> 8)]));
}
