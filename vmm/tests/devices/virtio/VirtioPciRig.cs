using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>A virtio driver as a guest writes one: through configuration space and BARs alone.</summary>
internal sealed class VirtioPciRig
{
    public const uint Slot = 2;
    public const byte Acknowledge = 1, DriverStatus = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 0x40;

    private readonly Bench _bench;

    public VirtioPciRig(Func<IGuestMemory, IClock, VirtioDevice> make, IEventDelivery? events = null)
    {
        _bench = DeviceCatalogue.NewVirtio(make, Msi, Memory, events);
        Transport = _bench.Devices.OfType<VirtioPci>().Single();
        Transport.Function.ConnectInterrupt(1, Intx, 11);
        Modern = Config(0x10) & ~0xfu;
        Msix = Config(0x14) & ~0xfu;
        WriteConfig(4, 6);
    }

    public ArrayMemory Memory { get; } = new(1 << 20);

    public RecordingMsi Msi { get; } = new();

    public RecordingLine Intx { get; } = new();

    public VirtioPci Transport { get; }

    public uint Modern { get; }

    public uint Msix { get; }

    public Gauntlet.Vmm.Machines.ManualClock Clock => _bench.Clock;

    public uint Config(uint register)
    {
        _bench.Bus.WritePort(0xcf8, 4, 0x80000000 | Slot << 11 | (register & ~3u));
        return _bench.Bus.ReadPort(0xcfc, 4);
    }

    public void WriteConfig(uint register, uint value)
    {
        _bench.Bus.WritePort(0xcf8, 4, 0x80000000 | Slot << 11 | (register & ~3u));
        _bench.Bus.WritePort(0xcfc, 4, value);
    }

    /// <summary>Offset of the n-th capability with an ID; 0 when there is none.</summary>
    public uint FindCapability(byte id, int n = 0)
    {
        for (var at = Config(0x34) & 0xff; at != 0; at = Config(at) >> 8 & 0xff)
        {
            if ((Config(at) & 0xff) == id && n-- == 0)
                return at;
        }
        return 0;
    }

    public ulong Read(uint offset, int size) => _bench.Bus.ReadMmio(Modern + offset, size);

    public void Write(uint offset, int size, ulong value) => _bench.Bus.WriteMmio(Modern + offset, size, value);

    public byte Status => (byte)Read(0x14, 1);

    public void Negotiate(ulong features)
    {
        Write(0x14, 1, 0);
        Write(0x14, 1, Acknowledge | DriverStatus);
        for (uint half = 0; half < 2; half++)
        {
            Write(0x08, 4, half);
            Write(0x0c, 4, (uint)(features >> (int)(half * 32)));
        }
        Write(0x14, 1, Acknowledge | DriverStatus | FeaturesOk);
    }

    /// <summary>Negotiates, sets queue 0 up and starts the device.</summary>
    public RingDriver Start(bool packed = false, ulong features = 0, ushort size = 16, bool msix = false)
    {
        Negotiate(features | VirtioFeature.Version1 | (packed ? VirtioFeature.RingPacked : 0));
        if (msix)
        {
            WriteConfig(FindCapability(0x11), 0x80000000);
            for (uint vector = 0; vector < 2; vector++)
            {
                WriteMsix(vector, 0, 0xfee00000);
                WriteMsix(vector, 8, 0x40 + vector);
                WriteMsix(vector, 12, 0);
            }
            Write(0x10, 2, 0);
        }
        var driver = SetUpQueue(0, packed, size, msix ? 1 : null);
        GoLive();
        return driver;
    }

    /// <summary>Sets a queue up, in its own place in memory; <see cref="Negotiate"/> comes before, <see cref="GoLive"/> after.</summary>
    /// <param name="place">Which place; the queue's number when not given.</param>
    public RingDriver SetUpQueue(int queue, bool packed = false, ushort size = 16, ushort? vector = null, int? place = null)
    {
        var at = (ulong)(place ?? queue) * RingDriver.Spacing;
        Write(0x16, 2, (ulong)queue);
        Write(0x18, 2, size);
        if (vector is { } number)
            Write(0x1a, 2, number);
        Write(0x20, 8, at + RingDriver.Descriptors);
        Write(0x28, 8, at + RingDriver.Driver);
        Write(0x30, 8, at + RingDriver.Device);
        Write(0x1c, 2, 1);
        return packed ? new PackedDriver(Memory, size, at) : new SplitDriver(Memory, size, at);
    }

    public void GoLive() => Write(0x14, 1, Acknowledge | DriverStatus | FeaturesOk | DriverOk);

    public void WriteMsix(uint vector, uint field, uint value) => _bench.Bus.WriteMmio(Msix + vector * 16 + field, 4, value);

    public ulong ReadMsix(uint offset, int size) => _bench.Bus.ReadMmio(Msix + offset, size);

    public void Notify(int queue = 0) => Write(0x3000 + (uint)queue * 4, 2, (ulong)queue);
}
