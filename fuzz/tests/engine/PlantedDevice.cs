using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Engine;

/// <summary>A device that fails after four steps in order, one of them a comparison with 32 bits: blind luck would take longer than the universe has.</summary>
public sealed class PlantedDevice : IPortDevice, IResettable
{
    private const uint Magic = 0xc0ffee42;

    private int _stage;

    public string Name => "planted";

    public IReadOnlyList<RegisterMap> Regions { get; } =
    [
        new("planted", AddressSpace.Port, 8, [new Register("UNLOCK", 0, 4), new Register("ARM", 4, 1), new Register("GO", 5, 1)]),
    ];

    public uint ReadPort(int region, uint offset, int size)
    {
        if (offset == 5 && _stage == 3)
            throw new InvalidOperationException("planted");
        return 0;
    }

    public void WritePort(int region, uint offset, int size, uint value)
    {
        switch (offset)
        {
            case 0 when value == Magic && size == 4:
                _stage = 1;
                break;
            case 4 when _stage == 1 && value == 0x5a:
                _stage = 2;
                break;
            case 4 when _stage == 2 && value == 0xa5:
                _stage = 3;
                break;
        }
    }

    public void Reset() => _stage = 0;
}

/// <summary>The planted device as a target.</summary>
public sealed class PlantedTarget : IFuzzTarget
{
    private readonly PlantedDevice _device = new();
    private readonly DeviceTarget _target;

    public PlantedTarget()
    {
        var bus = new IoBus();
        bus.MapPorts(_device, 0, 0x100);
        _target = new DeviceTarget(bus, [_device], []);
    }

    public Grammar? Grammar => _target.Grammar;

    public void Run(ReadOnlySpan<byte> input)
    {
        _device.Reset();
        _target.Run(input);
    }

    public void Dispose() => _target.Dispose();
}

/// <summary>A target that never ends on inputs that begin with H, and ends its process on those that begin with D.</summary>
public sealed class DeadlyTarget : IFuzzTarget
{
    public Grammar? Grammar => null;

    public void Run(ReadOnlySpan<byte> input)
    {
        while (input is [(byte)'H', ..])
        {
        }
        if (input is [(byte)'D', ..])
            Environment.Exit(42);
    }

    public void Dispose() { }
}
