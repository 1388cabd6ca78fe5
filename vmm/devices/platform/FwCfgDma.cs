using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Platform;

/// <summary>What the firmware configuration's DMA needs of its items.</summary>
internal interface IFwCfgItems
{
    void Select(ushort key);

    /// <summary>What is left of the selected item; empty past its end.</summary>
    ReadOnlySpan<byte> Rest { get; }

    /// <summary>Goes on by so many bytes, at most to the item's end.</summary>
    void Skip(uint bytes);
}

/// <summary>The firmware configuration's DMA: a register with the address of a command in guest memory, which is carried out at once.</summary>
/// <remarks>
/// QEMU, docs/specs/fw_cfg.rst, "DMA Interface": a structure {control u32, length u32, address u64}, big endian. No item can be written here, so a
/// write fails. Control is written back as 0, or as the error bit.
/// </remarks>
internal sealed class FwCfgDma(IGuestMemory memory, IFwCfgItems items)
{
    /// <summary>What the register reads as: "QEMU CFG".</summary>
    public const ulong Signature = 0x51454d5520434647;

    private const uint Error = 1, Read = 2, Skip = 4, Select = 8, Write = 16;
    private const int KeyShift = 16, CommandBytes = 16, ControlBytes = 4;

    private static readonly byte[] s_zeros = new byte[4096];

    private uint _addressHigh;

    /// <summary>Writes a half of the register, as the guest's bytes are in memory; the lower half starts.</summary>
    public void WriteHalf(bool isLow, uint value)
    {
        var half = BinaryPrimitives.ReverseEndianness(value);
        if (!isLow)
        {
            _addressHigh = half;
            return;
        }
        var address = (ulong)_addressHigh << 32 | half;
        _addressHigh = 0;
        Run(address);
    }

    public void Reset() => _addressHigh = 0;

    public void Save(StateWriter writer) => writer.UInt32(_addressHigh);

    public void Load(ref StateReader reader) => _addressHigh = reader.UInt32();

    private void Run(ulong address)
    {
        Span<byte> command = stackalloc byte[CommandBytes];
        var isReadable = memory.TryRead(address, command);
        var isDone = isReadable && CarryOut(
            BinaryPrimitives.ReadUInt32BigEndian(command), BinaryPrimitives.ReadUInt32BigEndian(command[4..]), BinaryPrimitives.ReadUInt64BigEndian(command[8..]));
        BinaryPrimitives.WriteUInt32BigEndian(command, isDone ? 0 : Error);
        // Where there is no memory nobody waits for an answer.
        _ = memory.TryWrite(address, command[..ControlBytes]);
    }

    // One of read, write and skip, in this order, as QEMU has it when there are several.
    private bool CarryOut(uint control, uint length, ulong address)
    {
        if ((control & Select) != 0)
            items.Select((ushort)(control >> KeyShift));
        if ((control & Read) != 0)
            return CopyOut(address, length);
        if ((control & Write) != 0)
            return length == 0;
        if ((control & Skip) != 0)
            items.Skip(length);
        return true;
    }

    // Past the item's end there are zeros. Ends at the first byte that is not RAM.
    private bool CopyOut(ulong address, uint length)
    {
        while (length > 0)
        {
            var rest = items.Rest;
            var piece = rest.IsEmpty ? s_zeros : rest;
            if ((uint)piece.Length > length)
                piece = piece[..(int)length];
            if (!memory.TryWrite(address, piece))
                return false;
            if (!rest.IsEmpty)
                items.Skip((uint)piece.Length);
            address += (uint)piece.Length;
            length -= (uint)piece.Length;
        }
        return true;
    }
}
