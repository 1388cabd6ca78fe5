namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>Which interrupt controllers are KVM's; the others are the machine's.</summary>
public enum KernelIrqChip
{
    /// <summary>PIC, IOAPIC and local APICs.</summary>
    On,

    /// <summary>The local APICs alone.</summary>
    Split,

    /// <summary>None.</summary>
    Off,
}

/// <summary>What can be chosen about a machine on KVM.</summary>
/// <param name="KernelIrqChip">As <c>kernel-irqchip=</c> says.</param>
/// <param name="Pit">The PIT inside KVM too; counts only where the PIC is.</param>
/// <param name="PitReinject">Ticks that the guest had no time for are given to it later (<c>lost_tick_policy=delay</c>), otherwise dropped (<c>discard</c>).</param>
/// <param name="CpuPowerManagement">HLT, PAUSE and MWAIT do not leave the guest: the host's CPU waits in it (<c>cpu-pm=on</c>).</param>
/// <param name="Device">Where KVM is.</param>
public sealed record KvmOptions(
    KernelIrqChip KernelIrqChip = KernelIrqChip.On, bool Pit = true, bool PitReinject = true, bool CpuPowerManagement = false, string Device = KvmSystem.DefaultDevice)
{
    /// <summary>Properties with QEMU's names: <c>kernel-irqchip</c> (on, split, off), <c>pit</c> (on, off), <c>kvm-pit.lost_tick_policy</c> (delay, discard),
    /// <c>cpu-pm</c> (on, off), <c>device</c> (a path).</summary>
    /// <exception cref="AcceleratorException">A property or value that there is not; the message names it.</exception>
    public static KvmOptions FromProperties(IReadOnlyDictionary<string, string> properties)
    {
        var options = new KvmOptions();
        foreach (var (name, value) in properties)
        {
            options = (name, value) switch
            {
                ("kernel-irqchip" or "kernel_irqchip", "on") => options with { KernelIrqChip = KernelIrqChip.On },
                ("kernel-irqchip" or "kernel_irqchip", "split") => options with { KernelIrqChip = KernelIrqChip.Split },
                ("kernel-irqchip" or "kernel_irqchip", "off") => options with { KernelIrqChip = KernelIrqChip.Off },
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
