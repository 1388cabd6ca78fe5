using Gauntlet.Linux;
using Gauntlet.Vmm.Accel.Cpu;
using Gauntlet.Vmm.Memory;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>Runs the guest on the host's CPUs by way of Linux KVM.</summary>
public sealed unsafe class KvmAccelerator : IAccelerator
{
    /// <summary>
    /// Four pages that KVM on older Intel CPUs needs for real mode: one for an identity-mapped page table, three for a TSS. Below the last 16 MiB,
    /// so that firmware of any size has its place, and where a PC has no RAM.
    /// </summary>
    private const ulong IdentityMapAddress = 0xfeffc000, TssAddress = 0xfeffd000;

    // Of a write to a queue's notification register (VIRTIO 1.2, 4.1.4.4).
    private const uint NotificationBytes = 2;

    private readonly KvmSystem _system;
    private readonly SafeFileHandle _vm;
    private readonly KvmMemorySlots _slots;
    private readonly KvmIrqChip? _irqChip;
    private readonly KvmEvents? _events;
    private readonly CpuidLeaf[] _supportedCpuid;
    private readonly List<string> _warnings = [];
    private readonly int _kickSignal;

    /// <summary>Makes a virtual machine without memory or vCPUs.</summary>
    /// <exception cref="AcceleratorException">KVM is missing, not permitted, too old, or lacks what the options ask for.</exception>
    public KvmAccelerator(KvmOptions options)
    {
        _system = new KvmSystem(options.Device);
        try
        {
            RequireOffered(options);
            _vm = _system.CreateVm();
            try
            {
                // Both before the first vCPU (api.rst, KVM_SET_IDENTITY_MAP_ADDR).
                var identityMap = IdentityMapAddress;
                if (Libc.ioctl(_vm, KvmRequest.SetIdentityMapAddr, &identityMap) != 0)
                    throw new AcceleratorException($"KVM does not take 0x{IdentityMapAddress:x} for its identity map: {KvmSystem.ErrorText()}");
                if (Libc.ioctl(_vm, KvmRequest.SetTssAddr, unchecked((nint)TssAddress)) != 0)
                    throw new AcceleratorException($"KVM does not take 0x{TssAddress:x} for its TSS: {KvmSystem.ErrorText()}");
                if (options.CpuPowerManagement)
                    DisableExits();
                var routing = options.KernelIrqChip != KernelIrqChip.Off ? new KvmGsiRouting(_vm, _system.Check(KvmCap.IrqRouting)) : null;
                if (routing is not null)
                    _irqChip = options.KernelIrqChip == KernelIrqChip.Split ? new KvmSplitIrqChip(_vm, routing) : new KvmFullIrqChip(_vm, options, routing);
                if (_system.Check(KvmCap.IoEventFd) > 0)
                    _events = new KvmEvents(_vm, _system.Check(KvmCap.IrqFd) > 0 ? routing : null, _system.Check(KvmCap.IoEventFdAnyLength) > 0 ? 0 : NotificationBytes);
                _slots = new KvmMemorySlots(_vm, Math.Max(_system.Check(KvmCap.NrMemSlots), 32));
                _supportedCpuid = _system.GetSupportedCpuid();
                _kickSignal = KvmVcpu.InstallKickSignal();
            }
            catch
            {
                _irqChip?.Dispose();
                _vm.Dispose();
                throw;
            }
        }
        catch
        {
            _system.Dispose();
            throw;
        }
    }

    public string Name => "kvm";

    public IKernelIrqChip? IrqChip => _irqChip;

    public IEventDelivery? Events => _events;

    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Why KVM cannot be used on this host, in words for a person; null when it can.</summary>
    public static string? WhyUnusable() => KvmSystem.WhyUnusable();

    /// <summary>The same of KVM with just these options.</summary>
    public static string? WhyUnusable(KvmOptions options)
    {
        try
        {
            new KvmAccelerator(options).Dispose();
            return null;
        }
        catch (AcceleratorException why)
        {
            return why.Message;
        }
    }

    public void SetMemory(IReadOnlyList<GuestRam> layout) => _slots.Set(layout);

    public void TrackWrites() => _slots.TrackWrites();

    public void CollectWrites() => _slots.CollectWrites();

    public IVcpu CreateVcpu(VcpuSetup setup)
    {
        var limit = Math.Max(_system.Check(KvmCap.MaxVcpus), _system.Check(KvmCap.NrVcpus));
        if (setup.Count > limit)
            throw new AcceleratorException($"this host's KVM has at most {limit} vCPUs in a machine, {setup.Count} were asked for: give -smp at most {limit}");
        if (_irqChip is null && setup.Apic is null)
            throw new ArgumentException("without a kernel irqchip a vCPU needs the machine's local APIC", nameof(setup));

        var model = CpuModel.Parse(setup.CpuModel);
        var cpuid = KvmCpuid.Build(_supportedCpuid, model, _irqChip is not null, setup.Index, setup.Count);
        if (setup.Index == 0)
        {
            foreach (var feature in cpuid.Missing)
                _warnings.Add("host doesn't support requested feature: " + feature);
            foreach (var feature in model.HyperV)
                _warnings.Add($"{feature} is ignored: gvmm shows a guest no Hyper-V");
        }

        // The ID is the initial APIC ID too.
        var descriptor = Libc.ioctl(_vm, KvmRequest.CreateVcpu, setup.Index);
        if (descriptor < 0)
            throw new AcceleratorException($"KVM cannot make vCPU {setup.Index}: {KvmSystem.ErrorText()}");
        return new KvmVcpu(new SafeFileHandle(descriptor, ownsHandle: true), _system, setup, cpuid.Leaves, _irqChip, _kickSignal);
    }

    /// <summary>Ends the virtual machine. After its vCPUs: the kernel keeps it for as long as one is open.</summary>
    public void Dispose()
    {
        _events?.Dispose();
        _irqChip?.Dispose();
        _vm.Dispose();
        _system.Dispose();
    }

    // Those that the host has, as cpu-pm asks: MWAIT 1, HLT 2, PAUSE 4 (api.rst, KVM_CAP_X86_DISABLE_EXITS).
    private void DisableExits()
    {
        var enable = new KvmEnableCap { Cap = (uint)KvmCap.X86DisableExits };
        enable.Arguments[0] = (ulong)_system.Check(KvmCap.X86DisableExits) & 7;
        if (enable.Arguments[0] == 0 || Libc.ioctl(_vm, KvmRequest.EnableCap, &enable) != 0)
            throw new AcceleratorException("this host's KVM cannot leave HLT and PAUSE to the guest (KVM_CAP_X86_DISABLE_EXITS): start without -overcommit cpu-pm=on");
    }

    private void RequireOffered(KvmOptions options)
    {
        if (options.KernelIrqChip == KernelIrqChip.Off)
            return;
        Require(KvmCap.IrqChip, "KVM_CAP_IRQCHIP");
        Require(KvmCap.IrqRouting, "KVM_CAP_IRQ_ROUTING");
        Require(KvmCap.SignalMsi, "KVM_CAP_SIGNAL_MSI");
        if (options.KernelIrqChip == KernelIrqChip.Split)
        {
            if (_system.Check(KvmCap.SplitIrqChip) == 0)
                throw new AcceleratorException("this host's KVM has no local APICs apart from the other interrupt controllers (KVM_CAP_SPLIT_IRQCHIP, Linux 4.4): use kernel-irqchip=on or off");
            return;
        }
        if (options.Pit && (_system.Check(KvmCap.Pit2) == 0 || _system.Check(KvmCap.PitState2) == 0 || _system.Check(KvmCap.ReinjectControl) == 0))
            throw new AcceleratorException("this host's KVM has no PIT inside (KVM_CAP_PIT2, KVM_CAP_PIT_STATE2): use -accel kvm,kernel-irqchip=off");

        void Require(KvmCap cap, string name)
        {
            if (_system.Check(cap) == 0)
                throw new AcceleratorException($"this host's KVM has no interrupt controllers inside ({name}): use -accel kvm,kernel-irqchip=off");
        }
    }
}
