using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>What a driver does at the primary IDE channel of a bench, by its ports; the bus masters are at 0xc000.</summary>
internal sealed class IdeDriver
{
    private const ushort Base = 0x1f0, BusMaster = 0xc000;

    private readonly IoBus _bus;

    /// <summary>Lets the function master the bus.</summary>
    public IdeDriver(IoBus bus)
    {
        _bus = bus;
        bus.WritePort(0xcf8, 4, 0x80000904);
        bus.WritePort(0xcfc, 2, 5);
    }

    /// <summary>Reading it answers an interrupt.</summary>
    public int Status => In(7);

    public int BusMasterStatus => (int)_bus.ReadPort(BusMaster + 2, 1);

    public int In(int register) => (int)_bus.ReadPort((ushort)(Base + register), 1);

    public void Out(int register, byte value) => _bus.WritePort((ushort)(Base + register), 1, value);

    public void Command(byte command) => Out(7, command);

    public void Control(byte value) => _bus.WritePort(0x3f6, 1, value);

    public void SetLba(int sector, byte count)
    {
        Out(2, count);
        Out(3, (byte)sector);
        Out(4, (byte)(sector >> 8));
        Out(5, (byte)(sector >> 16));
        Out(6, (byte)(0x40 | sector >> 24 & 0xf));
    }

    public byte[] ReadData(int bytes)
    {
        var data = new byte[bytes];
        for (var i = 0; i < bytes; i += 2)
        {
            var word = _bus.ReadPort(Base, 2);
            (data[i], data[i + 1]) = ((byte)word, (byte)(word >> 8));
        }
        return data;
    }

    public void WriteData(byte[] data)
    {
        for (var i = 0; i < data.Length; i += 4)
            _bus.WritePort(Base, 4, BitConverter.ToUInt32(data, i));
    }

    public void StartDma(uint table, bool toMemory)
    {
        _bus.WritePort(BusMaster + 2, 1, 6);
        _bus.WritePort(BusMaster + 4, 4, table);
        _bus.WritePort(BusMaster, 1, toMemory ? 9u : 1u);
    }

    public void StopDma() => _bus.WritePort(BusMaster, 1, 0);
}
