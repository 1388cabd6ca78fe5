using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Oracles;

/// <summary>
/// While a register of a device is accessed, a timer fires or a reset goes on, no register is: a handler that is entered again finds its device half-way through something. DMA that reaches
/// registers is how a guest brings that about, which is why gvmm's reaches RAM only (<see cref="Vmm.Memory.IGuestMemory"/>); but whatever takes the bus again is found.
/// </summary>
/// <remarks>In front of each device on the bus, as a tap: an access costs a call and a number more. Used by one thread, with the device lock held.</remarks>
internal sealed class ReentrancyOracle : IBusTap
{
    private const int Nobody = 0, Timer = 1, Reset = 2;

    private readonly List<string> _names = ["nobody", "timer", "reset"];
    // A device that a base address register moves is asked for again.
    private readonly Dictionary<IDevice, GuardedPorts> _ports = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<IDevice, GuardedMemory> _memory = new(ReferenceEqualityComparer.Instance);
    private int _running;

    /// <summary>The device one of whose registers is accessed just now; <c>timer</c> while time goes on, <c>reset</c> in one, <c>nobody</c> otherwise.</summary>
    public string Running => _names[_running];

    public IPortDevice Tap(IPortDevice device)
    {
        if (!_ports.TryGetValue(device, out var guarded))
            _ports.Add(device, guarded = new GuardedPorts(this, device, NumberOf(device)));
        return guarded;
    }

    public IMmioDevice Tap(IMmioDevice device)
    {
        if (!_memory.TryGetValue(device, out var guarded))
            _memory.Add(device, guarded = new GuardedMemory(this, device, NumberOf(device)));
        return guarded;
    }

    /// <summary>Before a program: what the last one left when it failed is forgotten.</summary>
    public void Restart() => _running = Nobody;

    /// <summary>Timers may fire until <see cref="Leave"/>.</summary>
    public void EnterTimers() => Enter(Timer);

    /// <summary>Devices are reset until <see cref="Leave"/>.</summary>
    public void EnterReset() => Enter(Reset);

    public void Leave() => _running = Nobody;

    private void Enter(int number)
    {
        if (_running != Nobody)
            Fail(number);
        _running = number;
    }

    private int NumberOf(IDevice device)
    {
        _names.Add(device.Name);
        return _names.Count - 1;
    }

    // The one whose handler has not returned is at fault; of timers and resets nobody knows whose they are.
    private void Fail(int entered)
    {
        var isDevice = _running > Reset;
        var culprit = _names[isDevice ? _running : entered];
        throw new OracleException($"reentrancy {culprit}", isDevice
            ? $"{culprit}: a handler runs, and a register of {(entered == _running ? "the same device" : _names[entered])} is accessed from within it"
            : $"{culprit}: a register is accessed from within a {_names[_running]}");
    }

    private sealed class GuardedPorts(ReentrancyOracle oracle, IPortDevice device, int number) : IPortDevice
    {
        public string Name => device.Name;

        public IReadOnlyList<RegisterMap> Regions => device.Regions;

        public uint ReadPort(int region, uint offset, int size)
        {
            oracle.Enter(number);
            var value = device.ReadPort(region, offset, size);
            oracle.Leave();
            return value;
        }

        public void WritePort(int region, uint offset, int size, uint value)
        {
            oracle.Enter(number);
            device.WritePort(region, offset, size, value);
            oracle.Leave();
        }
    }

    private sealed class GuardedMemory(ReentrancyOracle oracle, IMmioDevice device, int number) : IMmioDevice
    {
        public string Name => device.Name;

        public IReadOnlyList<RegisterMap> Regions => device.Regions;

        public ulong ReadMmio(int region, ulong offset, int size)
        {
            oracle.Enter(number);
            var value = device.ReadMmio(region, offset, size);
            oracle.Leave();
            return value;
        }

        public void WriteMmio(int region, ulong offset, int size, ulong value)
        {
            oracle.Enter(number);
            device.WriteMmio(region, offset, size, value);
            oracle.Leave();
        }
    }
}
