using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>A command's data on its way between a drive and memory, region by region as the command's table says.</summary>
/// <remarks>AHCI 1.3.1, 4.2.3.3 (PRDT): 16 bytes a region: address, reserved, count less one in 22 bits.</remarks>
/// <param name="isBusMaster">The function may reach memory.</param>
internal sealed class AhciTransfer(IGuestMemory memory, Func<bool> isBusMaster) : IAtaDma
{
    private const int EntryBytes = 16;
    private const uint CountMask = 0x3fffff;

    private ulong _next, _region;
    private uint _left;
    private int _entries;

    /// <summary>How much was moved so far.</summary>
    public uint MovedBytes { get; private set; }

    /// <summary>Memory that is none was to be read or written.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>For the next command.</summary>
    /// <param name="table">Where its regions are described.</param>
    /// <param name="entries">How many, 0 to 65535.</param>
    public void Start(ulong table, int entries) => (_next, _entries, _left, MovedBytes, HasFailed) = (table, entries, 0, 0, false);

    public bool TryMove(Span<byte> data, bool toMemory)
    {
        while (!data.IsEmpty)
        {
            if (_left == 0 && !TryNextRegion())
                return false;
            var piece = data[..(int)Math.Min((uint)data.Length, _left)];
            if (!(toMemory ? memory.TryWrite(_region, piece) : memory.TryRead(_region, piece)))
            {
                HasFailed = true;
                return false;
            }
            data = data[piece.Length..];
            _region += (uint)piece.Length;
            _left -= (uint)piece.Length;
            MovedBytes += (uint)piece.Length;
        }
        return true;
    }

    private bool TryNextRegion()
    {
        if (_entries == 0)
            return false;
        Span<byte> entry = stackalloc byte[EntryBytes];
        if (!isBusMaster() || !memory.TryRead(_next, entry))
        {
            HasFailed = true;
            return false;
        }
        _entries--;
        _next += EntryBytes;
        _region = BinaryPrimitives.ReadUInt64LittleEndian(entry) & ~1UL;
        _left = (BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]) & CountMask) + 1;
        return true;
    }
}
