using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>The machine's PIC as vCPUs see it whose local APICs are inside the accelerator: its INTR, wired to LINT0 of each, and the acknowledge cycle.</summary>
/// <remarks>Whether a local APIC lets it through is the accelerator's to know. Of several that do, the first to acknowledge has the interrupt.</remarks>
public sealed class PicOutput(I8259 pic, Lock deviceLock) : IInterruptSource, IIrqLine
{
    private readonly List<IVcpuSignals> _vcpus = [];
    private volatile bool _level;

    public bool HasInterrupt => _level;

    public int Acknowledge()
    {
        lock (deviceLock)
            return pic.IntrAsserted ? pic.Acknowledge() : -1;
    }

    public void Connect(IVcpuSignals vcpu) => _vcpus.Add(vcpu);

    public void Set(bool level)
    {
        if (_level == level)
            return;
        _level = level;
        if (!level)
            return;
        foreach (var vcpu in _vcpus)
            vcpu.SignalInterrupt();
    }
}
