using System.Numerics;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>
/// The PC's two 8259A programmable interrupt controllers, cascaded by the master's input 2, with the edge/level control registers.
/// </summary>
/// <remarks>
/// Intel 8259A data sheet (order 231468): ICW1-ICW4 "Initialization Command Words", OCW1-OCW3 "Operation Command Words", "Poll Command",
/// "Special Mask Mode", "The Special Fully Nested Mode". ELCR: 82371SB (PIIX3) data sheet, 2.5.6. Not modelled: MCS-80/85 mode, buffered mode.
/// </remarks>
public sealed class I8259 : IPortDevice, IResettable, ISaveable
{
    /// <summary>Region numbers.</summary>
    public const int MasterRegion = 0, SlaveRegion = 1, ElcrRegion = 2;

    private const int CascadeInput = 2;

    // The timer, the keyboard, the cascade; the RTC and the coprocessor: always edge triggered (PIIX3, 2.5.6).
    private const byte MasterElcrMask = 0xf8, SlaveElcrMask = 0xde;

    private readonly Chip _master = new() { ElcrMask = MasterElcrMask, IsMaster = true };
    private readonly Chip _slave = new() { ElcrMask = SlaveElcrMask };
    private readonly Line[] _lines = new Line[16];
    private readonly IIrqLine _intr;

    /// <param name="intr">INTR: high while an interrupt waits for its acknowledge cycle.</param>
    public I8259(IIrqLine intr)
    {
        _intr = intr;
        for (var i = 0; i < _lines.Length; i++)
            _lines[i] = new Line(this, i);
    }

    public string Name => "isa-i8259";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("master", AddressSpace.Port, 2,
        [
            new("ICW1/OCW2/OCW3", 0, 1, RegisterAccess.Write),
            new("IRR/ISR/POLL", 0, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect, 0),
            new("ICW2-4/OCW1", 1, 1, RegisterAccess.ReadWrite, 0, "interrupt mask once initialized"),
        ]),
        new("slave", AddressSpace.Port, 2,
        [
            new("ICW1/OCW2/OCW3", 0, 1, RegisterAccess.Write),
            new("IRR/ISR/POLL", 0, 1, RegisterAccess.Read | RegisterAccess.ReadSideEffect, 0),
            new("ICW2-4/OCW1", 1, 1, RegisterAccess.ReadWrite, 0, "interrupt mask once initialized"),
        ]),
        new("elcr", AddressSpace.Port, 2,
        [
            new("ELCR1", 0, 1, RegisterAccess.ReadWrite, 0, "1: level triggered"),
            new("ELCR2", 1, 1, RegisterAccess.ReadWrite, 0, "1: level triggered"),
        ]),
    ];

    public int StateVersion => 1;

    /// <summary>Input 0 to 15; 2 is the cascade and nobody else's to drive.</summary>
    public IIrqLine GetLine(int irq) => _lines[irq];

    /// <summary>The state of INTR.</summary>
    public bool IntrAsserted { get; private set; }

    /// <summary>
    /// The interrupt acknowledge cycle: the vector of the highest-priority request, moved to service; the spurious vector (input 7's) when it is gone.
    /// </summary>
    public byte Acknowledge()
    {
        byte vector;
        var input = _master.PendingInput();
        if (input < 0)
        {
            vector = (byte)(_master.VectorBase + 7);
        }
        else if (input == CascadeInput)
        {
            var slaveInput = _slave.PendingInput();
            if (slaveInput >= 0)
                _slave.TakeIntoService(slaveInput);
            else
                slaveInput = 7;
            _master.TakeIntoService(CascadeInput);
            vector = (byte)(_slave.VectorBase + slaveInput);
        }
        else
        {
            _master.TakeIntoService(input);
            vector = (byte)(_master.VectorBase + input);
        }
        Update();
        return vector;
    }

    public uint ReadPort(int region, uint offset, int size)
    {
        if (region == ElcrRegion)
            return offset == 0 ? _master.Elcr : _slave.Elcr;
        var chip = region == MasterRegion ? _master : _slave;
        var value = chip.Read(offset);
        Update();
        return value;
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        if (region == ElcrRegion)
        {
            (offset == 0 ? _master : _slave).WriteElcr((byte)value);
        }
        else
        {
            (region == MasterRegion ? _master : _slave).Write(offset, (byte)value);
        }
        Update();
    }

    public void Reset()
    {
        _master.Reset();
        _slave.Reset();
        Update();
    }

    /// <summary>As firmware leaves it: vectors from 8 and 0x70, everything masked but the cascade and the lines of PCI interrupts (9 to 11).</summary>
    public void InitializeAsFirmware()
    {
        foreach (var (region, vectors, wiring, mask) in ((int, uint, uint, uint)[])[(MasterRegion, 0x08, 4, 0xfb), (SlaveRegion, 0x70, 2, 0xf1)])
        {
            WritePort(region, 0, 1, 0x11);
            WritePort(region, 1, 1, vectors);
            WritePort(region, 1, 1, wiring);
            WritePort(region, 1, 1, 1);
            WritePort(region, 1, 1, mask);
        }
    }

    public void Save(StateWriter writer)
    {
        _master.Save(writer);
        _slave.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _master.Load(ref reader);
        _slave.Load(ref reader);
        Update();
    }

    private void SetInput(int irq, bool level)
    {
        (irq < 8 ? _master : _slave).SetInput(irq & 7, level);
        Update();
    }

    // The slave's INT output is the master's input 2; the master's is INTR.
    private void Update()
    {
        _master.SetInput(CascadeInput, _slave.PendingInput() >= 0);
        IntrAsserted = _master.PendingInput() >= 0;
        _intr.Set(IntrAsserted);
    }

    private sealed class Line(I8259 pic, int irq) : IIrqLine
    {
        public void Set(bool level) => pic.SetInput(irq, level);
    }

    /// <summary>One 8259A.</summary>
    private sealed class Chip
    {
        public byte Elcr, ElcrMask, VectorBase;
        public bool IsMaster;

        private byte _levels, _irr, _imr, _isr, _lowestPriority;
        private byte _initStep;
        private bool _readIsr, _poll, _specialMask, _autoEoi, _rotateOnAutoEoi, _specialFullyNested, _needsIcw4, _single;

        public void Reset()
        {
            (_irr, _imr, _isr, Elcr, VectorBase, _initStep) = (0, 0, 0, 0, 0, 0);
            _lowestPriority = 7;
            (_readIsr, _poll, _specialMask, _autoEoi, _rotateOnAutoEoi, _specialFullyNested, _needsIcw4, _single)
                = (false, false, false, false, false, false, false, false);
        }

        public void WriteElcr(byte value)
        {
            Elcr = (byte)(value & ElcrMask);
            // A level is requested for as long as it is there: what an edge has latched counts no more.
            _irr = (byte)(_irr & ~Elcr | _levels & Elcr);
        }

        public void SetInput(int input, bool level)
        {
            var bit = (byte)(1 << input);
            var was = (_levels & bit) != 0;
            _levels = (byte)(level ? _levels | bit : _levels & ~bit);
            if ((Elcr & bit) != 0)
                _irr = (byte)(level ? _irr | bit : _irr & ~bit);
            else if (level && !was)
                _irr |= bit;
            // An edge stays latched when the line falls before INTA, as in the chips that followed the 8259A and in every VMM; the data sheet's
            // own part answers such a request with input 7's vector.
        }

        /// <summary>The input that would be acknowledged now, or -1.</summary>
        public int PendingInput()
        {
            var requests = (byte)(_irr & ~_imr);
            if (requests == 0)
                return -1;
            var priority = PriorityOf(requests);
            var inService = _isr;
            if (_specialMask)
                inService = (byte)(inService & ~_imr);
            // In special fully nested mode the slave in service does not hold up further requests of the slave.
            if (_specialFullyNested && IsMaster)
                inService = (byte)(inService & ~(1 << CascadeInput));
            return priority < PriorityOf(inService) ? (priority + _lowestPriority + 1) & 7 : -1;
        }

        public void TakeIntoService(int input)
        {
            var bit = (byte)(1 << input);
            if ((Elcr & bit) == 0)
                _irr = (byte)(_irr & ~bit);
            if (!_autoEoi)
                _isr |= bit;
            else if (_rotateOnAutoEoi)
                _lowestPriority = (byte)input;
        }

        public byte Read(uint offset)
        {
            if (_poll)
            {
                _poll = false;
                var input = PendingInput();
                if (input < 0)
                    return 0;
                TakeIntoService(input);
                return (byte)(0x80 | input);
            }
            if (offset == 1)
                return _imr;
            return _readIsr ? _isr : _irr;
        }

        public void Write(uint offset, byte value)
        {
            if (offset == 1)
                WriteData(value);
            else if ((value & 0x10) != 0)
                StartInitialization(value);
            else if ((value & 0x08) != 0)
                WriteOcw3(value);
            else
                WriteOcw2(value);
        }

        public void Save(StateWriter writer)
        {
            foreach (var value in (ReadOnlySpan<byte>)[_levels, _irr, _imr, _isr, _lowestPriority, _initStep, Elcr, VectorBase])
                writer.Byte(value);
            foreach (var value in (ReadOnlySpan<bool>)[_readIsr, _poll, _specialMask, _autoEoi, _rotateOnAutoEoi, _specialFullyNested, _needsIcw4, _single])
                writer.Bool(value);
        }

        public void Load(ref StateReader reader)
        {
            (_levels, _irr, _imr, _isr) = (reader.Byte(), reader.Byte(), reader.Byte(), reader.Byte());
            (_lowestPriority, _initStep) = ((byte)(reader.Byte() & 7), (byte)(reader.Byte() & 3));
            (Elcr, VectorBase) = ((byte)(reader.Byte() & ElcrMask), (byte)(reader.Byte() & 0xf8));
            (_readIsr, _poll, _specialMask, _autoEoi) = (reader.Bool(), reader.Bool(), reader.Bool(), reader.Bool());
            (_rotateOnAutoEoi, _specialFullyNested, _needsIcw4, _single) = (reader.Bool(), reader.Bool(), reader.Bool(), reader.Bool());
        }

        // 0 is the highest; 8 when there is none.
        private int PriorityOf(byte inputs)
        {
            if (inputs == 0)
                return 8;
            var rotated = (inputs | inputs << 8) >> ((_lowestPriority + 1) & 7);
            return BitOperations.TrailingZeroCount(rotated & 0xff);
        }

        // ICW1: edge detection starts over, the mask is cleared, input 7 gets the lowest priority, special mask mode ends, status reads show IRR.
        private void StartInitialization(byte icw1)
        {
            (_irr, _imr, _isr, _lowestPriority) = (0, 0, 0, 7);
            (_specialMask, _readIsr, _poll, _autoEoi, _rotateOnAutoEoi, _specialFullyNested) = (false, false, false, false, false, false);
            _irr = (byte)(_levels & Elcr);
            _needsIcw4 = (icw1 & 1) != 0;
            _single = (icw1 & 2) != 0;
            _initStep = 1;
        }

        private void WriteData(byte value)
        {
            switch (_initStep)
            {
                case 1:
                    VectorBase = (byte)(value & 0xf8);
                    _initStep = (byte)(_single ? _needsIcw4 ? 3 : 0 : 2);
                    break;
                case 2:
                    // ICW3 says how the chips are wired, and on a PC there is one way only.
                    _initStep = (byte)(_needsIcw4 ? 3 : 0);
                    break;
                case 3:
                    _autoEoi = (value & 2) != 0;
                    _specialFullyNested = (value & 0x10) != 0;
                    _initStep = 0;
                    break;
                default:
                    _imr = value;
                    break;
            }
        }

        private void WriteOcw2(byte value)
        {
            var input = value & 7;
            switch (value >> 5)
            {
                case 0:
                    _rotateOnAutoEoi = false;
                    break;
                case 4:
                    _rotateOnAutoEoi = true;
                    break;
                case 1:
                    EndOfInterrupt(HighestInService(), rotate: false);
                    break;
                case 5:
                    EndOfInterrupt(HighestInService(), rotate: true);
                    break;
                case 3:
                    EndOfInterrupt(input, rotate: false);
                    break;
                case 7:
                    EndOfInterrupt(input, rotate: true);
                    break;
                case 6:
                    _lowestPriority = (byte)input;
                    break;
                default:
                    // 2: no operation.
                    break;
            }
        }

        private void WriteOcw3(byte value)
        {
            if ((value & 0x04) != 0)
                _poll = true;
            if ((value & 0x02) != 0)
                _readIsr = (value & 0x01) != 0;
            if ((value & 0x40) != 0)
                _specialMask = (value & 0x20) != 0;
        }

        // A non-specific EOI passes over levels that special mask mode masks.
        private int HighestInService()
        {
            var priority = PriorityOf(_specialMask ? (byte)(_isr & ~_imr) : _isr);
            return priority == 8 ? -1 : (priority + _lowestPriority + 1) & 7;
        }

        private void EndOfInterrupt(int input, bool rotate)
        {
            if (input < 0)
                return;
            _isr = (byte)(_isr & ~(1 << input));
            if (rotate)
                _lowestPriority = (byte)input;
        }
    }
}
