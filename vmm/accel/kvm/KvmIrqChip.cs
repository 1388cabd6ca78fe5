using Gauntlet.Linux;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>The interrupt controllers inside KVM, whichever they are, and the guest's clock, which is saved with them.</summary>
internal abstract unsafe class KvmIrqChip(SafeFileHandle vm) : IKernelIrqChip, IDisposable
{
    public abstract ISplitIrqChip? Split { get; }

    public abstract bool HasPit { get; }

    public abstract int StateVersion { get; }

    /// <summary>Why KVM last refused a line, message or route, null when it never did: for a failure report, since a device that drives a line cannot be told.</summary>
    public string? LastRefusal { get; private protected set; }

    private protected SafeFileHandle Vm => vm;

    public abstract IIrqLine GetLine(int gsi);

    public bool SendMsi(ulong address, uint data)
    {
        var msi = new KvmMsi { AddressLo = (uint)address, AddressHi = (uint)(address >> 32), Data = data };
        if (Libc.ioctl(vm, KvmRequest.SignalMsi, &msi) >= 0)
            return true;
        LastRefusal = $"message 0x{data:x} to 0x{address:x}: {KvmSystem.ErrorText()}";
        return false;
    }

    public abstract void Reset();

    public abstract void Save(StateWriter writer);

    public abstract void Load(ref StateReader reader);

    public virtual void Dispose() { }

    private protected void SaveClock(StateWriter writer)
    {
        var clock = new KvmClockData();
        Call(KvmRequest.GetClock, &clock, "read the guest's clock");
        writer.UInt64(clock.Clock);
    }

    private protected void LoadClock(ref StateReader reader)
    {
        var clock = new KvmClockData { Clock = reader.UInt64() };
        Call(KvmRequest.SetClock, &clock, "set the guest's clock");
    }

    private protected void Call(nuint request, void* argument, string doing)
    {
        if (Libc.ioctl(vm, request, argument) < 0)
            throw new AcceleratorException($"KVM cannot {doing}: {KvmSystem.ErrorText()}; try -accel kvm,kernel-irqchip=off, or -accel tcg");
    }
}
