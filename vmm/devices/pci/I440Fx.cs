using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// The host bridge's way to PCI configuration space (mechanism 1) on one bus, and the reset control register that sits inside its ports.
/// </summary>
/// <remarks>
/// Intel 82441FX (440FX) data sheet, 3.1 (CONFADD, CONFDATA); reset control: 82371SB (PIIX3) data sheet, 2.5.8 (RC, 0xcf9). A byte at 0xcf9 is the
/// reset control register, a doubleword at 0xcf8 the configuration address; no other access to 0xcf8-0xcfb does anything.
/// </remarks>
public sealed class I440Fx : IPortDevice, IResettable, ISaveable
{
    public const ushort BasePort = 0xcf8;

    private const int SlotCount = 32, FunctionCount = 8;
    private const uint Enable = 1u << 31, AddressMask = 0x80fffffc;
    private const uint ResetControlOffset = 1, DataOffset = 4;
    private const byte ResetSystem = 2, ResetCpu = 4, ResetWritable = 6;

    private readonly PciFunction?[] _functions = new PciFunction?[SlotCount * FunctionCount];
    private readonly IMachineControl _machine;
    private uint _address;
    private byte _resetControl;

    public I440Fx(IMachineControl machine) => _machine = machine;

    public string Name => "i440FX-pcihost";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("config", AddressSpace.Port, 8,
        [
            new("CONFADD", 0, 4, RegisterAccess.ReadWrite, 0, "31 enable, 16-23 bus, 11-15 device, 8-10 function, 2-7 register"),
            new("RC", 1, 1, RegisterAccess.ReadWrite, 0, "2 reset CPU, 1 hard reset"),
            new("CONFDATA", 4, 4),
        ]),
    ];

    public int StateVersion => 1;

    /// <summary>Puts a function into a slot.</summary>
    /// <param name="slot">0 to 31.</param>
    /// <param name="function">0 to 7.</param>
    /// <exception cref="InvalidOperationException">It is taken.</exception>
    public void Add(int slot, int function, PciFunction config)
    {
        ref var place = ref _functions[slot * FunctionCount + function];
        if (place is not null)
            throw new InvalidOperationException($"PCI slot {slot:x2}.{function} is taken");
        place = config;
    }

    /// <summary>The first slot without a function 0, from the third on; -1 when there is none.</summary>
    public int FindFreeSlot()
    {
        for (var slot = 2; slot < SlotCount; slot++)
        {
            if (_functions[slot * FunctionCount] is null)
                return slot;
        }
        return -1;
    }

    public uint ReadPort(int region, uint offset, int size)
    {
        if (offset >= DataOffset)
            return Selected() is { } function ? function.Read(ConfigOffset(offset), size) : uint.MaxValue;
        if (offset == 0 && size == 4)
            return _address;
        return offset == ResetControlOffset && size == 1 ? _resetControl : uint.MaxValue;
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (offset >= DataOffset)
            Selected()?.Write(ConfigOffset(offset), size, value);
        else if (offset == 0 && size == 4)
            _address = value & AddressMask;
        else if (offset == ResetControlOffset && size == 1)
            WriteResetControl((byte)value);
    }

    public void Reset()
    {
        (_address, _resetControl) = (0, 0);
        foreach (var function in _functions)
            function?.Reset();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_address);
        writer.Byte(_resetControl);
        foreach (var function in _functions)
            function?.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _address = reader.UInt32() & AddressMask;
        _resetControl = (byte)(reader.Byte() & ResetWritable);
        foreach (var function in _functions)
            function?.Load(ref reader);
    }

    private int ConfigOffset(uint offset) => (int)((_address & 0xfc) | (offset - DataOffset));

    private PciFunction? Selected()
    {
        var onThisBus = (_address & Enable) != 0 && (_address >> 16 & 0xff) == 0;
        return onThisBus ? _functions[_address >> 8 & 0xff] : null;
    }

    // The reset happens when RCPU goes from 0 to 1.
    private void WriteResetControl(byte value)
    {
        var rising = (value & ~_resetControl & ResetCpu) != 0;
        _resetControl = (byte)(value & ResetSystem);
        if (rising)
            _machine.RequestReset();
    }
}
