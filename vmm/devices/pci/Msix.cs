using System.Buffers.Binary;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// A function's MSI-X capability, vector table and pending bits. The table fills the first half of its region, the pending bit array starts the second.
/// </summary>
/// <remarks>PCI Local Bus Specification 3.0, 6.8.2 (structures) and 6.8.2.9 (masking): a message for a masked vector waits as a pending bit.</remarks>
public sealed class Msix : IDisposable
{
    public const byte CapabilityId = 0x11;

    /// <summary>Bytes of the region: table and pending bits.</summary>
    public const int RegionBytes = 0x1000;

    /// <summary>As many as fit the table's half of the region.</summary>
    public const int MaxVectors = PbaOffset / EntryBytes;

    private const int PbaOffset = RegionBytes / 2, EntryBytes = 16;
    private const ushort Enable = 1 << 15, FunctionMask = 1 << 14;
    private const uint VectorMasked = 1;

    // SDM Vol. 3A, 11.11.1.
    private const ulong ApicsAddress = 0xfee00000, ApicsMask = ~0xfffffUL;

    private readonly PciFunction _function;
    private readonly IMsiTarget _target;
    private readonly IEventDelivery? _events;
    private readonly IMessageRoute?[] _routes;
    private readonly uint[] _table;
    private readonly ulong[] _pending;
    private readonly int _capability;

    /// <summary>Adds the capability to the function.</summary>
    /// <param name="bar">Number of the base address register that maps the region.</param>
    /// <param name="vectors">1 to <see cref="MaxVectors"/>.</param>
    /// <param name="events">Takes messages to local APICs by events; null: all go to <paramref name="target"/>.</param>
    public Msix(PciFunction function, IMsiTarget target, int bar, int vectors, IEventDelivery? events = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vectors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, MaxVectors);
        (_function, _target, VectorCount, _events) = (function, target, vectors, events);
        _routes = new IMessageRoute?[vectors];
        _table = new uint[vectors * EntryBytes / sizeof(uint)];
        _pending = new ulong[(vectors + 63) / 64];
        Span<byte> body = stackalloc byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(vectors - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(body[2..], (uint)bar);
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], PbaOffset | (uint)bar);
        _capability = function.AddCapability(CapabilityId, body, [0, (Enable | FunctionMask) >> 8]);
        Reset();
    }

    public int VectorCount { get; }

    /// <summary>The region as a device declares it.</summary>
    public static RegisterMap Region { get; } = new("msix", AddressSpace.Mmio, RegionBytes,
    [
        new("MSG_ADDR", 0, 4, RegisterAccess.ReadWrite, 0, "entry 0; entry n is 16 n bytes further"),
        new("MSG_UPPER_ADDR", 4, 4, RegisterAccess.ReadWrite, 0),
        new("MSG_DATA", 8, 4, RegisterAccess.ReadWrite, 0),
        new("VECTOR_CONTROL", 12, 4, RegisterAccess.ReadWrite, VectorMasked, "0 masked"),
        new("PBA", PbaOffset, 8, RegisterAccess.Read, 0),
    ]);

    /// <summary>The guest uses it: pins are silent then.</summary>
    public bool IsEnabled => (Control & Enable) != 0;

    /// <summary>Sends a vector's message, or keeps it pending while it is masked. A vector that the table does not have sends nothing.</summary>
    public void Signal(int vector)
    {
        if ((uint)vector >= (uint)VectorCount || !IsEnabled)
            return;
        if (IsMasked(vector) || !_function.IsBusMaster)
            _pending[vector >> 6] |= 1UL << (vector & 63);
        else
            Send(vector);
    }

    /// <summary>For the function's configuration hook: masks or mastership may have gone.</summary>
    public void OnConfigWritten() => SendPending();

    /// <summary>1 to 8 bytes inside the region.</summary>
    public ulong Read(ulong offset, int size)
    {
        ulong value = 0;
        for (var i = 0; i < size; i++)
            value |= (ulong)ByteAt((uint)offset + (uint)i) << (i * 8);
        return value;
    }

    /// <summary>Aligned doublewords and quadwords reach the table (6.8.2: nothing else is allowed); the pending bits are read-only.</summary>
    public void Write(ulong offset, int size, ulong value)
    {
        if (size < 4 || offset % 4 != 0)
            return;
        for (var done = 0; done < size; done += 4)
        {
            var index = (int)(offset / 4) + done / 4;
            if (index < _table.Length)
                _table[index] = Kept(index, (uint)(value >> (done * 8)));
        }
        SendPending();
    }

    public void Reset()
    {
        _pending.AsSpan().Clear();
        for (var i = 0; i < _table.Length; i++)
            _table[i] = i % 4 == 3 ? VectorMasked : 0;
    }

    public void Save(StateWriter writer)
    {
        foreach (var word in _table)
            writer.UInt32(word);
        foreach (var word in _pending)
            writer.UInt64(word);
    }

    public void Load(ref StateReader reader)
    {
        for (var i = 0; i < _table.Length; i++)
            _table[i] = Kept(i, reader.UInt32());
        for (var i = 0; i < _pending.Length; i++)
        {
            var inUse = Math.Min(VectorCount - i * 64, 64);
            _pending[i] = reader.UInt64() & ulong.MaxValue >> (64 - inUse);
        }
    }

    /// <summary>Gives the ways of its messages back.</summary>
    public void Dispose()
    {
        foreach (ref var route in _routes.AsSpan())
        {
            route?.Dispose();
            route = null;
        }
    }

    private ushort Control => (ushort)_function.Read(_capability + 2, 2);

    // Address bits 0 and 1 and the reserved bits of vector control stay 0.
    private static uint Kept(int index, uint value) => (index % 4) switch
    {
        0 => value & ~3u,
        3 => value & VectorMasked,
        _ => value,
    };

    private bool IsMasked(int vector) => (Control & FunctionMask) != 0 || (_table[vector * 4 + 3] & VectorMasked) != 0;

    private void Send(int vector)
    {
        var (address, data) = (_table[vector * 4] | (ulong)_table[vector * 4 + 1] << 32, _table[vector * 4 + 2]);
        if (_events is not null && (address & ApicsMask) == ApicsAddress && (_routes[vector] ??= _events.TryAddRoute()) is { } route && route.TrySet(address, data))
            route.Signal();
        else
            _target.SendMsi(address, data);
    }

    private void SendPending()
    {
        if (!IsEnabled || !_function.IsBusMaster)
            return;
        for (var word = 0; word < _pending.Length; word++)
        {
            for (var bits = _pending[word]; bits != 0; bits &= bits - 1)
            {
                var vector = word * 64 + System.Numerics.BitOperations.TrailingZeroCount(bits);
                if (IsMasked(vector))
                    continue;
                _pending[word] &= ~(1UL << (vector & 63));
                Send(vector);
            }
        }
    }

    private byte ByteAt(uint offset)
    {
        if (offset < (uint)_table.Length * 4)
            return (byte)(_table[offset / 4] >> (int)(offset % 4 * 8));
        var bit = offset - PbaOffset;
        return offset >= PbaOffset && bit < (uint)_pending.Length * 8 ? (byte)(_pending[bit / 8] >> (int)(bit % 8 * 8)) : (byte)0;
    }
}
