using System.Buffers.Binary;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Diverge;

/// <summary>Programs for a virtio device behind PCI, whose modern window is at the same address on both sides (VIRTIO 1.2, 4.1.4).</summary>
internal static class VirtioPrograms
{
    /// <summary>Where gvmm's board puts the windows of its first PCI device.</summary>
    public const ulong Modern = 0xfe000000, Msix = 0xfe004000;

    /// <summary>In RAM: descriptors, available and used ring, buffers.</summary>
    public const ulong Arena = 0x100000, Available = Arena + 0x400, Used = Arena + 0x800, Buffers = Arena + 0x1000;

    public const int ArenaBytes = 0x6000;

    private const ulong Isr = Modern + 0x1000, Notify = Modern + 0x3000;
    private const int Entries = 8, DescriptorBytes = 16;
    private const byte Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8;

    private static readonly int[] SetUpRegisters = [8, 0xc, 0x14, 0x16, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34];

    public static DivergenceSubject Subject(string name, IReadOnlyList<string> options, bool hasDisk) => new(
        name, [$"{name}-pci/"], [.. Config(4, 2, 7), Operation.Fill(Arena, ArenaBytes, 0), Write(0x14, 1, 0), Write(0, 4, 0), Write(8, 4, 0), Write(0xc, 4, 0), Write(8, 4, 1), Write(0xc, 4, 0), Write(0x16, 2, 0)],
        options, [.. Config(0x14, 4, Msix), .. Config(0x20, 4, Modern), .. Config(0x24, 4, 0)],
        (random, program) => Append(random, program, hasDisk), IsLegal);

    /// <summary>True for a write that makes the device look at its queue: it may answer later.</summary>
    public static bool IsNotification(in Operation operation) => operation.Kind == OperationKind.Write && operation.Space == AddressSpace.Mmio && operation.Address - Notify < 0x1000;

    // A group of operations.
    private static void Append(FuzzRandom random, List<Operation> program, bool hasDisk)
    {
        if (!IsSetUp(program))
        {
            SetUp(random, program);
            return;
        }
        switch (random.Below(8))
        {
            case 0 or 1:
                // Each field in its own width (4.1.3.1).
                var (offset, size) = ((int, int)[])[(0, 4), (4, 4), (8, 4), (0xc, 4), (0x10, 2), (0x12, 2), (0x14, 1), (0x16, 2), (0x18, 2), (0x1a, 2), (0x1c, 2), (0x1e, 2), (0x20, 4), (0x24, 4), (0x28, 4), (0x30, 4)] is var registers
                    ? registers[random.Below(registers.Length)] : default;
                program.Add(Operation.Read(AddressSpace.Mmio, Modern + (ulong)offset, size));
                break;
            case 2:
                program.Add(random.OneIn(2) ? Operation.Read(AddressSpace.Mmio, Isr, 1) : Write(0, 4, (ulong)random.Below(3)));
                break;
            case 3 when hasDisk:
                program.Add(Operation.Read(AddressSpace.Mmio, Modern + 0x2000 + (ulong)random.Below(6) * 4, 4));
                break;
            default:
                Request(random, program, hasDisk);
                break;
        }
    }

    // All of what a driver does before its first request (3.1.1).
    private static bool IsSetUp(IReadOnlyList<Operation> program) =>
        SetUpRegisters.All(register => program.Any(operation => operation.Kind == OperationKind.Write && operation.Address == Modern + (ulong)register))
        && program.Count(static operation => operation.Kind == OperationKind.Write && operation.Address == Modern + 0x14) >= 3;

    // A device that is used is set up; each notification has its descriptors before it, and what waits for the answer behind it.
    private static bool IsLegal(IReadOnlyList<Operation> program)
    {
        if (!IsSetUp(program))
            return !program.Any(static operation => operation.Kind == OperationKind.Write && operation.Space == AddressSpace.Mmio && operation.Address != Modern);
        var (hasTable, offered) = (false, 0);
        for (var i = 0; i < program.Count; i++)
        {
            hasTable |= program[i].Kind == OperationKind.WriteMemory && program[i].Address == Arena;
            // Requests come one by one.
            if (program[i].Kind == OperationKind.WriteMemory && program[i].Address == Available + 2 && program[i].Data[0] != ++offered)
                return false;
            if (IsNotification(program[i]) && (!hasTable || i + 1 == program.Count || program[i + 1] is not { Kind: OperationKind.Read, Address: Used + 2 }))
                return false;
        }
        return true;
    }

    private static void SetUp(FuzzRandom random, List<Operation> program)
    {
        program.Add(Write(0x14, 1, Acknowledge | Driver));
        // What both have in common is decided by the driver: VERSION_1, sometimes indirect descriptors and event indices.
        program.Add(Write(8, 4, 0));
        program.Add(Write(0xc, 4, random.OneIn(2) ? 0 : 1UL << 28));
        program.Add(Write(8, 4, 1));
        program.Add(Write(0xc, 4, 1));
        program.Add(Write(0x14, 1, Acknowledge | Driver | FeaturesOk));
        program.Add(Operation.Read(AddressSpace.Mmio, Modern + 0x14, 1));
        program.Add(Write(0x16, 2, 0));
        program.Add(Write(0x18, 2, Entries));
        foreach (var (offset, address) in ((int, ulong)[])[(0x20, Arena), (0x28, Available), (0x30, Used)])
        {
            program.Add(Write(offset, 4, address));
            program.Add(Write(offset + 4, 4, 0));
        }
        program.Add(Write(0x1c, 2, 1));
        program.Add(Write(0x14, 1, Acknowledge | Driver | FeaturesOk | DriverOk));
        program.Add(Operation.Read(AddressSpace.Mmio, Modern + 0x14, 1));
    }

    // One chain from descriptor 0 on, the next slot of the available ring, a kick, and what came of it.
    private static void Request(FuzzRandom random, List<Operation> program, bool hasDisk)
    {
        var kicks = program.Count(static operation => IsNotification(operation));
        var table = new byte[Entries * DescriptorBytes];
        var status = Buffers + 0x3000 + (ulong)kicks % 16;
        var count = 0;
        if (hasDisk)
        {
            var header = new byte[16];
            // No SCSI commands, which are legacy; no discard and write zeroes, which name their ranges in the data.
            uint[] types = [0, 0, 1, 1, 4, 8, 99];
            BinaryPrimitives.WriteUInt32LittleEndian(header, types[random.Below(types.Length)]);
            BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), random.OneIn(8) ? random.Next() : (ulong)random.Below(2_050));
            program.Add(Operation.WriteMemory(Buffers, header));
            Add(Buffers, 16, false);
            var isWrite = header[0] == 1;
            var pieces = header[0] == 4 ? 0 : random.Below(3);
            for (var i = 0; i < pieces; i++)
                Add(Buffers + 0x100 + (ulong)i * 0x400, random.OneIn(6) ? 1 + (uint)random.Below(1_000) : 512, !isWrite);
            Add(status, 1, true);
        }
        else
        {
            for (var left = 1 + random.Below(3); left > 0; left--)
                Add(Buffers + (ulong)random.Below(0x1000), 1 + (uint)random.Below(256), true);
        }
        program.Add(Operation.WriteMemory(Arena, table.AsSpan(0, count * DescriptorBytes)));
        program.Add(Operation.WriteMemory(Available + 2, [(byte)(kicks + 1), (byte)((kicks + 1) >> 8), .. new byte[2 * Entries]]));
        program.Add(Operation.Write(AddressSpace.Mmio, Notify, 2, 0));
        program.Add(Operation.Read(AddressSpace.Mmio, Used + 2, 2));
        program.Add(Operation.Read(AddressSpace.Mmio, Used + 4 + 8 * ((ulong)kicks % Entries), 8));
        program.Add(Operation.Read(AddressSpace.Mmio, Modern + 0x14, 1));
        if (!hasDisk)
            return;
        program.Add(Operation.Read(AddressSpace.Mmio, status, 1));
        program.Add(Operation.Read(AddressSpace.Mmio, Buffers + 0x100, 8));
        program.Add(Operation.Read(AddressSpace.Mmio, Buffers + 0x2f8, 8));

        void Add(ulong address, uint length, bool isWritable)
        {
            var entry = table.AsSpan(count * DescriptorBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, address);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], length);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], (ushort)(isWritable ? 2 : 0));
            if (count > 0)
            {
                var before = table.AsSpan((count - 1) * DescriptorBytes);
                BinaryPrimitives.WriteUInt16LittleEndian(before[12..], (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(before[12..]) | 1));
                BinaryPrimitives.WriteUInt16LittleEndian(before[14..], (ushort)count);
            }
            count++;
        }
    }

    private static Operation Write(int offset, int size, ulong value) => Operation.Write(AddressSpace.Mmio, Modern + (ulong)offset, size, value);

    // As port accesses: these are compared one by one.
    private static IEnumerable<Operation> Config(int register, int size, ulong value) => Operation.PciWrite(2 << 3, register, size, value).Plain();
}
