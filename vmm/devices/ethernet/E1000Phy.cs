using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>The transceiver of an 82540EM, by MDIC: its link is a gigabit in both directions, or down.</summary>
/// <remarks>IEEE 802.3, 22.2.4 (registers 0 to 10); Marvell 88E1011, registers 16 and 17; Intel, Software Developer's Manual, 13.4.8 (MDIC).</remarks>
internal sealed class E1000Phy
{
    private const int RegisterCount = 32, ControlRegister = 0, StatusRegister = 1, LinkPartner = 5, GigabitStatus = 10, SpecificStatus = 17;
    private const uint PhyAddress = 1;

    // MDIC.
    private const uint OperationWrite = 1, OperationRead = 2, Ready = 1 << 28, InterruptEnable = 1 << 29, Error = 1 << 30;

    private const ushort ControlReset = 1 << 15, RestartNegotiation = 1 << 9, ControlDefault = 0x1140;
    private const ushort LinkStatus = 1 << 2, NegotiationComplete = 1 << 5, StatusFixed = 0x7949;

    // Speed 1000, full duplex, resolved, link.
    private const ushort SpecificUp = 0xac00;

    private readonly ushort[] _registers = new ushort[RegisterCount];

    public E1000Phy() => Reset();

    /// <summary>What the cable is.</summary>
    public bool IsLinkUp { get; set; }

    /// <summary>Carries an operation of MDIC out.</summary>
    /// <param name="isRestarted">Negotiation begins anew, which is over at once.</param>
    /// <returns>MDIC as it reads afterwards.</returns>
    public uint Operate(uint value, out bool isRestarted)
    {
        isRestarted = false;
        var (register, phy, operation) = ((int)(value >> 16 & 31), value >> 21 & 31, value >> 26 & 3);
        var answer = (value & ~Error) | Ready;
        if (phy != PhyAddress || operation is not (OperationRead or OperationWrite))
            return answer | Error;
        if (operation == OperationRead)
            return (answer & ~0xffffu) | Read(register);
        isRestarted = Write(register, (ushort)value);
        return answer;
    }

    /// <summary>Whether the operation asked for an interrupt at its end.</summary>
    public static bool WantsInterrupt(uint value) => (value & InterruptEnable) != 0;

    public void Reset()
    {
        _registers.AsSpan().Clear();
        _registers[ControlRegister] = ControlDefault;
        // 88E1011; all modes are advertised, 1000BASE-T among them.
        (_registers[2], _registers[3], _registers[4], _registers[9], _registers[16]) = (0x0141, 0x0c20, 0x0de1, 0x0e00, 0x0360);
    }

    public void Save(StateWriter writer)
    {
        writer.Bool(IsLinkUp);
        foreach (var register in _registers)
            writer.UInt16(register);
    }

    public void Load(ref StateReader reader)
    {
        IsLinkUp = reader.Bool();
        for (var i = 0; i < RegisterCount; i++)
            _registers[i] = reader.UInt16();
    }

    private ushort Read(int register) => register switch
    {
        StatusRegister => (ushort)(StatusFixed | (IsLinkUp ? LinkStatus | NegotiationComplete : 0)),
        LinkPartner => IsLinkUp ? (ushort)0x41e0 : (ushort)0,
        GigabitStatus => IsLinkUp ? (ushort)0x3c00 : (ushort)0,
        SpecificStatus => IsLinkUp ? SpecificUp : (ushort)0,
        _ => _registers[register],
    };

    private bool Write(int register, ushort value)
    {
        if (register is StatusRegister or 2 or 3 or LinkPartner or 6 or GigabitStatus or 15 or SpecificStatus)
            return false;
        if (register != ControlRegister)
        {
            _registers[register] = value;
            return false;
        }
        _registers[ControlRegister] = (ushort)(value & ~(ControlReset | RestartNegotiation) & 0xff80);
        if ((value & ControlReset) != 0)
            Reset();
        return (value & (ControlReset | RestartNegotiation)) != 0;
    }
}
