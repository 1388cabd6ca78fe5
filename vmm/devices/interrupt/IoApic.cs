using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>
/// I/O advanced programmable interrupt controller with 24 inputs, version 0x20 (with the EOI register of ICH and later).
/// </summary>
/// <remarks>
/// Intel 82093AA data sheet (order 290566), 3.1 and 3.2; EOI register: ICH2 data sheet, 8.5.5. An input's level is "asserted", whatever the
/// polarity bit says: no line of this machine is wired inverted. Edges on a masked input are lost, as 3.2.4 says of the mask bit.
/// </remarks>
public sealed class IoApic : IMmioDevice, IResettable, ISaveable
{
    public const int InputCount = 24;
    public const ulong DefaultAddress = 0xfec00000;

    private const uint IdIndex = 0, VersionIndex = 1, ArbitrationIndex = 2, RedirectionIndex = 0x10;
    private const uint Version = 0x20 | (InputCount - 1) << 16;
    private const uint IdMask = 0x0f000000;

    // Redirection entry (3.2.4).
    private const ulong DeliveryStatus = 1 << 12, RemoteIrr = 1 << 14, LevelTrigger = 1 << 15, Masked = 1 << 16, LogicalDestination = 1 << 11;
    private const ulong ReadOnlyBits = DeliveryStatus | RemoteIrr;
    private const ulong WritableBits = 0xff00_0000_0001_ffff & ~ReadOnlyBits;

    private readonly IApicMessages _bus;
    private readonly Line[] _lines = new Line[InputCount];
    private readonly ulong[] _redirection = new ulong[InputCount];
    private uint _select, _id, _levels;

    /// <summary>Attaches itself to the bus.</summary>
    public IoApic(IApicMessages bus)
    {
        _bus = bus;
        for (var i = 0; i < InputCount; i++)
            _lines[i] = new Line(this, i);
        bus.Attach(this);
        Reset();
    }

    public string Name => "ioapic";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("ioapic", AddressSpace.Mmio, 0x1000,
        [
            new("IOREGSEL", 0x00, 4, RegisterAccess.ReadWrite, 0),
            new("IOWIN", 0x10, 4, RegisterAccess.ReadWrite, null, "0 ID, 1 version, 2 arbitration, 0x10 + 2n and 0x11 + 2n redirection of input n"),
            new("EOIR", 0x40, 4, RegisterAccess.Write),
        ]),
    ];

    public int StateVersion => 1;

    /// <summary>Input 0 to 23.</summary>
    public IIrqLine GetLine(int input) => _lines[input];

    public ulong ReadMmio(int region, ulong offset, int size) => offset switch
    {
        0x00 => _select,
        0x10 => ReadIndirect(),
        _ => 0,
    };

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        switch (offset)
        {
            case 0x00:
                _select = (byte)value;
                break;
            case 0x10:
                WriteIndirect((uint)value);
                break;
            case 0x40:
                EndOfInterrupt((byte)value);
                break;
            default:
                break;
        }
    }

    /// <summary>Ends the level-triggered interrupts of a vector; one whose input is still asserted is sent again.</summary>
    public void EndOfInterrupt(byte vector)
    {
        for (var i = 0; i < InputCount; i++)
        {
            var entry = _redirection[i];
            if ((byte)entry != vector || (entry & LevelTrigger) == 0 || (entry & RemoteIrr) == 0)
                continue;
            _redirection[i] = entry & ~RemoteIrr;
            ServiceLevel(i);
        }
    }

    public void Reset()
    {
        (_select, _id) = (0, 0);
        for (var i = 0; i < InputCount; i++)
            SetRedirection(i, Masked);
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_select);
        writer.UInt32(_id);
        writer.UInt32(_levels);
        foreach (var entry in _redirection)
            writer.UInt64(entry);
    }

    public void Load(ref StateReader reader)
    {
        _select = reader.UInt32() & 0xff;
        _id = reader.UInt32() & IdMask;
        _levels = reader.UInt32() & ((1u << InputCount) - 1);
        for (var i = 0; i < InputCount; i++)
            SetRedirection(i, reader.UInt64() & (WritableBits | RemoteIrr));
    }

    private void SetRedirection(int input, ulong entry)
    {
        _redirection[input] = entry;
        _bus.NoteInput(input, MessageOf(entry));
    }

    private uint ReadIndirect()
    {
        if (_select >= RedirectionIndex && _select < RedirectionIndex + 2 * InputCount)
        {
            var entry = _redirection[(_select - RedirectionIndex) / 2];
            return (_select & 1) == 0 ? (uint)entry : (uint)(entry >> 32);
        }
        return _select switch
        {
            IdIndex or ArbitrationIndex => _id,
            VersionIndex => Version,
            _ => 0,
        };
    }

    private void WriteIndirect(uint value)
    {
        if (_select == IdIndex)
        {
            _id = value & IdMask;
            return;
        }
        if (_select < RedirectionIndex || _select >= RedirectionIndex + 2 * InputCount)
            return;
        var input = (int)(_select - RedirectionIndex) / 2;
        var entry = _redirection[input];
        var written = (_select & 1) == 0
            ? (entry & 0xffffffff_00000000) | value
            : (entry & 0xffffffff) | ((ulong)value << 32);
        written = (written & WritableBits) | (entry & RemoteIrr);
        // An edge-triggered input has nothing to be ended.
        if ((written & LevelTrigger) == 0)
            written &= ~RemoteIrr;
        SetRedirection(input, written);
        ServiceLevel(input);
    }

    private void SetInput(int input, bool level)
    {
        var bit = 1u << input;
        var was = (_levels & bit) != 0;
        _levels = level ? _levels | bit : _levels & ~bit;
        var entry = _redirection[input];
        if ((entry & LevelTrigger) != 0)
            ServiceLevel(input);
        else if (level && !was && (entry & Masked) == 0)
            Send(entry);
    }

    private void ServiceLevel(int input)
    {
        var entry = _redirection[input];
        if ((entry & (LevelTrigger | Masked | RemoteIrr)) != LevelTrigger || (_levels & (1u << input)) == 0)
            return;
        // Set first: an APIC may end it before the delivery returns.
        _redirection[input] = entry | RemoteIrr;
        if (!Send(entry))
            _redirection[input] &= ~RemoteIrr;
    }

    private bool Send(ulong entry) => _bus.Deliver(MessageOf(entry));

    private static ApicMessage MessageOf(ulong entry) => new(
        (uint)(entry >> 56), (entry & LogicalDestination) != 0, (DeliveryMode)(entry >> 8 & 7), (byte)entry, (entry & LevelTrigger) != 0);

    private sealed class Line(IoApic ioApic, int input) : IIrqLine
    {
        public void Set(bool level) => ioApic.SetInput(input, level);
    }
}
