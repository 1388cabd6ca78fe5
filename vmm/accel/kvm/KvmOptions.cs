namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>What can be chosen about a machine on KVM.</summary>
/// <param name="KernelIrqChip">PIC, IOAPIC and LAPICs inside KVM (<c>kernel-irqchip=on</c>); otherwise the machine's own.</param>
/// <param name="Pit">The PIT inside KVM too; counts only with <paramref name="KernelIrqChip"/>.</param>
/// <param name="PitReinject">Ticks that the guest had no time for are given to it later (<c>lost_tick_policy=delay</c>), otherwise dropped (<c>discard</c>).</param>
/// <param name="CpuPowerManagement">HLT, PAUSE and MWAIT do not leave the guest: the host's CPU waits in it (<c>cpu-pm=on</c>).</param>
/// <param name="Device">Where KVM is.</param>
public sealed record KvmOptions(bool KernelIrqChip = true, bool Pit = true, bool PitReinject = true, bool CpuPowerManagement = false, string Device = KvmSystem.DefaultDevice)
{
    /// <summary>Properties with QEMU's names: <c>kernel-irqchip</c> (on, off), <c>pit</c> (on, off), <c>kvm-pit.lost_tick_policy</c> (delay, discard),
    /// <c>cpu-pm</c> (on, off), <c>device</c> (a path).</summary>
    /// <exception cref="AcceleratorException">A property or value that there is not; the message names it.</exception>
    public static KvmOptions FromProperties(IReadOnlyDictionary<string, string> properties)
    {
        var options = new KvmOptions();
        foreach (var (name, value) in properties)
        {
            options = (name, value) switch
            {
                ("kernel-irqchip" or "kernel_irqchip", "on") => options with { KernelIrqChip = true },
                ("kernel-irqchip" or "kernel_irqchip", "off") => options with { KernelIrqChip = false },
                ("kernel-irqchip" or "kernel_irqchip", "split") =>
                    throw new AcceleratorException("-accel kvm,kernel-irqchip=split: gvmm has all interrupt controllers in the kernel (on) or none (off)"),
                ("pit", "on") => options with { Pit = true },
                ("pit", "off") => options with { Pit = false },
                ("kvm-pit.lost_tick_policy", "delay") => options with { PitReinject = true },
                ("kvm-pit.lost_tick_policy", "discard") => options with { PitReinject = false },
                ("cpu-pm", "on") => options with { CpuPowerManagement = true },
                ("cpu-pm", "off") => options with { CpuPowerManagement = false },
                ("device", _) => options with { Device = value },
                ("kernel-irqchip" or "kernel_irqchip" or "pit" or "kvm-pit.lost_tick_policy" or "cpu-pm", _) => throw new AcceleratorException($"-accel kvm: {name} cannot be '{value}'"),
                _ => throw new AcceleratorException($"-accel kvm: there is no property '{name}'; there are kernel-irqchip, kvm-pit.lost_tick_policy, cpu-pm, device"),
            };
        }

        return options;
    }
}
