using System.Buffers.Binary;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// Builds queues of a virtio device and requests on them: negotiation, rings, descriptor chains, kicks (Virtual I/O Device 1.2, 2.7 "Split Virtqueues",
/// 3.1 "Device Initialization", 4.1.4.3 "Common configuration structure layout"). Mostly as a driver should; the mutations break it.
/// </summary>
public sealed class VirtioQueues
{
    private const int QueueEntries = 8, MostQueues = 4, DescriptorBytes = 16;
    private const byte Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8;
    private const ushort Next = 1, Writable = 2, Indirect = 4;

    private static readonly uint[] Gpu = [0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108, 0x109, 0x10a, 0x10b, 0x10c, 0x10d, 0x300, 0x301];

    /// <summary>What a request begins with, by the device's name (Virtual I/O Device 1.2, 5.1 to 5.19): types, classes with their commands.</summary>
    private static readonly (string Device, uint[] Words)[] RequestWords =
    [
        ("virtio-blk", [0, 1, 4, 8, 11, 13, 14]),
        ("virtio-net", [0x000, 0x100, 0x200, 0x001, 0x101, 0x002, 0x102, 0x003, 0x004, 0x104, 0x204, 0x005]),
        ("virtio-scsi", [0, 1, 2, 0x00000001, 0x40000001, 0x00000101]),
        ("virtio-gpu", Gpu), ("virtio-vga", Gpu),
        ("virtio-crypto", [0x000, 0x001, 0x002, 0x003, 0x100, 0x102, 0x103, 0x200, 0x202, 0x203, 0x300, 0x301, 0x302, 0x303, 0x400, 0x401, 0x402, 0x403, 0x404, 0x405]),
        ("virtio-iommu", [1, 2, 3, 4, 5]),
        ("virtio-serial", [0, 1, 2]),
        ("virtio-mem", [0, 1, 2, 3]),
        ("virtio-9p", [0x13, 0x17, 0x20, 0x40]),
    ];

    private readonly Window _common, _notify;
    private readonly uint[] _words;
    private readonly QemuPrograms _values;
    private readonly FuzzRandom _random;
    private int _available;

    private VirtioQueues(Window common, Window notify, QemuPrograms values, FuzzRandom random, uint[] words) =>
        (_common, _notify, _values, _random, _words) = (common, notify, values, random, words);

    /// <summary>Null where the device has no modern transport.</summary>
    public static VirtioQueues? For(QemuDevice device, QemuPrograms values, FuzzRandom random) =>
        device.Windows.FirstOrDefault(window => window.Name.StartsWith("virtio-pci-common", StringComparison.Ordinal)) is { } common
        && device.Windows.FirstOrDefault(window => window.Name.StartsWith("virtio-pci-notify", StringComparison.Ordinal)) is { } notify
            ? new VirtioQueues(common, notify, values, random, RequestWords.FirstOrDefault(entry => device.Name.StartsWith(entry.Device, StringComparison.Ordinal)).Words ?? [])
            : null;

    /// <summary>A queue set up and a request on it, or one more request.</summary>
    public void Append(List<Operation> program)
    {
        var queue = _random.OneIn(4) ? _random.Below(MostQueues) : _random.Below(2);
        if (_random.OneIn(2))
            SetUp(program, queue);
        Request(program, queue);
    }

    private static ulong RingsOf(int queue) => QemuPrograms.Arena + 0x8000 + (ulong)queue * 0x1000;

    private void SetUp(List<Operation> program, int queue)
    {
        _available = 0;
        Write(0x14, 1, 0);
        Write(0x14, 1, Acknowledge | Driver);
        Write(8, 4, 0);
        Write(0xc, 4, _random.OneIn(3) ? _random.Next() : _random.OneIn(2) ? ~0UL : 0x10000000);
        Write(8, 4, 1);
        Write(0xc, 4, 1);
        Write(0x14, 1, Acknowledge | Driver | FeaturesOk);
        for (var each = 0; each <= queue; each++)
        {
            Write(0x16, 2, (ulong)each);
            Write(0x18, 2, QueueEntries);
            Write(0x20, 4, RingsOf(each));
            Write(0x28, 4, RingsOf(each) + 0x400);
            Write(0x30, 4, RingsOf(each) + 0x800);
            Write(0x1c, 2, 1);
        }
        Write(0x14, 1, Acknowledge | Driver | FeaturesOk | DriverOk);

        void Write(ulong register, int size, ulong value) => program.Add(Operation.Write(AddressSpace.Mmio, _common.Base + register, size, value));
    }

    private void Request(List<Operation> program, int queue)
    {
        var count = 1 + _random.Below(4);
        var table = new byte[count * DescriptorBytes];
        var writableFrom = _random.Below(count + 1);
        for (var i = 0; i < count; i++)
        {
            var entry = table.AsSpan(i * DescriptorBytes, DescriptorBytes);
            var flags = (ushort)((i + 1 < count ? Next : 0) | (i >= writableFrom ? Writable : 0) | (_random.OneIn(24) ? Indirect : 0));
            BinaryPrimitives.WriteUInt64LittleEndian(entry, _values.Pointer());
            BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], (uint)Length());
            BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], flags);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[14..], (ushort)(i + 1));
            if (i < 2 && !_random.OneIn(4))
                program.Add(Header(_values.Structure(BinaryPrimitives.ReadUInt64LittleEndian(entry)), i));
        }
        _available++;
        program.Add(Operation.WriteMemory(RingsOf(queue), table));
        program.Add(Operation.WriteMemory(RingsOf(queue) + 0x400, [0, 0, (byte)_available, 0, .. new byte[QueueEntries * 2]]));
        program.Add(Operation.Write(AddressSpace.Mmio, _notify.Base + 4UL * (ulong)queue, 2, (ulong)queue));
    }

    private Operation Header(in Operation structure, int number)
    {
        if (number > 0 || _words.Length == 0 || _random.OneIn(4))
            return structure;
        var data = (byte[])structure.Data.Clone();
        BinaryPrimitives.WriteUInt32LittleEndian(data, _words[_random.Below(_words.Length)]);
        return Operation.WriteMemory(structure.Address, data);
    }

    private int Length() => _random.Below(6) switch
    {
        0 => 1 + _random.Below(16),
        1 => 16,
        2 => 512,
        3 => 8 * (1 + _random.Below(16)),
        4 => 0x1000,
        _ => _random.Below(0x10000),
    };
}
