using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Gauntlet.Fuzz.Diverge;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Fuzz.Targets;

/// <summary>A kind of virtio device, as its driver sees it.</summary>
/// <param name="Features">Low 32 bits that a driver may accept.</param>
/// <param name="Queues">That programs use: at most <see cref="VirtioForm.MostQueues"/>.</param>
/// <param name="ConfigurationBytes">Of its own configuration.</param>
/// <param name="Request">Fills a chain for a queue.</param>
internal sealed record VirtioKind(uint Features, IReadOnlyList<int> Queues, int ConfigurationBytes, Action<FuzzRandom, VirtioChain, int> Request);

/// <summary>
/// Adds groups of operations to programs for a virtio device: its set-up with split or packed queues (VIRTIO 1.2, 3.1.1), chains with a kick, broken ones among them,
/// and what else a driver does.
/// </summary>
internal sealed class VirtioForm(VirtioTransport transport, VirtioKind kind)
{
    public const int MostQueues = 6;

    // In RAM: a page for the areas of each queue, buffers behind them.
    private const ulong Arena = VirtioPrograms.Arena, QueueApart = 0x1000, DriverArea = 0x400, DeviceArea = 0x800, Buffers = Arena + MostQueues * QueueApart;
    private const int Entries = 8, BuffersPerChain = 0x2000;
    private const ulong Packed = VirtioFeature.RingPacked >> 32, Version1 = VirtioFeature.Version1 >> 32, RingReset = VirtioFeature.RingReset >> 32;
    private const byte Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8;

    // Descriptors first.
    private static readonly ulong[] s_areas = [0, DriverArea, DeviceArea];

    public void Append(FuzzRandom random, List<Operation> program)
    {
        if (!IsUnderWay(CollectionsMarshal.AsSpan(program)))
        {
            SetUp(random, program);
            return;
        }
        switch (random.Below(12))
        {
            case 0:
                program.Add(transport.Status.Read());
                break;
            case 1:
                program.Add(random.OneIn(2) ? transport.Interrupt.Read() : transport.FeatureSelect.Write((ulong)random.Below(3)));
                break;
            case 2 when kind.ConfigurationBytes > 0:
                var field = Operation.Read(AddressSpace.Mmio, transport.Configuration + (ulong)random.Below(kind.ConfigurationBytes), 1 << random.Below(3));
                program.Add(random.OneIn(3) ? Operation.Write(AddressSpace.Mmio, field.Address, field.Size, random.Next()) : field);
                break;
            case 3:
                program.Add(transport.QueueSelect.Write((ulong)kind.Queues[random.Below(kind.Queues.Count)]));
                program.Add(random.OneIn(2) ? transport.QueueReady.Read() : transport.QueueReady.Write((ulong)random.Below(2)));
                break;
            case 4 when transport.Window is var (function, register):
                ThroughWindow(random, program, function, register);
                break;
            default:
                Request(random, program);
                break;
        }
    }

    // A region, an offset in it and a length, then the access: those that are not there as well.
    private static void ThroughWindow(FuzzRandom random, List<Operation> program, int function, int register)
    {
        const int RegionAt = 4, OffsetAt = 8, LengthAt = 12, DataAt = 16, Regions = 8, LongestRegion = 0x4000;
        var size = 1 << random.Below(3);
        program.Add(Operation.PciWrite(function, register + RegionAt, 1, (ulong)random.Below(Regions)));
        program.Add(Operation.PciWrite(function, register + OffsetAt, 4, random.OneIn(8) ? random.Next() : (ulong)(random.Below(LongestRegion) & -size)));
        program.Add(Operation.PciWrite(function, register + LengthAt, 4, random.OneIn(8) ? random.Next() : (ulong)size));
        program.Add(random.OneIn(2) ? Operation.PciRead(function, register + DataAt, size) : Operation.PciWrite(function, register + DataAt, size, random.Next()));
    }

    private void SetUp(FuzzRandom random, List<Operation> program)
    {
        program.Add(transport.Status.Write(Acknowledge | Driver));
        program.Add(transport.FeatureSelect.Write(0));
        program.Add(transport.Features.Write(
            (random.OneIn(2) ? 0 : VirtioFeature.IndirectDescriptors) | (random.OneIn(3) ? VirtioFeature.EventIndex : 0) | (random.OneIn(4) ? kind.Features & (uint)random.Next() : kind.Features)));
        program.Add(transport.FeatureSelect.Write(1));
        program.Add(transport.Features.Write(Version1 | (random.OneIn(3) ? Packed : 0) | (random.OneIn(4) ? RingReset : 0)));
        program.Add(transport.Status.Write(Acknowledge | Driver | FeaturesOk));
        for (var slot = 0; slot < kind.Queues.Count; slot++)
        {
            if (slot > 0 && random.OneIn(4))
                continue;
            program.Add(transport.QueueSelect.Write((ulong)kind.Queues[slot]));
            program.Add(transport.QueueSize.Write(Entries));
            foreach (var (register, offset) in transport.Areas.Zip(s_areas))
                program.Add(register.Write(AreaOf(slot) + offset));
            program.Add(transport.QueueReady.Write(1));
        }
        program.Add(transport.Status.Write(Acknowledge | Driver | FeaturesOk | DriverOk));
    }

    private static ulong AreaOf(int slot) => Arena + (ulong)slot * QueueApart;

    private void Request(FuzzRandom random, List<Operation> program)
    {
        var slot = random.Below(kind.Queues.Count);
        var queue = kind.Queues[slot];
        var kicks = Kicks(CollectionsMarshal.AsSpan(program), queue);
        var chain = new VirtioChain(program, Buffers + (ulong)random.Below(4) * BuffersPerChain);
        kind.Request(random, chain, queue);
        if (random.OneIn(3))
            Break(random, slot, chain);
        if (IsPacked(CollectionsMarshal.AsSpan(program)))
            OfferPacked(random, program, slot, chain);
        else
            OfferSplit(random, program, slot, kicks, chain);
        program.Add(transport.Kick(queue));
    }

    // Plain loops over programs: half of all inputs are made here.
    private bool IsUnderWay(ReadOnlySpan<Operation> program)
    {
        foreach (ref readonly var operation in program)
        {
            if (operation.Kind == OperationKind.Write && operation.Address == transport.Status.Address && (operation.Value & DriverOk) != 0)
                return true;
        }
        return false;
    }

    private int Kicks(ReadOnlySpan<Operation> program, int queue)
    {
        var kicks = 0;
        foreach (ref readonly var operation in program)
            kicks += transport.IsKick(in operation, queue) ? 1 : 0;
        return kicks;
    }

    // The driver accepted it: the upper half of the features, as last written.
    private bool IsPacked(ReadOnlySpan<Operation> program)
    {
        for (var at = program.Length - 1; at > 0; at--)
        {
            ref readonly var operation = ref program[at];
            if (operation.Kind != OperationKind.Write || operation.Address != transport.Features.Address)
                continue;
            ref readonly var select = ref program[at - 1];
            return (operation.Value & (Packed | Version1)) == (Packed | Version1) && select.Value == 1 && select.Address == transport.FeatureSelect.Address;
        }
        return false;
    }

    private static int OfferedDescriptors(ReadOnlySpan<Operation> program, ulong table)
    {
        var bytes = 0;
        foreach (ref readonly var operation in program)
            bytes += operation.Kind == OperationKind.WriteMemory && operation.Address - table < Entries * VirtioChain.DescriptorBytes ? operation.Size : 0;
        return bytes / VirtioChain.DescriptorBytes;
    }

    private static void OfferSplit(FuzzRandom random, List<Operation> program, int slot, int kicks, VirtioChain chain)
    {
        // The whole table is one chain's mostly; else it is somewhere in it.
        var head = random.OneIn(2) ? 0 : random.Below(Entries - chain.Count + 1);
        var (table, available) = (AreaOf(slot), AreaOf(slot) + DriverArea);
        for (var i = 0; head > 0 && i < chain.Count; i++)
            chain.Table[i * VirtioChain.DescriptorBytes + 14] += (byte)head;
        if (chain.Count == 0)
            return;
        program.Add(Operation.WriteMemory(table + (ulong)(head * VirtioChain.DescriptorBytes), chain.Table));
        var index = kicks + (random.OneIn(12) ? random.Below(Entries * 2) : 1);
        if (head == 0)
        {
            program.Add(Operation.WriteMemory(available + 2, [(byte)index, (byte)(index >> 8), .. new byte[2 * Entries]]));
        }
        else
        {
            program.Add(Operation.Write(AddressSpace.Mmio, available + 4 + 2 * (ulong)(kicks % Entries), 2, (ulong)head));
            program.Add(Operation.Write(AddressSpace.Mmio, available + 2, 2, (ulong)index & ushort.MaxValue));
        }
        // Flags or used_event: no interrupt, or not yet.
        if (random.OneIn(8))
            program.Add(Operation.Write(AddressSpace.Mmio, random.OneIn(2) ? available : available + 4 + 2 * Entries, 2, (ulong)random.Below(4)));
    }

    // In the next slots of the ring, flags with the wrap counter behind the buffer's ID (2.8.1); what was offered before tells where.
    private static void OfferPacked(FuzzRandom random, List<Operation> program, int slot, VirtioChain chain)
    {
        const int FlagsOffset = 14, IdOffset = 12;
        const ushort Available = 1 << 7, Used = 1 << 15;
        var table = AreaOf(slot);
        var offered = OfferedDescriptors(CollectionsMarshal.AsSpan(program), table);
        var id = (ushort)random.Below(random.OneIn(8) ? 2 * Entries : Entries);
        for (var i = 0; i < chain.Count; i++)
        {
            var entry = chain.Table.Slice(i * VirtioChain.DescriptorBytes, VirtioChain.DescriptorBytes);
            var flags = BinaryPrimitives.ReadUInt16LittleEndian(entry[IdOffset..]) | ((offered + i) / Entries % 2 == 0 ? Available : Used);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[FlagsOffset..], (ushort)flags);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[IdOffset..], id);
        }
        var first = offered % Entries;
        var fitting = Math.Min(chain.Count, Entries - first) * VirtioChain.DescriptorBytes;
        if (fitting > 0)
            program.Add(Operation.WriteMemory(table + (ulong)(first * VirtioChain.DescriptorBytes), chain.Table[..fitting]));
        if (fitting < chain.Table.Length)
            program.Add(Operation.WriteMemory(table, chain.Table[fitting..]));
        // Event suppression (2.8.10).
        if (random.OneIn(8))
            program.Add(Operation.Write(AddressSpace.Mmio, table + DriverArea, 4, random.Next() & 0x3_800f));
    }

    // Indirect tables of any length, loops, lengths that no buffer has.
    private static void Break(FuzzRandom random, int slot, VirtioChain chain)
    {
        if (chain.Count == 0)
            return;
        var entry = chain.Table[(random.Below(chain.Count) * VirtioChain.DescriptorBytes)..];
        switch (random.Below(5))
        {
            case 0:
                BinaryPrimitives.WriteUInt64LittleEndian(entry, AreaOf(slot) + (ulong)random.Below(4) * VirtioChain.DescriptorBytes);
                BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], (uint)(1 << random.Below(10)) * VirtioChain.DescriptorBytes);
                BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], VirtioChain.Indirect);
                break;
            case 1:
                BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], VirtioChain.Next);
                BinaryPrimitives.WriteUInt16LittleEndian(entry[14..], (ushort)random.Below(chain.Count));
                break;
            case 2:
                BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], (uint)random.Next() >> random.Below(32));
                break;
            case 3:
                entry[12] ^= (byte)VirtioChain.DeviceWrites;
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(entry, random.Next() >> random.Below(64));
                break;
        }
    }
}
