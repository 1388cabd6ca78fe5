using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>A local APIC, or a PIC, with one interrupt at a time.</summary>
internal sealed class TestApic : ILocalApic
{
    private IVcpuSignals? _vcpu;
    private volatile int _vector = -1;

    public bool HasInterrupt => _vector >= 0;

    public ulong BaseMsr { get; private set; } = X86Reset.ApicBaseEnabled;

    public byte Cr8 { get; set; }

    /// <summary>Has an interrupt, and tells nobody.</summary>
    public void Hold(byte vector) => _vector = vector;

    public void Raise(byte vector)
    {
        Hold(vector);
        _vcpu!.SignalInterrupt();
    }

    /// <summary>Called on the vCPU's thread when it takes an interrupt.</summary>
    public Action OnAcknowledge { get; set; } = static () => { };

    public int Acknowledge()
    {
        OnAcknowledge();
        return Interlocked.Exchange(ref _vector, -1);
    }

    public bool TryWriteBaseMsr(ulong value)
    {
        BaseMsr = value;
        return true;
    }

    public bool TryReadMsr(uint msr, out ulong value)
    {
        value = 0;
        return false;
    }

    public bool TryWriteMsr(uint msr, ulong value) => false;

    public void Send(uint destination, uint command) { }

    public void Connect(IVcpuSignals vcpu) => _vcpu = vcpu;
}
