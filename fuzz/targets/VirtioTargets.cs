using System.Buffers.Binary;
using Gauntlet.Fuzz.Diverge;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Every virtio device behind a transport, with memory for its queues and a host's side that programs move by <see cref="HostSide"/>.</summary>
internal static class VirtioTargets
{
    private const int RamBytes = 0x10000, DiskBytes = 1 << 14, PciDevice = 2;
    private const ushort HostPort = 0x700;
    private const ulong MmioBase = 0xfeb00000;
    private const uint RingFeatures = (uint)(VirtioFeature.IndirectDescriptors | VirtioFeature.EventIndex);

    private static readonly DateTime s_start = new(2026, 2, 28, 23, 59, 58, DateTimeKind.Utc);

    public static DeviceTarget NewRng() => OnPci((memory, clock, _) => (new VirtioRng(memory, clock, CountingEntropy.Instance), null), new VirtioKind(0, [0], 0, AskForBytes));

    public static DeviceTarget NewBlk(bool isMmio = false)
    {
        var image = new MemoryImage(DiskBytes);
        var kind = new VirtioKind(uint.MaxValue & ~RingFeatures, [0], 60, AskForSectors);
        (VirtioDevice, HostSide?) Make(IGuestMemory memory, IClock clock, IoBus bus) => (new VirtioBlk(memory, clock, image), null);
        return isMmio ? OnMmio(Make, kind, Clear) : OnPci(Make, kind, Clear);

        void Clear() => image.Content.Clear();
    }

    public static DeviceTarget NewNet()
    {
        var link = new LoopedLink();
        return OnPci((memory, clock, _) =>
        {
            var device = new VirtioNet(memory, clock, link, MacAddress.Default(0));
            return (device, new HostSide((offset, value) =>
            {
                // The link, or a frame from elsewhere of as many bytes.
                if (offset == 0)
                    link.IsUp = (value & 1) == 0;
                else
                    link.Arrive((int)(value & ushort.MaxValue));
                device.Poll();
            }));
        }, new VirtioKind(uint.MaxValue & ~RingFeatures, [0, 1, 2], 8, SendFrames), link.Clear);
    }

    public static DeviceTarget NewSerial()
    {
        LoopedStream[] streams = [new(), new()];
        return OnPci((memory, clock, _) =>
        {
            var device = new VirtioSerial(memory, clock);
            device.AddPort(null, "", isConsole: true, streams[0]);
            device.AddPort(null, "org.example.port", isConsole: false, streams[1]);
            return (device, new HostSide((offset, value) =>
            {
                var stream = streams[offset & 1];
                if ((value & 0x100) != 0)
                    stream.IsOpen = !stream.IsOpen;
                stream.Arrive((int)(value & byte.MaxValue));
                device.Poll();
            }));
        }, new VirtioKind(uint.MaxValue & ~RingFeatures, [0, 1, 2, 3, 4, 5], 12, SendStreams), () => Array.ForEach(streams, static stream => stream.Clear()));
    }

    public static DeviceTarget NewBalloon() => OnPci((memory, clock, _) =>
    {
        var device = new VirtioBalloon(memory, clock, new PageCheck(memory));
        return (device, new HostSide((_, value) => device.SetTarget(value)));
    }, new VirtioKind(uint.MaxValue & ~RingFeatures, [0, 1], 8, GivePages));

    public static DeviceTarget NewVsock() => OnPci((memory, clock, _) => (new VirtioVsock(memory, clock, EchoingVsock.Instance, VirtioVsock.MinGuestCid), null), new VirtioKind(0, [0, 1, 2], 8, SendPackets));

    private static DeviceTarget OnPci(Func<IGuestMemory, IClock, IoBus, (VirtioDevice, HostSide?)> make, VirtioKind kind, Action? restart = null)
    {
        var (bus, clock, memory, dma) = NewMachine();
        var (device, side) = make(dma, clock, bus);
        var next = (uint)VirtioPrograms.Modern;
        var transport = new VirtioPci(device, bus, NoMessages.Instance, bytes => (next += (uint)bytes) - (uint)bytes);
        var host = new PciHost(NoMachine.Instance);
        host.Add(0, 0, new PciFunction(bus, new PciIdentity(0x8086, 0x1237, 6, 0)));
        host.Add(PciDevice, 0, transport.Function);
        bus.MapPorts(host, 0, PciHost.BasePort);
        return NewTarget(bus, [host, transport], [], side, clock, memory, dma, transport, new VirtioForm(VirtioTransport.Pci.WithWindowOf(transport.Function, PciDevice), kind), restart);
    }

    private static DeviceTarget OnMmio(Func<IGuestMemory, IClock, IoBus, (VirtioDevice, HostSide?)> make, VirtioKind kind, Action? restart)
    {
        var (bus, clock, memory, dma) = NewMachine();
        var (device, side) = make(dma, clock, bus);
        var line = new SampledLine();
        var transport = new VirtioMmio(device, line);
        bus.MapMmio(transport, 0, MmioBase);
        return NewTarget(bus, [transport], [line], side, clock, memory, dma, transport, new VirtioForm(VirtioTransport.Mmio(MmioBase), kind), restart);
    }

    private static (IoBus Bus, ManualClock Clock, GuestMemory Memory, DmaMemory Dma) NewMachine()
    {
        var bus = new IoBus();
        var memory = new GuestMemory([new GuestRam("ram", VirtioPrograms.Arena, RamBytes)]);
        return (bus, new ManualClock(s_start, bus.DeviceLock), memory, new DmaMemory(memory));
    }

    private static DeviceTarget NewTarget(
        IoBus bus, List<IDevice> devices, IReadOnlyList<SampledLine> lines, HostSide? side, ManualClock clock, GuestMemory memory, DmaMemory dma, IDisposable transport, VirtioForm form, Action? restart)
    {
        if (side is not null)
        {
            bus.MapPorts(side, 0, HostPort);
            devices.Add(side);
        }
        return new DeviceTarget(bus, devices, lines, clock, memory, transport, form.Append, restart, dma);
    }

    private static void AskForBytes(FuzzRandom random, VirtioChain chain, int queue)
    {
        for (var left = 1 + random.Below(3); left > 0; left--)
            chain.In(1 + (uint)random.Below(random.OneIn(4) ? 2_000 : 256));
    }

    // 5.2.6: header, data, status; discard and write zeroes have ranges for data.
    private static void AskForSectors(FuzzRandom random, VirtioChain chain, int queue)
    {
        Span<byte> header = stackalloc byte[16];
        header.Clear();
        ReadOnlySpan<byte> types = [0, 0, 1, 1, 4, 8, 8, 11, 13, 2, 99];
        var type = types[random.Below(types.Length)];
        header[0] = type;
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Sector(random));
        chain.Out(header);
        switch (type)
        {
            case 11 or 13:
                Span<byte> ranges = stackalloc byte[64];
                var count = 1 + random.Below(4);
                for (var i = 0; i < count; i++)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(ranges[(i * 16)..], Sector(random));
                    BinaryPrimitives.WriteUInt32LittleEndian(ranges[(i * 16 + 8)..], random.OneIn(6) ? (uint)random.Next() : (uint)random.Below(40));
                    BinaryPrimitives.WriteUInt32LittleEndian(ranges[(i * 16 + 12)..], (uint)random.Below(3));
                }
                chain.Out(ranges[..(count * 16 - (random.OneIn(8) ? 1 : 0))]);
                break;
            case 8:
                chain.In(random.OneIn(2) ? 20 : (uint)random.Below(600));
                break;
            case 4:
                break;
            default:
                for (var left = random.Below(3); left > 0; left--)
                {
                    var length = random.OneIn(6) ? 1 + random.Below(1_000) : 512;
                    if (type == 1)
                        chain.Out([], length);
                    else
                        chain.In((uint)length);
                }
                break;
        }
        chain.In(1);
    }

    // Within the disk mostly; its end; anywhere.
    private static ulong Sector(FuzzRandom random) => random.Below(8) switch
    {
        0 => random.Next(),
        1 => DiskBytes / 512 - 1 + (ulong)random.Below(3),
        2 => ulong.MaxValue - (ulong)random.Below(8),
        _ => (ulong)random.Below(DiskBytes / 512),
    };

    // 5.1.6: a header of 12 bytes before each frame; commands of class, command, data and one byte for the answer.
    private static void SendFrames(FuzzRandom random, VirtioChain chain, int queue)
    {
        const int HeaderBytes = 12;
        Span<byte> bytes = stackalloc byte[80];
        switch (queue)
        {
            case 0:
                for (var left = 1 + random.Below(3); left > 0; left--)
                    chain.In(random.OneIn(3) ? (uint)random.Below(80) : 256 + (uint)random.Below(1_500));
                break;
            case 1:
                bytes.Clear();
                // To itself, to all, to a group, to another; a VLAN's sometimes.
                var to = random.Below(4) switch { 0 => MacAddress.Default(0), 1 => MacAddress.Broadcast, 2 => new MacAddress(0x3333_0000_0001), _ => MacAddress.Default(1) };
                to.Write(bytes[HeaderBytes..]);
                MacAddress.Default(1).Write(bytes[(HeaderBytes + 6)..]);
                (bytes[HeaderBytes + 12], bytes[HeaderBytes + 13], bytes[HeaderBytes + 15]) = random.OneIn(3) ? ((byte)0x81, (byte)0, (byte)random.Below(4)) : ((byte)8, (byte)0, (byte)0);
                var length = random.OneIn(6) ? random.Below(bytes.Length) : HeaderBytes + 14 + random.Below(50);
                chain.Out(bytes[..HeaderBytes]);
                chain.Out(bytes[HeaderBytes..Math.Max(length, HeaderBytes + 1)]);
                if (random.OneIn(3))
                    chain.Out([], random.Below(66_000));
                break;
            default:
                var command = (byte)random.Below(5);
                var number = (byte)random.Below(7);
                chain.Out([command, number]);
                // Tables of addresses: a count of 32 bits, then six bytes each.
                var data = random.Below(4);
                for (var table = 0; table < Math.Max(data, 1); table++)
                {
                    var entries = random.OneIn(6) ? (uint)random.Next() : (uint)random.Below(6);
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes, command == 1 && number == 0 ? entries : (uint)random.Below(5_000));
                    for (var i = 0; i < 6; i++)
                        MacAddress.Default(i).Write(bytes[(4 + i * 6)..]);
                    var size = command switch { 0 => 1, 2 => 2, 1 when number == 1 => 6, _ => 4 + (int)Math.Min(entries, 6) * 6 };
                    chain.Out(bytes[..Math.Clamp(size - (random.OneIn(8) ? 1 : 0), 1, bytes.Length)]);
                }
                chain.In(1);
                break;
        }
    }

    // 5.3.6: control messages are port, event and value; the other queues are plain bytes.
    private static void SendStreams(FuzzRandom random, VirtioChain chain, int queue)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (queue == 3)
        {
            bytes.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, random.OneIn(8) ? (uint)random.Next() : (uint)random.Below(3));
            BinaryPrimitives.WriteUInt16LittleEndian(bytes[4..], (ushort)random.Below(9));
            BinaryPrimitives.WriteUInt16LittleEndian(bytes[6..], (ushort)random.Below(3));
            chain.Out(bytes[..(random.OneIn(8) ? 1 + random.Below(15) : 8)]);
        }
        else if ((queue & 1) == 0)
        {
            for (var left = 1 + random.Below(3); left > 0; left--)
                chain.In(1 + (uint)random.Below(300));
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, random.Next());
            chain.Out(bytes[..(1 + random.Below(8))]);
            if (random.OneIn(4))
                chain.Out([], 1 + random.Below(random.OneIn(4) ? 200_000 : 400));
        }
    }

    // 5.10.6: a header of 44 bytes before what is sent: addresses, ports, length, type, operation, flags, credit.
    private static void SendPackets(FuzzRandom random, VirtioChain chain, int queue)
    {
        const ulong HostCid = 2;
        if (queue != 1)
        {
            chain.In(random.OneIn(4) ? (uint)random.Below(60) : 256);
            return;
        }
        Span<byte> header = stackalloc byte[44];
        header.Clear();
        var length = random.Below(3) == 0 ? random.Below(200) : 0;
        BinaryPrimitives.WriteUInt64LittleEndian(header, random.OneIn(16) ? random.Next() : VirtioVsock.MinGuestCid);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], random.OneIn(16) ? random.Next() : HostCid);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], (uint)random.Below(3));
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], (uint)random.Below(3));
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], random.OneIn(12) ? (uint)random.Next() : (uint)length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], (ushort)(random.OneIn(12) ? 2 : 1));
        BinaryPrimitives.WriteUInt16LittleEndian(header[30..], (ushort)random.Below(9));
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], (uint)random.Below(4));
        BinaryPrimitives.WriteUInt32LittleEndian(header[36..], random.OneIn(3) ? (uint)random.Next() : 1_024);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], random.OneIn(3) ? (uint)random.Next() : 0);
        chain.Out(header);
        if (length > 0)
            chain.Out([], length);
    }

    // 5.5.6: numbers of pages of 4 KiB.
    private static void GivePages(FuzzRandom random, VirtioChain chain, int queue)
    {
        Span<byte> numbers = stackalloc byte[64];
        for (var i = 0; i < numbers.Length; i += sizeof(uint))
            BinaryPrimitives.WriteUInt32LittleEndian(numbers[i..], random.OneIn(6) ? (uint)random.Next() : (uint)(VirtioPrograms.Arena / VirtioBalloon.PageBytes) + (uint)random.Below(20));
        for (var left = 1 + random.Below(2); left > 0; left--)
            chain.Out(numbers[..(1 + random.Below(numbers.Length))]);
        if (random.OneIn(8))
            chain.Out([], 1 + random.Below(8_000));
    }
}
