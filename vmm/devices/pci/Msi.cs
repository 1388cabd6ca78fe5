using System.Buffers.Binary;
using System.Numerics;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>A function's MSI capability: 64-bit address, up to 32 vectors, each with a mask and a pending bit where it has those.</summary>
/// <remarks>PCI Local Bus Specification 3.0, 6.8.1 (structure), 6.8.3 (operation): a message for a masked vector waits as a pending bit.</remarks>
public sealed class Msi
{
    public const byte CapabilityId = 5;
    public const int MaxVectors = 32;

    // From the capability's start: 64-bit form with masks (6.8.1, figure 6-9).
    private const int ControlOffset = 2, AddressOffset = 4, UpperAddressOffset = 8, DataOffset = 12, MaskOffset = 16, PendingOffset = 20, CapabilityBytes = 24;
    private const ushort Enable = 1, Address64 = 1 << 7, Maskable = 1 << 8;
    private const int CapableShift = 1, EnabledShift = 4;

    private readonly PciFunction _function;
    private readonly IMsiTarget _target;
    private readonly int _at;
    private readonly bool _isMaskable;
    private uint _pending;

    /// <summary>Adds the capability to the function.</summary>
    /// <param name="vectors">1, 2, 4, 8, 16 or 32.</param>
    /// <param name="isMaskable">With mask and pending bits.</param>
    public Msi(PciFunction function, IMsiTarget target, int vectors, bool isMaskable = true)
    {
        if (vectors is < 1 or > MaxVectors || !BitOperations.IsPow2(vectors))
            throw new ArgumentOutOfRangeException(nameof(vectors));
        (_function, _target, VectorCount, _isMaskable) = (function, target, vectors, isMaskable);
        Span<byte> body = stackalloc byte[CapabilityBytes - 2];
        body.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(Address64 | (isMaskable ? Maskable : 0) | BitOperations.Log2((uint)vectors) << CapableShift));
        Span<byte> writable = stackalloc byte[PendingOffset - 2];
        writable.Clear();
        writable[0] = Enable | 7 << EnabledShift;
        writable[(AddressOffset - 2)..(DataOffset + 2 - 2)].Fill(0xff);
        writable[AddressOffset - 2] = 0xfc;
        BinaryPrimitives.WriteUInt32LittleEndian(writable[(MaskOffset - 2)..], InUse);
        var bytes = (isMaskable ? CapabilityBytes : MaskOffset) - 2;
        _at = function.AddCapability(CapabilityId, body[..bytes], writable[..Math.Min(bytes, writable.Length)]);
    }

    public int VectorCount { get; }

    /// <summary>The guest uses it: the pin is silent then.</summary>
    public bool IsEnabled => (Control & Enable) != 0;

    /// <summary>Sends a vector's message, or keeps it pending while it is masked. Vectors that the guest did not enable share the last bits (6.8.1.3).</summary>
    public void Signal(int vector)
    {
        if ((uint)vector >= (uint)VectorCount || !IsEnabled)
            return;
        vector &= EnabledVectors - 1;
        if ((Masks >> vector & 1) != 0 || !_function.IsBusMaster)
            SetPending(_pending | 1u << vector);
        else
            Send(vector);
    }

    /// <summary>For the function's configuration hook: masks or mastership may have gone.</summary>
    public void OnConfigWritten()
    {
        if (!IsEnabled || !_function.IsBusMaster)
            return;
        var ready = _pending & ~Masks;
        SetPending(_pending & ~ready);
        for (; ready != 0; ready &= ready - 1)
            Send(BitOperations.TrailingZeroCount(ready));
    }

    public void Reset() => SetPending(0);

    public void Save(StateWriter writer) => writer.UInt32(_pending);

    public void Load(ref StateReader reader) => SetPending(reader.UInt32() & InUse);

    private uint InUse => uint.MaxValue >> (32 - VectorCount);

    private uint Masks => _isMaskable ? _function.Read(_at + MaskOffset, 4) : 0;

    private ushort Control => (ushort)_function.Read(_at + ControlOffset, 2);

    // More than are there is undefined: as many as there are.
    private int EnabledVectors => Math.Min(1 << (Control >> EnabledShift & 7), VectorCount);

    private void SetPending(uint pending)
    {
        _pending = pending;
        if (!_isMaskable)
            return;
        for (var i = 0; i < 4; i++)
            _function.Put(_at + PendingOffset + i, (byte)(pending >> (i * 8)));
    }

    private void Send(int vector)
    {
        var address = _function.Read(_at + AddressOffset, 4) | (ulong)_function.Read(_at + UpperAddressOffset, 4) << 32;
        var data = _function.Read(_at + DataOffset, 2);
        _target.SendMsi(address, (data & ~(uint)(EnabledVectors - 1)) | (uint)vector);
    }
}
