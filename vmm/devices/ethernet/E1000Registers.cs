using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Ethernet;

/// <summary>The registers of an 82540EM that hold what they are given, by offset; what doing so has for effects is others' business.</summary>
/// <remarks>Intel PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual, 13.3 (summary) and 13.4 (each one).</remarks>
internal sealed class E1000Registers
{
    public const int Bytes = 0x6000;

    public const uint Control = 0x0000, Status = 0x0008, Eeprom = 0x0010, EepromRead = 0x0014, Mdi = 0x0020, VlanType = 0x0038, PacketBuffer = 0x1000, InterruptCause = 0x00c0, Throttle = 0x00c4,
        CauseSet = 0x00c8, MaskSet = 0x00d0, MaskClear = 0x00d8, ReceiveControl = 0x0100, TransmitControl = 0x0400, ReceiveBase = 0x2800, ReceiveBaseHigh = 0x2804,
        ReceiveLength = 0x2808, ReceiveHead = 0x2810, ReceiveTail = 0x2818, TransmitBase = 0x3800, TransmitBaseHigh = 0x3804, TransmitLength = 0x3808,
        TransmitHead = 0x3810, TransmitTail = 0x3818, FirstStatistic = 0x4000, MissedPackets = 0x4010, GoodReceived = 0x4074, GoodTransmitted = 0x4080,
        GoodOctetsReceived = 0x4088, GoodOctetsTransmitted = 0x4090, TotalReceived = 0x40d0, TotalTransmitted = 0x40d4, LastStatistic = 0x40fc,
        ReceiveChecksum = 0x5000, MulticastTable = 0x5200, AddressTable = 0x5400, VlanTable = 0x5600;

    public const int TableEntries = 128, AddressEntries = 16;

    // 13.7, from 0x4000 on; empty: reserved.
    private static readonly string[] s_statistics =
    [
        "CRCERRS", "ALGNERRC", "SYMERRS", "RXERRC", "MPC", "SCC", "ECOL", "MCC", "LATECOL", "", "COLC", "", "DC", "TNCRS", "SEC", "CEXTERR",
        "RLEC", "", "XONRXC", "XONTXC", "XOFFRXC", "XOFFTXC", "FCRUC", "PRC64", "PRC127", "PRC255", "PRC511", "PRC1023", "PRC1522", "GPRC", "BPRC", "MPRC",
        "GPTC", "", "GORCL", "GORCH", "GOTCL", "GOTCH", "", "", "RNBC", "RUC", "RFC", "ROC", "RJC", "MGTPRC", "MGTPDC", "MGTPTC",
        "TORL", "TORH", "TOTL", "TOTH", "TPR", "TPT", "PTC64", "PTC127", "PTC255", "PTC511", "PTC1023", "PTC1522", "MPTC", "BPTC", "TSCTC", "TSCTFC",
    ];

    private readonly uint[] _values = new uint[Bytes / sizeof(uint)];
    private readonly uint[] _writable = new uint[Bytes / sizeof(uint)];
    private readonly List<Register> _declared = [];

    public E1000Registers()
    {
        Add("CTRL", Control, 0xfbffffff);
        Add("STATUS", Status, 0);
        Add("EECD", Eeprom, 0);
        Add("EERD", EepromRead, 0);
        Add("CTRL_EXT", 0x0018, uint.MaxValue);
        Add("MDIC", Mdi, 0);
        Add("FCAL", 0x0028, uint.MaxValue);
        Add("FCAH", 0x002c, 0xffff);
        Add("FCT", 0x0030, 0xffff);
        Add("VET", VlanType, 0xffff);
        Add("ICR", InterruptCause, 0, RegisterAccess.ReadWrite | RegisterAccess.ReadSideEffect | RegisterAccess.WriteOneToClear);
        Add("ITR", Throttle, 0xffff);
        Add("ICS", CauseSet, 0, RegisterAccess.Write);
        Add("IMS", MaskSet, 0);
        Add("IMC", MaskClear, 0, RegisterAccess.Write);
        Add("RCTL", ReceiveControl, 0x06ffffff);
        Add("FCTTV", 0x0170, 0xffff);
        Add("TXCW", 0x0178, uint.MaxValue);
        Add("TCTL", TransmitControl, 0x03ffffff);
        Add("TIPG", 0x0410, 0x3fffffff);
        Add("AIFS", 0x0458, 0xffff);
        Add("LEDCTL", 0x0e00, uint.MaxValue);
        Add("PBA", PacketBuffer, 0xffff);
        Add("FCRTL", 0x2160, 0x8000fff8);
        Add("FCRTH", 0x2168, 0xfff8);
        Add("RDBAL", ReceiveBase, 0xfffffff0);
        Add("RDBAH", ReceiveBaseHigh, uint.MaxValue);
        Add("RDLEN", ReceiveLength, 0xfff80);
        Add("RDH", ReceiveHead, 0xffff);
        Add("RDT", ReceiveTail, 0xffff);
        Add("RDTR", 0x2820, 0xffff);
        Add("RXDCTL", 0x2828, uint.MaxValue);
        Add("RADV", 0x282c, 0xffff);
        Add("RSRPD", 0x2c00, 0xfff);
        Add("TDBAL", TransmitBase, 0xfffffff0);
        Add("TDBAH", TransmitBaseHigh, uint.MaxValue);
        Add("TDLEN", TransmitLength, 0xfff80);
        Add("TDH", TransmitHead, 0xffff);
        Add("TDT", TransmitTail, 0xffff);
        Add("TIDV", 0x3820, 0xffff);
        Add("TXDCTL", 0x3828, uint.MaxValue);
        Add("TADV", 0x382c, 0xffff);
        Add("TSPMT", 0x3830, uint.MaxValue);
        for (var i = 0; i < s_statistics.Length; i++)
        {
            if (s_statistics[i].Length > 0)
                _declared.Add(new Register(s_statistics[i], FirstStatistic + (uint)i * sizeof(uint), sizeof(uint), RegisterAccess.Read | RegisterAccess.ReadSideEffect));
        }
        Add("RXCSUM", ReceiveChecksum, 0x3ff);
        AddTable("MTA", MulticastTable, TableEntries);
        AddTable("RA", AddressTable, AddressEntries * 2);
        AddTable("VFTA", VlanTable, TableEntries);
        Add("WUC", 0x5800, 0xf);
        Add("WUFC", 0x5808, 0xfffff);
        Add("MANC", 0x5820, uint.MaxValue);
        Declared = [.. _declared.OrderBy(register => register.Offset)];
    }

    /// <summary>For the region's map.</summary>
    public IReadOnlyList<Register> Declared { get; }

    /// <summary>What is there; 0 where nothing is.</summary>
    public uint this[uint offset]
    {
        get => offset < Bytes ? _values[offset / sizeof(uint)] : 0;
        set => _values[offset / sizeof(uint)] = value;
    }

    /// <summary>What a guest writes, as far as it can.</summary>
    public void Write(uint offset, uint value)
    {
        if (offset >= Bytes)
            return;
        var index = offset / sizeof(uint);
        _values[index] = (_values[index] & ~_writable[index]) | (value & _writable[index]);
    }

    /// <summary>A statistic, which stays at its highest value.</summary>
    public void Count(uint offset) => this[offset] += this[offset] == uint.MaxValue ? 0u : 1;

    /// <summary>A statistic of 64 bits.</summary>
    public void CountBytes(uint offset, int bytes)
    {
        var sum = (this[offset] | (ulong)this[offset + sizeof(uint)] << 32) + (uint)bytes;
        (this[offset], this[offset + sizeof(uint)]) = ((uint)sum, (uint)(sum >> 32));
    }

    public void Clear() => _values.AsSpan().Clear();

    public void Save(StateWriter writer)
    {
        foreach (var value in _values)
            writer.UInt32(value);
    }

    public void Load(ref StateReader reader)
    {
        for (var i = 0; i < _values.Length; i++)
            _values[i] = reader.UInt32();
    }

    private void Add(string name, uint offset, uint writable, RegisterAccess access = RegisterAccess.ReadWrite)
    {
        _writable[offset / sizeof(uint)] = writable;
        _declared.Add(new Register(name, offset, sizeof(uint), access));
    }

    private void AddTable(string name, uint offset, int entries)
    {
        for (var i = 0u; i < entries; i++)
            Add($"{name}{i}", offset + i * sizeof(uint), uint.MaxValue);
    }
}
