using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// The host bridge's way to PCI configuration space (mechanism 1) on one bus, and the reset control register that sits inside its ports.
/// </summary>
/// <remarks>
/// Intel 82441FX (440FX) data sheet, 3.1 (CONFADD, CONFDATA), and as it Intel 3 Series chip sets, 3.4; reset control: 82371SB (PIIX3) data sheet, 2.5.8
/// (RC, 0xcf9), as ICH9, 13.7.5. A byte at 0xcf9 is the reset control register, a doubleword at 0xcf8 the configuration address; no other access to 0xcf8-0xcfb does anything.
/// </remarks>
public sealed class PciHost : IPortDevice, IResettable, ISaveable
{
    public const ushort BasePort = 0xcf8;

    private const int SlotCount = 32, FunctionCount = 8;
    private const uint Enable = 1u << 31, AddressMask = 0x80ffffff;
    private const uint ResetControlOffset = 1, DataOffset = 4;
    private const byte ResetSystem = 2, ResetCpu = 4, ResetWritable = 6;

    private readonly PciFunction?[] _functions = new PciFunction?[SlotCount * FunctionCount];

    // Those that there are, in the order of their slots.
    private PciFunction[] _present = [];
    private readonly IMachineControl _machine;
    private uint _address;
    private byte _resetControl;

    /// <param name="name">As QEMU names the chip set's: <c>i440FX-pcihost</c>.</param>
    public PciHost(IMachineControl machine, string name = "i440FX-pcihost") => (_machine, Name) = (machine, name);

    public string Name { get; }

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
        _present = [.. _functions.OfType<PciFunction>()];
    }

    /// <summary>The function at an address of configuration space, or null.</summary>
    /// <param name="bus">There is only bus 0.</param>
    /// <param name="slotAndFunction">Slot in bits 3 to 7, function in bits 0 to 2.</param>
    public PciFunction? Find(int bus, int slotAndFunction) => bus == 0 ? _functions[slotAndFunction] : null;

    /// <summary>Slot, function and configuration space of all that there are.</summary>
    public IEnumerable<(int Slot, int Function, PciFunction Config)> Functions
    {
        get
        {
            for (var i = 0; i < _functions.Length; i++)
            {
                if (_functions[i] is { } config)
                    yield return (i / FunctionCount, i % FunctionCount, config);
            }
        }
    }

    /// <summary>Takes a function out of its slot; nothing happens when it is in none.</summary>
    public void Remove(PciFunction config)
    {
        var index = Array.IndexOf(_functions, config);
        if (index < 0)
            return;
        _functions[index] = null;
        _present = [.. _functions.OfType<PciFunction>()];
    }

    /// <summary>The first slot without a function 0, from this one on; -1 when there is none.</summary>
    public int FindFreeSlot(int first)
    {
        for (var slot = first; slot < SlotCount; slot++)
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
        foreach (var function in _present)
            function.Reset();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_address);
        writer.Byte(_resetControl);
        foreach (var function in _present)
            function.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _address = reader.UInt32() & AddressMask;
        _resetControl = (byte)(reader.Byte() & ResetWritable);
        foreach (var function in _present)
            function.Load(ref reader);
    }

    // Bits 0 and 1 of the address are reserved; there are drivers that set them instead of choosing among the data ports.
    private int ConfigOffset(uint offset) => (int)((_address & 0xff) | (offset - DataOffset));

    private PciFunction? Selected() => (_address & Enable) != 0 ? Find((int)(_address >> 16 & 0xff), (int)(_address >> 8 & 0xff)) : null;

    // The reset happens when RCPU goes from 0 to 1.
    private void WriteResetControl(byte value)
    {
        var rising = (value & ~_resetControl & ResetCpu) != 0;
        _resetControl = (byte)(value & ResetSystem);
        if (rising)
            _machine.RequestReset();
    }
}
