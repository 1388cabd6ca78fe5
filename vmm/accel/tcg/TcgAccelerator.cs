using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>
/// The translator as an accelerator: guest code becomes IR, the IR becomes host code or is interpreted; each vCPU has its own blocks and TLB and runs on its own thread.
/// Needs nothing of the host but, for host code, executable memory.
/// </summary>
/// <param name="clock">The time-stamp counter runs by it.</param>
/// <param name="options">Null: the host's best.</param>
public sealed class TcgAccelerator(IClock clock, TcgOptions? options = null) : IAccelerator, IGuestMemoryObserver
{
    private readonly PhysicalMap _physical = new();
    private readonly List<string> _warnings = [];
    private readonly TcgOptions _options = options ?? TcgOptions.Default;

    public string Name => "tcg";

    /// <summary>None: the machine's own models are used.</summary>
    public IKernelIrqChip? IrqChip => null;

    public void SetMemory(IReadOnlyList<GuestRam> layout) => _physical.SetLayout(layout);

    public IReadOnlyList<string> Warnings => _warnings;

    public IVcpu CreateVcpu(VcpuSetup setup)
    {
        var model = X86CpuModel.Parse(setup.CpuModel, setup.Count);
        if (setup.Index == 0)
        {
            foreach (var feature in model.Missing)
                _warnings.Add("TCG doesn't support requested feature: " + feature);
        }
        return new TcgVcpu(setup, _physical, model, ReadTsc, _options, clock as IInstructionClock);
    }

    public void TrackWrites() => _physical.TracksWrites = true;

    public void OnGuestMemoryWritten(ulong address, ulong length) => _physical.DeviceWrites(address, length);

    public void Dispose() => _physical.Dispose();

    // At X86CpuModel.TscHz, one tick a nanosecond.
    private ulong ReadTsc() => (ulong)clock.NowNs;
}
