using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Accel.Qtest;

/// <summary>Executes no guest code: the devices are driven from outside, by the qtest protocol, and time by <c>clock_step</c>.</summary>
public sealed class QtestAccelerator : IAccelerator
{
    public const string AcceleratorName = "qtest";

    public string Name => AcceleratorName;

    public IKernelIrqChip? IrqChip => null;

    public void SetMemory(IReadOnlyList<GuestRam> layout) { }

    public IVcpu CreateVcpu(VcpuSetup setup) => new QtestVcpu(setup.Index);

    public void Dispose() { }
}

/// <summary>A vCPU that has a state and never runs: it sleeps in HLT, whatever is signalled.</summary>
internal sealed class QtestVcpu(int index) : IVcpu
{
    private readonly ManualResetEventSlim _kicked = new(false, 0);
    private X86State _state;

    public int Index => index;

    public string? Failure => null;

    public IReadOnlyList<string> RecentExits => [];

    public VcpuStop Run() => VcpuStop.Halted;

    public void WaitWhileHalted()
    {
        _kicked.Wait();
        _kicked.Reset();
    }

    public void Kick() => _kicked.Set();

    public void GetState(out X86State state) => state = _state;

    public void SetState(in X86State state) => _state = state;

    public int StateVersion => 1;

    public void Save(StateWriter writer) => X86StateCodec.Write(writer, _state);

    public void Load(ref StateReader reader) => X86StateCodec.Read(ref reader, out _state);

    // Nobody reads the signature.
    public void Reset() => _state = X86Reset.PowerUp(index == 0, signature: 0);

    public void SignalInterrupt() { }

    public void SignalNmi() { }

    public void SignalInit() { }

    public void SignalStartUp(byte vector) { }

    public void Wake() { }

    public void Dispose() => _kicked.Dispose();
}
