namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>What can be chosen about a machine on KVM.</summary>
/// <param name="KernelIrqChip">PIC, IOAPIC and LAPICs inside KVM (<c>kernel-irqchip=on</c>); otherwise the machine's own.</param>
/// <param name="Pit">The PIT inside KVM too; counts only with <paramref name="KernelIrqChip"/>.</param>
/// <param name="PitReinject">Ticks that the guest had no time for are given to it later (<c>kvm-pit.lost_tick_policy=delay</c>), otherwise dropped (<c>discard</c>).</param>
/// <param name="Device">Where KVM is.</param>
public sealed record KvmOptions(bool KernelIrqChip = true, bool Pit = true, bool PitReinject = true, string Device = KvmSystem.DefaultDevice);
