using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Fuzz.Diverge;

/// <summary>A device that gvmm and QEMU both have, and the programs that they are compared by.</summary>
/// <param name="Name">As <c>gauntlet fuzz diverge</c> takes it.</param>
/// <param name="Windows">Beginnings of the names of its windows on gvmm's board.</param>
/// <param name="First">Brings both to the same state, whatever they did before.</param>
/// <param name="QemuOptions">That bring it in QEMU.</param>
/// <param name="QemuFirst">Before <paramref name="First"/>, only there: what gvmm's board has done itself.</param>
/// <param name="Append">Adds an operation, or some that belong together: of what the data sheet defines.</param>
/// <param name="IsLegal">False for what no driver does: the shortest program is to be one that counts. Null: everything is legal.</param>
public sealed record DivergenceSubject(
    string Name, IReadOnlyList<string> Windows, IReadOnlyList<Operation> First, IReadOnlyList<string> QemuOptions, IReadOnlyList<Operation> QemuFirst,
    Action<FuzzRandom, List<Operation>> Append, Func<IReadOnlyList<Operation>, bool>? IsLegal = null)
{
    private const ulong RamBytes = 2 << 20;
    private const int DiskBytes = 1 << 20;

    // As long as it may be: a shorter one ends in zeros here, and in nothing there.
    private const string DiskSerial = "0123456789abcdefghij";

    private static readonly DateTime Start = new(2026, 2, 28, 23, 59, 58, DateTimeKind.Utc);

    // Bytes that mean something to one chip or another.
    private static readonly byte[] Telling = [0, 1, 2, 3, 4, 7, 8, 0xa, 0xb, 0xf, 0x10, 0x11, 0x13, 0x20, 0x30, 0x34, 0x36, 0x40, 0x68, 0x80, 0xc1, 0xc2, 0xc7, 0xe2, 0xff];

    public static IReadOnlyList<DivergenceSubject> All { get; } =
    [
        new("isa-serial", ["isa-serial/"],
            // FIFOs off and empty, no divisor access, all read away.
            [.. Outs((0x3fb, 0), (0x3f9, 0), (0x3fa, 7), (0x3fa, 0), (0x3fc, 0), (0x3ff, 0), (0x3fb, 0x80), (0x3f8, 12), (0x3f9, 0), (0x3fb, 3)), .. Ins(0x3f8, 0x3fd, 0x3fe, 0x3fa)],
            ["-S", "-serial", "null"], [], Serial),
        new("isa-pit", ["isa-pit/"],
            // What was latched is read away.
            [.. Ins(0x40, 0x40, 0x40, 0x41, 0x41, 0x41, 0x42, 0x42, 0x42), .. Outs((0x43, 0x34), (0x40, 0), (0x40, 0), (0x43, 0x74), (0x41, 18), (0x41, 0), (0x43, 0xb6), (0x42, 0), (0x42, 0), (0x61, 0))],
            ["-S"], [], Timer, IsLegalForTimer),
        new("mc146818rtc", ["mc146818rtc/"],
            [.. ((int, int)[])[(0xa, 0x26), (0xb, 0x82), (0, 0x58), (2, 0x59), (4, 0x23), (6, 7), (7, 0x28), (8, 2), (9, 0x26), (0x32, 0x20), (1, 0), (3, 0), (5, 0), (0xb, 2)] is var set
                ? set.SelectMany(each => Outs((0x70, each.Item1), (0x71, each.Item2))) : [], .. Outs((0x70, 0xc)), .. Ins(0x71)],
            ["-S"], [], Clock),
        new("i8259", ["isa-i8259/"],
            [.. Outs((0x4d0, 0), (0x4d1, 0), (0x20, 0x11), (0x21, 8), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x70), (0xa1, 2), (0xa1, 1), (0x21, 0), (0xa1, 0)),
                // The serial port and the timer make its edges: OUT2 and an empty holding register are input 4, mode 0 without a count is OUT low.
                .. Outs((0x3fb, 0), (0x3f9, 0), (0x3fa, 0), (0x3fc, 8), (0x43, 0x30))],
            ["-S", "-serial", "null"], [], (random, program) =>
            {
                if (random.OneIn(4))
                    program.Add(Write(0x3f9, random.OneIn(2) ? 2 : 0));
                else
                    Ports((0x20, 2), (0xa0, 2), (0x4d0, 2))(random, program);
            }),
        VirtioPrograms.Subject("virtio-rng", ["-device", "virtio-rng-pci,disable-legacy=on,addr=2"], hasDisk: false),
        VirtioPrograms.Subject("virtio-blk", ["-device", "virtio-blk-pci,disable-legacy=on,addr=2,drive=d0,serial=" + DiskSerial], hasDisk: true),
    ];

    /// <summary>A disk of the same bytes on both sides.</summary>
    internal static byte[] Disk()
    {
        var bytes = new byte[DiskBytes];
        var random = new FuzzRandom(2026);
        for (var i = 0; i < bytes.Length; i += 8)
            BitConverter.TryWriteBytes(bytes.AsSpan(i), random.Next());
        return bytes;
    }

    private static MemoryImage NewDisk()
    {
        var image = new MemoryImage(DiskBytes);
        Disk().CopyTo(image.Content);
        return image;
    }

    /// <summary>gvmm's side: a pc in this process, whose time stands still.</summary>
    public DeviceTarget NewBoard()
    {
        var board = new PcBoard(
            new PcConfig
            {
                Accelerators = [new AcceleratorChoice("tcg", new Dictionary<string, string>())],
                RamBytes = RamBytes,
                SerialPorts = [NullSerialBackend.Instance],
                StartUtc = Start,
            },
            static _ => { });
        var machine = board.Machine;
        if (Name == "virtio-rng")
            board.AddVirtio(new VirtioRng(machine.Memory, machine.Clock, HostEntropy.Instance));
        else if (Name == "virtio-blk")
            board.AddVirtio(new VirtioBlk(machine.Memory, machine.Clock, NewDisk(), DiskSerial));
        return new DeviceTarget(machine.Bus, machine.Devices, [], memory: machine.Memory, owner: board);
    }

    /// <summary>QEMU's side: a pc whose vCPU and virtual clock stand still, or, for devices that only work while it runs, whose firmware is a HLT.</summary>
    /// <param name="disk">Path of a copy of <see cref="Disk"/>.</param>
    public QemuCommand NewCommand(string program, string disk)
    {
        var options = new List<string>(["-rtc", $"base={Start:yyyy-MM-ddTHH:mm:ss},clock=vm"]);
        if (Name == "virtio-blk")
            options.AddRange(["-drive", $"if=none,id=d0,file={disk},format=raw,cache=unsafe"]);
        return new QemuCommand(program, "pc", [.. options, .. QemuOptions]);
    }

    internal static Operation Write(int port, int value) => Operation.Write(AddressSpace.Port, (ulong)port, 1, (ulong)value);

    internal static Operation Read(int port) => Operation.Read(AddressSpace.Port, (ulong)port, 1);

    internal static byte Value(FuzzRandom random) => random.OneIn(2) ? Telling[random.Below(Telling.Length)] : (byte)random.Next();

    private static List<Operation> Outs(params IEnumerable<(int Port, int Value)> writes) => [.. writes.Select(write => Write(write.Port, write.Value))];

    private static List<Operation> Ins(params IEnumerable<int> ports) => [.. ports.Select(Read)];

    private static Action<FuzzRandom, List<Operation>> Ports(int first, int count) => Ports((first, count));

    private static Action<FuzzRandom, List<Operation>> Ports(params (int First, int Count)[] runs)
    {
        var ports = runs.SelectMany(run => Enumerable.Range(run.First, run.Count)).ToArray();
        return (random, program) =>
        {
            var port = ports[random.Below(ports.Length)];
            program.Add(random.OneIn(2) ? Read(port) : Write(port, Value(random)));
        };
    }

    // FCR's other bits count only with bit 0 (PC16550D, 8.4.1).
    private static void Serial(FuzzRandom random, List<Operation> program)
    {
        var port = 0x3f8 + random.Below(8);
        var value = Value(random);
        if (random.OneIn(2))
            program.Add(Read(port));
        else
            program.Add(Write(port, port == 0x3fa && (value & 1) == 0 ? 0 : value));
    }

    // A count comes with its control word, as when one alone is taken over differs and time stands still; a read takes all bytes of what it reads.
    private static void Timer(FuzzRandom random, List<Operation> program)
    {
        var counter = random.Below(3);
        var control = program.FindLast(operation => operation is { Kind: OperationKind.Write, Address: 0x43 } && (int)operation.Value >> 6 == counter && (operation.Value & 0x30) != 0);
        // Before the first: as the beginning sets them.
        var bytes = control.Kind == OperationKind.Write && (control.Value >> 4 & 3) != 3 ? 1 : 2;
        var count = Enumerable.Repeat(Read(0x40 + counter), bytes);
        switch (random.Below(8))
        {
            case 0:
                program.Add(Write(0x61, random.Below(16)));
                break;
            case 1:
                program.Add(Read(0x61));
                break;
            case 2:
                program.Add(Write(0x43, counter << 6));
                program.AddRange(count);
                break;
            case 3:
                // Read-back of the status, or of both.
                var both = random.OneIn(2);
                program.Add(Write(0x43, (both ? 0xc0 : 0xe0) | 2 << counter));
                program.Add(Read(0x40 + counter));
                if (both)
                    program.AddRange(count);
                break;
            case 4 or 5:
                program.AddRange(count);
                break;
            default:
                var access = 1 + random.Below(3);
                program.Add(Write(0x43, counter << 6 | access << 4 | random.Below(6) << 1));
                // A count of 1 has no period (8254, "Mode Definitions").
                program.Add(Write(0x40 + counter, Math.Max(Value(random), (byte)2)));
                if (access == 3)
                    program.Add(Write(0x40 + counter, Value(random)));
                break;
        }
    }

    private static bool IsLegalForTimer(IReadOnlyList<Operation> program)
    {
        Span<int> writes = [0, 0, 0], reads = [2, 2, 2], left = [0, 0, 0], latched = [0, 0, 0];
        foreach (var operation in program)
        {
            var counter = (int)operation.Address - 0x40;
            if (operation is { Kind: OperationKind.Write, Address: 0x43 })
            {
                counter = (int)operation.Value >> 6;
                if (counter == 3)
                {
                    for (var each = 0; each < 3; each++)
                        latched[each] += (operation.Value >> (each + 1) & 1) != 0 ? 1 : 0;
                }
                else if ((operation.Value >> 4 & 3) is > 0 and var access)
                {
                    (writes[counter], reads[counter]) = access == 3 ? (2, 2) : (1, 1);
                    if (left[counter] != 0 || latched[counter] != 0)
                        return false;
                }
                if (counter < 3 && left[counter] != 0)
                    return false;
            }
            else if (counter is < 0 or > 2)
            {
                continue;
            }
            else if (operation.Kind == OperationKind.Write && --writes[counter] < 0)
            {
                return false;
            }
            else if (operation.Kind == OperationKind.Read && writes[counter] > 0)
            {
                // Nothing is counted before the count is there.
                return false;
            }
            else if (operation.Kind == OperationKind.Read && latched[counter] > 0)
            {
                latched[counter]--;
            }
            else if (operation.Kind == OperationKind.Read)
            {
                left[counter] = left[counter] == 0 ? reads[counter] - 1 : left[counter] - 1;
            }
        }
        return true;
    }

    // Index and data belong together; times are in their range and in one format, as nothing else is defined.
    private static void Clock(FuzzRandom random, List<Operation> program)
    {
        var (index, most) = ((int, int)[])[(0, 59), (1, 59), (2, 59), (3, 59), (4, 23), (5, 23), (6, 7), (7, 28), (8, 12), (9, 99), (0xa, 0), (0xb, 0), (0xc, 0), (0xd, 0), (0x20, 255)] is var registers
            ? registers[random.Below(registers.Length)] : default;
        program.Add(Write(0x70, index | (random.OneIn(8) ? 0x80 : 0)));
        var least = index is 6 or 7 or 8 ? 1 : 0;
        var number = least + random.Below(most - least + 1);
        if (index == 0x20)
            program.AddRange([Write(0x71, Value(random)), Read(0x71)]);
        else if (random.OneIn(2) || index is 0xc or 0xd)
            program.Add(Read(0x71));
        else
            program.Add(Write(0x71, index switch { 0xa => 0x20 | random.Below(16), 0xb => 2 | random.Below(16) << 4, _ => number / 10 << 4 | number % 10 }));
    }
}
