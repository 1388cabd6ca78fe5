using System.Buffers.Binary;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>One channel's bus master: moves a drive's data to and from memory as a table of regions says.</summary>
/// <remarks>
/// Programming Interface for Bus Master IDE Controller, revision 1.0 (1994): 2 (registers), 1.2 (descriptor table, which does not cross 64 KiB), 3.1 (what
/// status tells of the three lengths: regions of the transfer's length end inactive with an interrupt, longer ones stay active, shorter ones have neither).
/// </remarks>
internal sealed class BusMasterIde(IGuestMemory memory, Func<bool> isBusMaster) : IAtaDma
{
    public const byte Start = 1, ToMemory = 8;
    public const byte Active = 1, ErrorStatus = 2, InterruptStatus = 4, CapableBits = 0x60;

    private const int EntryBytes = 8, MaxEntries = 65536 / EntryBytes;
    private const uint EndOfTable = 1u << 31, PageOfTable = 0xffff;

    // The region that is being used: where, how much of it is left, whether it is the table's last.
    private uint _region, _left;
    private bool _isLast, _failed;
    private uint _next;
    private int _entries;

    public byte Command { get; set; }

    public byte Status { get; set; }

    public uint Table { get; set; }

    /// <summary>Runs the command that a drive waits with, if any.</summary>
    public void Run(AtaDrive? drive)
    {
        if ((Status & Active) == 0 || drive?.Transfer is not (AtaTransfer.DmaIn or AtaTransfer.DmaOut) || drive.IsHeld)
            return;
        (_next, _left, _isLast, _failed, _entries) = (Table, 0, false, false, 0);
        var isDone = drive.MoveByDma(this);
        // It starts anew when the command is tried again.
        if (drive.IsHeld)
            return;
        if (_failed)
            Status |= ErrorStatus;
        // Longer regions than data: it waits for more, until it is stopped.
        if (!isDone || _failed || (_isLast && _left == 0))
            Status &= unchecked((byte)~Active);
    }

    public bool TryMove(Span<byte> data, bool toMemory)
    {
        while (!data.IsEmpty)
        {
            if (_left == 0 && !TryNextRegion())
                return false;
            var count = (int)Math.Min((uint)data.Length, _left);
            if (!TryMovePiece(data[..count], toMemory))
            {
                _failed = true;
                return false;
            }
            data = data[count..];
            _region += (uint)count;
            _left -= (uint)count;
        }
        return true;
    }

    public void Reset() => (Command, Status, Table) = (0, 0, 0);

    public void Save(StateWriter writer)
    {
        writer.Byte(Command);
        writer.Byte(Status);
        writer.UInt32(Table);
    }

    public void Load(ref StateReader reader)
    {
        Command = (byte)(reader.Byte() & (Start | ToMemory));
        Status = (byte)(reader.Byte() & (Active | ErrorStatus | InterruptStatus | CapableBits));
        Table = reader.UInt32() & ~3u;
    }

    private bool TryNextRegion()
    {
        if (_isLast || _entries == MaxEntries)
            return false;
        _entries++;
        Span<byte> entry = stackalloc byte[EntryBytes];
        entry.Clear();
        // Without mastership nothing is answered, and zeros are read: regions of 64 KiB without an end.
        if (isBusMaster() && !memory.TryRead(_next, entry))
        {
            _failed = true;
            return false;
        }
        _next = (_next & ~PageOfTable) | (_next + EntryBytes & PageOfTable);
        _region = BinaryPrimitives.ReadUInt32LittleEndian(entry) & ~1u;
        var control = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
        _left = control & 0xfffe;
        if (_left == 0)
            _left = 0x10000;
        _isLast = (control & EndOfTable) != 0;
        return true;
    }

    private bool TryMovePiece(Span<byte> data, bool toMemory)
    {
        if (!isBusMaster())
        {
            if (!toMemory)
                data.Clear();
            return true;
        }
        return toMemory ? memory.TryWrite(_region, data) : memory.TryRead(_region, data);
    }
}
