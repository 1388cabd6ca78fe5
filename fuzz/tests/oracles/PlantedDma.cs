using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Tests.Oracles;

/// <summary>A device whose DMA reaches whatever is at an address, registers too.</summary>
internal sealed class PlantedDma : IMmioDevice, IResettable
{
    public const ulong Registers = 0xfe000000, OtherRegisters = 0xfe001000;

    private const ulong AddressOffset = 0, ReadOffset = 8, WriteOffset = 0xc, RegionBytes = 0x10;
    private const int Bytes = 4;

    private readonly string _name;
    private readonly IoBus _bus;
    private readonly GuestMemory _memory;
    private readonly ManualClock? _clock;
    private readonly IClockTimer? _timer;
    private ulong _address, _value;

    /// <param name="clock">Null: it copies at once.</param>
    public PlantedDma(string name, IoBus bus, GuestMemory memory, ManualClock? clock)
    {
        (_name, _bus, _memory, _clock) = (name, bus, memory, clock);
        _timer = clock?.CreateTimer(Store);
    }

    public string Name => _name;

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("registers", AddressSpace.Mmio, RegionBytes, [new Register("ADDRESS", (int)AddressOffset, 8), new Register("FROM", (int)ReadOffset, 4), new Register("TO", (int)WriteOffset, 4)]),
    ];

    /// <summary>Two such devices and some RAM, as a target whose programs aim at <paramref name="aim"/>, at RAM, or at nothing.</summary>
    /// <param name="isLater">They copy when a timer fires, not within the access that asks for it.</param>
    public static DeviceTarget Target(ulong aim, bool isLater)
    {
        var bus = new IoBus();
        var clock = new ManualClock(DateTime.UnixEpoch, bus.DeviceLock);
        var memory = new GuestMemory([new GuestRam("ram", 0, 1 << 16)]);
        PlantedDma[] devices = [new("planted", bus, memory, isLater ? clock : null), new("other", bus, memory, isLater ? clock : null)];
        bus.MapMmio(devices[0], 0, Registers);
        bus.MapMmio(devices[1], 0, OtherRegisters);
        return new DeviceTarget(bus, devices, [], clock, memory, memory, (random, program) =>
        {
            program.Add(Operation.Write(AddressSpace.Mmio, Registers + AddressOffset, 8, random.Below(3) switch { 0 => aim, 1 => random.Next(), _ => (ulong)random.Below(1 << 12) }));
            program.Add(random.OneIn(2) ? Operation.Read(AddressSpace.Mmio, Registers + ReadOffset, 4) : Operation.Write(AddressSpace.Mmio, Registers + WriteOffset, 4, random.Next()));
            program.Add(Operation.ClockStep(1_000));
        });
    }

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        if (offset != ReadOffset || _timer is not null)
            return offset == AddressOffset ? _address : 0;
        Span<byte> bytes = stackalloc byte[Bytes];
        return _memory.TryRead(_address, bytes) ? BitConverter.ToUInt32(bytes) : _bus.ReadMmio(_address, Bytes);
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if (offset == AddressOffset)
            _address = value;
        if (offset != WriteOffset)
            return;
        _value = value;
        if (_timer is null)
            Store();
        else
            _timer.Arm(_clock!.NowNs + 10);
    }

    public void Reset()
    {
        (_address, _value) = (0, 0);
        _timer?.Cancel();
    }

    private void Store()
    {
        if (!_memory.TryWrite(_address, BitConverter.GetBytes((uint)_value)))
            _bus.WriteMmio(_address, Bytes, _value);
    }
}
