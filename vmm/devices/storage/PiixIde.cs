using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Pci;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>The PIIX3's IDE function: two channels at the addresses of the PC/AT, and bus masters behind a base address register.</summary>
/// <remarks>
/// Intel 82371SB (PIIX3) data sheet, 2.3 (registers of function 1; the timings at 0x40 to 0x43 are kept and time nothing), 2.7 (bus master registers).
/// The channels are decoded whatever the timing registers' enable bits say, as firmware has it.
/// </remarks>
public sealed class PiixIde : IPortDevice, IResettable, IResumable, ISaveable, IDisposable
{
    public const int PrimaryRegion = 0, PrimaryControlRegion = 1, SecondaryRegion = 2, SecondaryControlRegion = 3, BusMasterRegion = 4;

    /// <summary>Where the channels are, and their interrupts.</summary>
    public const ushort PrimaryPort = 0x1f0, PrimaryControlPort = 0x3f6, SecondaryPort = 0x170, SecondaryControlPort = 0x376;

    public const int PrimaryIrq = 14, SecondaryIrq = 15;

    /// <summary>Bytes of the bus masters' registers.</summary>
    public const int BusMasterBytes = 16;

    private const int ChannelCount = 2, BusMasterBar = 4, TimingOffset = 0x40, TimingBytes = 4;
    private const uint CommandOffset = 0, StatusOffset = 2, TableOffset = 4, ChannelStride = 8;

    private readonly IdeChannel[] _channels = new IdeChannel[ChannelCount];

    /// <param name="busMasterPort">What firmware gives the bus masters' registers; 0 for none.</param>
    public PiixIde(IoBus bus, IGuestMemory memory, IIrqLine primary, IIrqLine secondary, uint busMasterPort)
    {
        Function = new PciFunction(bus, new PciIdentity(0x8086, 0x7010, 0x01, 0x01, Interface: 0x80) { SubsystemVendor = 0x1af4, Subsystem = 0x1100 },
            this, new PciBar(BusMasterRegion, busMasterPort) { Index = BusMasterBar });
        for (var i = 0; i < TimingBytes; i++)
            Function.SetRegister(TimingOffset + i, 0, 0xff);
        for (var i = 0; i < ChannelCount; i++)
            _channels[i] = new IdeChannel(i == 0 ? primary : secondary, new BusMasterIde(memory, () => Function.IsBusMaster));
        bus.MapPorts(this, PrimaryRegion, PrimaryPort);
        bus.MapPorts(this, PrimaryControlRegion, PrimaryControlPort);
        bus.MapPorts(this, SecondaryRegion, SecondaryPort);
        bus.MapPorts(this, SecondaryControlRegion, SecondaryControlPort);
    }

    public string Name => "piix3-ide";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        NewCommandRegion("primary"), NewControlRegion("primary-control"), NewCommandRegion("secondary"), NewControlRegion("secondary-control"),
        new("bus-master", AddressSpace.Port, BusMasterBytes,
        [
            new("BMICP", CommandOffset, 1, RegisterAccess.ReadWrite, 0, "0 start, 3 to memory"),
            new("BMISP", StatusOffset, 1, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0, "0 active, 1 error, 2 interrupt"),
            new("BMIDTPP", TableOffset, 4, RegisterAccess.ReadWrite, 0),
            new("BMICS", ChannelStride + CommandOffset, 1, RegisterAccess.ReadWrite, 0),
            new("BMISS", ChannelStride + StatusOffset, 1, RegisterAccess.ReadWrite | RegisterAccess.WriteOneToClear, 0),
            new("BMIDTPS", ChannelStride + TableOffset, 4, RegisterAccess.ReadWrite, 0),
        ]),
    ];

    public PciFunction Function { get; }

    public int StateVersion => 2;

    /// <summary>Plugs a drive in.</summary>
    /// <param name="channel">0 or 1; null for the first with room.</param>
    /// <param name="unit">0 or 1; null for the first free.</param>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public void Add(AtaDrive drive, int? channel, int? unit)
    {
        for (var i = 0; i < ChannelCount; i++)
        {
            for (var j = 0; j < IdeChannel.DriveCount; j++)
            {
                if ((channel ?? i) == i && (unit ?? j) == j && _channels[i].TryAdd(j, drive))
                    return;
            }
        }
        throw new InvalidOperationException(channel is { } at && unit is { } which
            ? $"unit {which} of IDE bus {at} is taken"
            : $"the IDE {(channel is { } full ? $"bus {full} has" : "buses have")} no room for another drive");
    }

    public uint ReadPort(int region, uint offset, int size)
    {
        if (region == BusMasterRegion)
            return ReadBusMaster(offset, size);
        var channel = _channels[region / 2];
        return region % 2 == 0 ? channel.Read(offset, size) : channel.ReadAlternateStatus();
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (region == BusMasterRegion)
            WriteBusMaster(offset, size, value);
        else if (region % 2 == 0)
            _channels[region / 2].Write(offset, size, value);
        else
            _channels[region / 2].WriteControl((byte)value);
    }

    public void OnResume()
    {
        foreach (var channel in _channels)
        {
            foreach (var drive in channel.Drives)
                drive.Retry();
        }
    }

    public void Reset()
    {
        foreach (var channel in _channels)
            channel.Reset();
    }

    public void Save(StateWriter writer)
    {
        foreach (var channel in _channels)
            channel.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        foreach (var channel in _channels)
            channel.Load(ref reader);
    }

    public void Dispose()
    {
        foreach (var channel in _channels)
        {
            foreach (var drive in channel.Drives)
                (drive as IDisposable)?.Dispose();
        }
    }

    private static RegisterMap NewCommandRegion(string name) => new(name, AddressSpace.Port, 8,
    [
        new("DATA", 0, 4, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect, null, "two bytes, or four"),
        new("ERROR", 1, 1, RegisterAccess.Read),
        new("FEATURES", 1, 1, RegisterAccess.Write),
        new("SECTOR_COUNT", 2, 1),
        new("LBA_LOW", 3, 1),
        new("LBA_MID", 4, 1),
        new("LBA_HIGH", 5, 1),
        new("DEVICE", 6, 1, RegisterAccess.ReadWrite, null, "0-3 LBA 24-27, 4 drive 1, 6 LBA"),
        new("STATUS", 7, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect),
        new("COMMAND", 7, 1, RegisterAccess.Write),
    ]);

    private static RegisterMap NewControlRegion(string name) => new(name, AddressSpace.Port, 1,
    [
        new("ALTERNATE_STATUS", 0, 1, RegisterAccess.Read),
        new("DEVICE_CONTROL", 0, 1, RegisterAccess.Write, null, "1 no interrupt, 2 reset, 7 previous values"),
    ]);

    private uint ReadBusMaster(uint offset, int size)
    {
        var busMaster = _channels[offset / ChannelStride].BusMaster;
        var registers = busMaster.Command | (ulong)busMaster.Status << 16 | (ulong)busMaster.Table << 32;
        return (uint)(registers >> (int)(offset % ChannelStride * 8)) & uint.MaxValue >> (32 - size * 8);
    }

    private void WriteBusMaster(uint offset, int size, uint value)
    {
        var channel = _channels[offset / ChannelStride];
        var busMaster = channel.BusMaster;
        var at = offset % ChannelStride;
        if (at >= TableOffset)
        {
            var shift = (int)(at - TableOffset) * 8;
            var mask = (uint.MaxValue >> (32 - size * 8)) << shift;
            busMaster.Table = ((busMaster.Table & ~mask) | (value << shift & mask)) & ~3u;
            return;
        }
        for (var i = 0u; i < size; i++)
        {
            var part = (byte)(value >> (int)(i * 8));
            if (at + i == CommandOffset)
                channel.WriteBusMasterCommand(part);
            else if (at + i == StatusOffset)
                busMaster.Status = (byte)((busMaster.Status & ~BusMasterIde.CapableBits & ~(part & (BusMasterIde.ErrorStatus | BusMasterIde.InterruptStatus))) | (part & BusMasterIde.CapableBits));
        }
    }
}
