using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Test;

/// <summary>
/// The test device of kvm-unit-tests: latches in port space, 24 interrupt lines to pull, and memory that is reached as MMIO only.
/// </summary>
/// <remarks>
/// QEMU, <c>-device pc-testdev</c>: 0xe0 a latch, 0xe4 flush (on real test devices: unmaps a page and maps it again; nothing here depends on it),
/// 0xe8 the same latch byte by byte, 0x2000 + n interrupt line n, 0xff000000 64 KiB of memory.
/// </remarks>
public sealed class PcTestDev : IPortDevice, IMmioDevice, IResettable, ISaveable
{
    public const int LatchRegion = 0, FlushRegion = 1, ByteLatchRegion = 2, InterruptRegion = 3, MemoryRegion = 4;
    public const ushort LatchPort = 0xe0, FlushPort = 0xe4, ByteLatchPort = 0xe8, InterruptPort = 0x2000;
    public const ulong MemoryAddress = 0xff000000;
    public const int MemoryBytes = 0x10000;

    private readonly PcInterruptLines _lines;
    private readonly byte[] _memory = new byte[MemoryBytes];
    private uint _latch, _levels;

    public PcTestDev(PcInterruptLines lines)
    {
        _lines = lines;
        var interrupts = new Register[PcInterruptLines.Count];
        for (var i = 0; i < interrupts.Length; i++)
            interrupts[i] = new Register($"IRQ{i}", (uint)i, 1, RegisterAccess.Write, null, "level");
        Regions =
        [
            new("latch", AddressSpace.Port, 4, [new("LATCH", 0, 4, RegisterAccess.ReadWrite, 0)]),
            new("flush", AddressSpace.Port, 4, [new("FLUSH", 0, 4, RegisterAccess.Write)]),
            new("byte-latch", AddressSpace.Port, 4,
            [
                new("LATCH0", 0, 1, RegisterAccess.ReadWrite, 0),
                new("LATCH1", 1, 1, RegisterAccess.ReadWrite, 0),
                new("LATCH2", 2, 1, RegisterAccess.ReadWrite, 0),
                new("LATCH3", 3, 1, RegisterAccess.ReadWrite, 0),
            ]),
            new("interrupts", AddressSpace.Port, PcInterruptLines.Count, interrupts),
            new("memory", AddressSpace.Mmio, MemoryBytes, []),
        ];
    }

    public string Name => "pc-testdev";

    public IReadOnlyList<RegisterMap> Regions { get; }

    public int StateVersion => 1;

    /// <summary>Gives all regions their usual places.</summary>
    public void Map(IoBus bus)
    {
        bus.MapPorts(this, LatchRegion, LatchPort);
        bus.MapPorts(this, FlushRegion, FlushPort);
        bus.MapPorts(this, ByteLatchRegion, ByteLatchPort);
        bus.MapPorts(this, InterruptRegion, InterruptPort);
        bus.MapMmio(this, MemoryRegion, MemoryAddress);
    }

    public uint ReadPort(int region, uint offset, int size) => region switch
    {
        LatchRegion or ByteLatchRegion => _latch >> (int)(offset * 8),
        _ => uint.MaxValue,
    };

    public void WritePort(int region, uint offset, int size, uint value)
    {
        switch (region)
        {
            case LatchRegion or ByteLatchRegion:
                var mask = (uint.MaxValue >> (32 - size * 8)) << (int)(offset * 8);
                _latch = (_latch & ~mask) | ((value << (int)(offset * 8)) & mask);
                break;
            case InterruptRegion:
                var level = value != 0;
                _levels = level ? _levels | 1u << (int)offset : _levels & ~(1u << (int)offset);
                _lines[(int)offset].Set(level);
                break;
            default:
                break;
        }
    }

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        var bytes = _memory.AsSpan((int)offset);
        return size switch
        {
            1 => bytes[0],
            2 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            4 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        };
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        var bytes = _memory.AsSpan((int)offset);
        switch (size)
        {
            case 1:
                bytes[0] = (byte)value;
                break;
            case 2:
                BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)value);
                break;
            case 4:
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)value);
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
                break;
        }
    }

    public void Reset()
    {
        _latch = 0;
        for (var i = 0; i < PcInterruptLines.Count; i++)
        {
            if ((_levels & (1u << i)) != 0)
                _lines[i].Set(false);
        }
        _levels = 0;
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_latch);
        writer.UInt32(_levels);
        writer.Bytes(_memory);
    }

    public void Load(ref StateReader reader)
    {
        _latch = reader.UInt32();
        _levels = reader.UInt32() & ((1u << PcInterruptLines.Count) - 1);
        var memory = reader.Bytes(MemoryBytes);
        if (memory.Length != MemoryBytes)
            throw new StateFormatException($"{Name}: {memory.Length} bytes of memory, where {MemoryBytes} were expected");
        memory.CopyTo(_memory);
    }
}
