using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Tests.MachineTests;

/// <summary>An accelerator whose vCPUs do what a test tells them: each call of <c>Run</c> takes the next step of the script, or waits for a kick.</summary>
internal sealed class ScriptedAccelerator : IAccelerator
{
    public string Name => "scripted";

    public IKernelIrqChip? IrqChip => null;

    public List<ScriptedVcpu> Vcpus { get; } = [];

    public void SetMemory(IReadOnlyList<GuestRam> layout) { }

    public IVcpu CreateVcpu(VcpuSetup setup)
    {
        Vcpus.Add(new ScriptedVcpu(setup));
        return Vcpus[^1];
    }

    public void Dispose() { }
}

internal sealed class ScriptedVcpu(VcpuSetup setup) : IVcpu
{
    private readonly object _gate = new();
    private readonly Queue<Func<IVcpuIo, VcpuStop>> _script = new();
    private bool _kicked;
    private X86State _state;

    public int Index => setup.Index;

    public int Resets { get; private set; }

    /// <summary>Inside <see cref="Run"/> at the moment.</summary>
    public bool IsRunning { get; private set; }

    public string? Failure { get; set; }

    public IReadOnlyList<string> RecentExits => ["port 0x80 out 1"];

    /// <summary>Adds a step.</summary>
    public void Then(Func<IVcpuIo, VcpuStop> step)
    {
        lock (_gate)
        {
            _script.Enqueue(step);
            Monitor.PulseAll(_gate);
        }
    }

    public VcpuStop Run()
    {
        Func<IVcpuIo, VcpuStop> step;
        lock (_gate)
        {
            IsRunning = true;
            Monitor.PulseAll(_gate);
            while (!_kicked && _script.Count == 0)
                Monitor.Wait(_gate);
            IsRunning = false;
            if (_kicked)
            {
                _kicked = false;
                return VcpuStop.Kicked;
            }
            step = _script.Dequeue();
        }
        return step(setup.Io);
    }

    /// <summary>Returns when it is inside <see cref="Run"/>.</summary>
    public void WaitUntilRunning()
    {
        lock (_gate)
        {
            while (!IsRunning)
                Monitor.Wait(_gate);
        }
    }

    public void Kick()
    {
        lock (_gate)
        {
            _kicked = true;
            Monitor.PulseAll(_gate);
        }
    }

    public void GetState(out X86State state) => state = _state;

    public void SetState(in X86State state) => _state = state;

    public int StateVersion => 1;

    public void Save(StateWriter writer) => X86StateCodec.Write(writer, _state);

    public void Load(ref StateReader reader) => X86StateCodec.Read(ref reader, out _state);

    public void Reset() => Resets++;

    public void SignalInterrupt() { }

    public void SignalNmi() { }

    public void SignalInit() { }

    public void SignalStartUp(byte vector) { }

    public void Wake() => Kick();

    public void WaitWhileHalted()
    {
        lock (_gate)
        {
            while (!_kicked)
                Monitor.Wait(_gate);
        }
    }

    public void Dispose() { }
}
