using System.Buffers.Binary;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Groups of operations for devices with rings and lists in memory, which no mutation of single ones would come upon.</summary>
internal static class DmaPrograms
{
    /// <summary>Where the targets map the registers of their device, in PCI slot 2.</summary>
    public const uint Registers = 0xfe000000;

    private const ulong List = 0x1000, Fis = 0x2000, Table = 0x3000, Ring = 0x4000, ReceiveRing = 0x5000, Buffers = 0x8000;
    private const int DescriptorBytes = 16, RingEntries = 16;

    /// <summary>For a SATA controller (AHCI 1.3.1): starts a port, then issues commands with tables of their own.</summary>
    public static void AppendAhci(FuzzRandom random, List<Operation> program)
    {
        var port = (uint)(0x100 + random.Below(2) * 0x80);
        if (!program.Any(operation => operation.Kind == OperationKind.Write && operation.Address == Registers + port + 0x18))
        {
            EnableFunction(program);
            Set(program, port, (uint)List);
            Set(program, port + 8, (uint)Fis);
            Set(program, port + 0x14, uint.MaxValue);
            Set(program, port + 0x18, 0x11);
            Set(program, 4, 2);
            return;
        }
        byte[] commands = [0x25, 0x35, 0x20, 0x30, 0xc8, 0xca, 0xec, 0xa0, 0xa1, 0xe7, 0x06, 0xef, 0xc6, 0xc4, 0xc5, 0x90];
        byte[] packets = [0x28, 0xa8, 0x12, 0x25, 0x43, 0x00, 0x03, 0x1b, 0x4a, 0x5a, 0xbe, 0x46];
        var fis = new byte[0x80 + 3 * DescriptorBytes];
        (fis[0], fis[1], fis[2], fis[3], fis[7]) = (0x27, (byte)(random.OneIn(16) ? 0 : 0x80), commands[random.Below(commands.Length)], (byte)random.Below(3), 0x40);
        (fis[4], fis[5], fis[12], fis[15]) = ((byte)random.Next(), (byte)random.Below(12), (byte)random.Below(6), (byte)(random.OneIn(8) ? 4 : 0));
        (fis[0x40], fis[0x45], fis[0x48]) = (packets[random.Below(packets.Length)], (byte)random.Next(), (byte)random.Below(4));
        var regions = random.Below(4);
        for (var i = 0; i < regions; i++)
            PutDescriptor(fis.AsSpan(0x80 + i * DescriptorBytes), AddressOf(random), (ulong)random.Below(random.OneIn(4) ? 0x400000 : 2048) << 32);
        var slot = random.Below(4);
        var header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 5 | (uint)random.Below(8) << 4 | (uint)(random.OneIn(16) ? ushort.MaxValue : regions) << 16);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), random.OneIn(16) ? random.Next() : Table);
        program.Add(Operation.WriteMemory(Table, fis));
        program.Add(Operation.WriteMemory(List + (ulong)slot * 32, header));
        Set(program, port + 0x38, random.OneIn(8) ? (uint)random.Next() : 1u << slot);
        program.Add(Operation.Read(AddressSpace.Mmio, Registers + port + 0x10, 4));
    }

    /// <summary>For an 82540EM (Intel, Software Developer's Manual, 3.2 and 3.3): sets both rings up, then puts descriptors into them.</summary>
    public static void AppendE1000(FuzzRandom random, List<Operation> program)
    {
        if (!program.Any(operation => operation.Kind == OperationKind.Write && operation.Address == Registers + 0x3808))
        {
            EnableFunction(program);
            (uint, uint)[] registers =
            [
                (0x2800, (uint)ReceiveRing), (0x2808, RingEntries * DescriptorBytes), (0x0100, 0x8002u | (uint)random.Next() & 0x0607fffc), (0x2818, RingEntries - 1), (0xd0, uint.MaxValue),
                (0x3800, (uint)Ring), (0x3808, RingEntries * DescriptorBytes), (0x0400, 2), (0x0000, random.OneIn(2) ? 1u << 30 : 0),
            ];
            foreach (var (offset, value) in registers)
                Set(program, offset, value);
            return;
        }
        if (random.OneIn(4))
        {
            var received = new byte[4 * DescriptorBytes];
            for (var i = 0; i < 4; i++)
                PutDescriptor(received.AsSpan(i * DescriptorBytes), AddressOf(random), 0);
            program.Add(Operation.WriteMemory(ReceiveRing, received));
            Set(program, 0x2818, (uint)random.Below(random.OneIn(8) ? 0x10000 : RingEntries));
            return;
        }
        // A context, and data that use it; or legacy descriptors.
        var count = 1 + random.Below(4);
        var table = new byte[count * DescriptorBytes];
        for (var i = 0; i < count; i++)
        {
            var command = Below(256);
            var isContext = i == 0 && random.OneIn(2);
            var low = isContext ? Below(64) | Below(64) << 8 | Below(64) << 32 | Below(64) << 40 : AddressOf(random);
            var length = isContext ? 0 : Below(random.OneIn(4) ? 0x100000 : 3000);
            var type = isContext ? 1UL << 29 : Below(2) << 20;
            var high = command << 24 | length | type | Below(256) << 40 | Below(random.OneIn(2) ? 4 : 1500) << 48;
            PutDescriptor(table.AsSpan(i * DescriptorBytes), low, high);
        }
        program.Add(Operation.WriteMemory(Ring, table));
        Set(program, 0x3810, 0);
        Set(program, 0x3818, (uint)(random.OneIn(16) ? random.Below(0x10000) : count));
        program.Add(Operation.Read(AddressSpace.Mmio, Registers + 0xc0, 4));

        ulong Below(int limit) => (uint)random.Below(limit);
    }

    private static void EnableFunction(List<Operation> program)
    {
        program.Add(Operation.Write(AddressSpace.Port, 0xcf8, 4, 0x80001004));
        program.Add(Operation.Write(AddressSpace.Port, 0xcfc, 2, 7));
    }

    private static void Set(List<Operation> program, uint offset, uint value) => program.Add(Operation.Write(AddressSpace.Mmio, Registers + offset, 4, value));

    // In RAM, seldom at the device's own registers or nowhere.
    private static ulong AddressOf(FuzzRandom random) => random.Below(16) switch
    {
        0 => Registers + (uint)random.Below(0x4000),
        1 => random.Next(),
        _ => Buffers + (ulong)random.Below(0x4000),
    };

    private static void PutDescriptor(Span<byte> descriptor, ulong low, ulong high)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, low);
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor[8..], high);
    }
}
