using Gauntlet.Vmm.Network;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>The 64 words behind an 82540EM, read bit by bit over Microwire or word by word by EERD. They cannot be written.</summary>
/// <remarks>
/// Intel PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual, 5.6 (layout, checksum), 13.4.3 (EECD), 13.4.4 (EERD); the 93C46's
/// read instruction: a start bit, 10b, six bits of address; then a zero and the word, highest bit first, each at a rising clock.
/// </remarks>
internal sealed class E1000Eeprom
{
    private const int Words = 64, ChecksumWord = 63;
    private const ushort Checksum = 0xbaba;

    // EECD.
    private const uint Clock = 1, Select = 2, DataIn = 4, DataOut = 8, Request = 0x40, Grant = 0x80, Present = 0x100, Held = Clock | Select | DataIn | Request;

    // EERD.
    private const uint Start = 1, Done = 1 << 4;

    private const int InstructionBits = 9, AddressBits = 6, WordBits = 16;
    private const uint ReadInstruction = 6;

    private readonly ushort[] _words = new ushort[Words];
    private uint _pins, _shifted;
    private int _bits;

    public E1000Eeprom(MacAddress address, ushort vendor, ushort device)
    {
        Span<byte> bytes = stackalloc byte[MacAddress.Bytes];
        address.Write(bytes);
        for (var i = 0; i < 3; i++)
            _words[i] = (ushort)(bytes[i * 2] | bytes[i * 2 + 1] << 8);
        // Subsystem, device, vendor.
        (_words[0xb], _words[0xc], _words[0xd], _words[0xe]) = (0x1100, 0x1af4, device, vendor);
        ushort sum = 0;
        foreach (var word in _words)
            sum += word;
        _words[ChecksumWord] = (ushort)(Checksum - sum);
    }

    /// <summary>EECD as it is read.</summary>
    public uint Pins => _pins | Present | ((_pins & Request) != 0 ? Grant : 0) | (IsOutHigh ? DataOut : 0);

    // An output that is not driven is pulled up.
    private bool IsOutHigh
    {
        get
        {
            var instruction = _shifted;
            var bit = _bits - InstructionBits - 1;
            if (_bits < InstructionBits || instruction >> AddressBits != ReadInstruction)
                return true;
            // Words follow one another as long as the clock goes on.
            return bit >= 0 && (_words[((int)(instruction & Words - 1) + bit / WordBits) % Words] >> (WordBits - 1 - bit % WordBits) & 1) != 0;
        }
    }

    /// <summary>EECD, written.</summary>
    public void WritePins(uint value)
    {
        var before = _pins;
        _pins = value & Held;
        if ((_pins & Select) == 0)
            (_bits, _shifted) = (0, 0);
        else if ((_pins & Clock) != 0 && (before & Clock) == 0)
            Shift((_pins & DataIn) != 0);
    }

    /// <summary>EERD as it reads after this was written: the word at once.</summary>
    public uint ReadWord(uint value) => (value & Start) == 0 ? value & 0xff00 : (uint)_words[value >> 8 & Words - 1] << 16 | (value & 0xff00) | Done;

    public void Reset() => (_pins, _shifted, _bits) = (0, 0, 0);

    public void Save(StateWriter writer)
    {
        writer.UInt32(_pins);
        writer.UInt32(_shifted);
        writer.Int32(_bits);
    }

    public void Load(ref StateReader reader)
    {
        (_pins, _shifted) = (reader.UInt32() & Held, reader.UInt32() & (1 << InstructionBits) - 1);
        _bits = Math.Clamp(reader.Int32(), 0, InstructionBits + 1 + Words * WordBits);
    }

    private void Shift(bool bit)
    {
        // Nothing counts before the start bit.
        if (_bits == 0 && !bit)
            return;
        if (_bits < InstructionBits)
            _shifted = _shifted << 1 | (bit ? 1u : 0);
        _bits++;
        if (_bits > InstructionBits + Words * WordBits)
            _bits -= Words * WordBits;
    }
}
