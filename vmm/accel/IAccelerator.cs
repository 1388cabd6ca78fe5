using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Accel;

/// <summary>
/// A way to execute the guest's CPUs: KVM, or the translator. The machine makes one, gives it memory, then one <see cref="IVcpu"/> for each CPU.
/// </summary>
public interface IAccelerator : IDisposable
{
    /// <summary>As after <c>-accel</c>: <c>kvm</c>, <c>tcg</c>.</summary>
    string Name { get; }

    /// <summary>
    /// Interrupt controllers and timer that live inside the accelerator (KVM's PIC, IOAPIC, LAPIC, PIT), or null when the machine's own models are to be used.
    /// </summary>
    IKernelIrqChip? IrqChip { get; }

    /// <summary>The guest-physical layout: RAM, ROM; everything else goes to the bus. Called before the first vCPU, and again when the layout changes.</summary>
    void SetMemory(IReadOnlyList<GuestRam> layout);

    /// <summary>
    /// From now on the pages that vCPUs write are noted in their <see cref="GuestRam"/>, at the latest at <see cref="CollectWrites"/>. While no vCPU runs; its
    /// state is to be loaded again before it does.
    /// </summary>
    void TrackWrites() { }

    /// <summary>Notes what was written since the last call. While no vCPU runs.</summary>
    void CollectWrites() { }

    /// <summary>Makes a vCPU in reset state. Call from any thread; run it on one thread of its own.</summary>
    /// <exception cref="AcceleratorException">The host cannot: what it lacks and what to do.</exception>
    IVcpu CreateVcpu(VcpuSetup setup);

    /// <summary>Events in place of exits and calls; null where there are none.</summary>
    IEventDelivery? Events => null;

    /// <summary>What was asked for with <c>-cpu</c> and the guest goes without on this host, one line each; complete once the vCPUs are made.</summary>
    IReadOnlyList<string> Warnings => [];
}

/// <summary>What a vCPU needs at birth.</summary>
/// <param name="Index">0-based; vCPU 0 is the bootstrap processor. Also its initial APIC ID.</param>
/// <param name="Count">How many the machine has, for CPUID.</param>
/// <param name="CpuModel">As after <c>-cpu</c>, with its flags: <c>qemu64</c>, <c>max</c>, <c>host</c>, <c>max,+svm</c>.</param>
/// <param name="Io">Where port and memory accesses that hit no RAM go. Callable from any vCPU thread; never throws.</param>
/// <param name="Apic">This vCPU's local APIC when the machine models it; null with a kernel irqchip.</param>
/// <param name="Pic">The machine's PIC when the local APICs alone are the accelerator's (<see cref="IKernelIrqChip.Split"/>); null without one.</param>
public sealed record VcpuSetup(int Index, int Count, string CpuModel, IVcpuIo Io, ILocalApic? Apic, IInterruptSource? Pic = null);

/// <summary>The guest's accesses that are not RAM, from a vCPU's side. Takes the device lock. Never throws: what nothing answers reads as all ones.</summary>
public interface IVcpuIo
{
    uint ReadPort(ushort port, int size);

    void WritePort(ushort port, int size, uint value);

    ulong ReadMmio(ulong address, int size);

    void WriteMmio(ulong address, int size, ulong value);
}

/// <summary>Why <see cref="IVcpu.Run"/> came back.</summary>
public enum VcpuStop
{
    /// <summary><see cref="IVcpu.Kick"/> was called; nothing is wrong, run it again when wanted.</summary>
    Kicked,

    /// <summary>HLT with interrupts to wait for. The vCPU thread sleeps until <see cref="IVcpuSignals.Wake"/>. Never with a kernel irqchip.</summary>
    Halted,

    /// <summary>Triple fault: on a PC the machine resets.</summary>
    Shutdown,

    /// <summary>The accelerator cannot go on (KVM internal error, failed entry, something undecodable). <see cref="IVcpu.Failure"/> says what.</summary>
    Failed,

    /// <summary>The guest asked for a reset or a power-off by way of the accelerator itself (KVM system events).</summary>
    SystemEvent,

    /// <summary>A debugger's breakpoint, watchpoint or step: <see cref="IDebuggableVcpu"/>. Run it again to go on.</summary>
    Debug,
}

/// <summary>
/// One virtual CPU. Runs guest code until it must leave; port and memory accesses happen inside <see cref="Run"/>, through <see cref="VcpuSetup.Io"/>,
/// whichever accelerator it is. <see cref="Run"/> and the state are for its own thread (or any thread while it is not running);
/// <see cref="Kick"/>, <see cref="IVcpuSignals.Wake"/> and the interrupt signals are for every thread. Saved, it is all that the vCPU needs to go on,
/// beyond <see cref="X86State"/> too; to be loaded when memory, clock and devices have been.
/// </summary>
public interface IVcpu : IVcpuSignals, ISaveable, IDisposable
{
    int Index { get; }

    /// <summary>Executes until a stop. A stop of kind <see cref="VcpuStop.Kicked"/> that was asked for before the call returns at once.</summary>
    VcpuStop Run();

    /// <summary>Makes <see cref="Run"/> return <see cref="VcpuStop.Kicked"/> within a millisecond, or the next call of it if it is not running.</summary>
    void Kick();

    /// <summary>Reads all architectural state. Only while not running.</summary>
    void GetState(out X86State state);

    /// <summary>Replaces all architectural state. Only while not running.</summary>
    void SetState(in X86State state);

    /// <summary>To the state after RESET (Intel SDM Vol. 3A, 11.1.1): vCPU 0 runs at 0xfffffff0, the others wait for a SIPI.</summary>
    void Reset();

    /// <summary>After <see cref="VcpuStop.Failed"/>: one paragraph of what happened, from the accelerator's view.</summary>
    string? Failure { get; }

    /// <summary>The newest exits first, for a failure report; at most 16. Each is one line.</summary>
    IReadOnlyList<string> RecentExits { get; }
}

/// <summary>What reaches a vCPU from its local APIC or from the machine. Safe from any thread; a halted or running vCPU takes notice at once.</summary>
public interface IVcpuSignals
{
    /// <summary>The APIC or PIC may have an interrupt to deliver: look at <see cref="IInterruptSource.HasInterrupt"/> before the next instruction that can take it.</summary>
    void SignalInterrupt();

    /// <summary>Non-maskable interrupt, edge.</summary>
    void SignalNmi();

    /// <summary>INIT: stops where it is and waits for a SIPI (SDM Vol. 3A, 9.4).</summary>
    void SignalInit();

    /// <summary>Start-up IPI: a vCPU that waits for it starts in real mode at vector × 4096; others ignore it.</summary>
    void SignalStartUp(byte vector);

    /// <summary>Ends a <see cref="VcpuStop.Halted"/> sleep.</summary>
    void Wake();

    /// <summary>Waits, on the vCPU's own thread, after <see cref="VcpuStop.Halted"/> until any signal, <see cref="Wake"/> or <see cref="IVcpu.Kick"/> arrives.</summary>
    void WaitWhileHalted();
}

/// <summary>Where a vCPU's maskable interrupts come from. Safe from the vCPU's thread without the device lock.</summary>
public interface IInterruptSource
{
    /// <summary>An interrupt is pending. Cheap: read before each block.</summary>
    bool HasInterrupt { get; }

    /// <summary>INTA: returns the vector and moves it to service; -1 when there is none after all.</summary>
    int Acknowledge();

    /// <summary>Each vCPU that it interrupts gives its signals here once, when it is made.</summary>
    void Connect(IVcpuSignals vcpu);
}

/// <summary>
/// A local APIC as its vCPU sees it, when the machine models it. What is pending is at a priority that the CPU would take now (given TPR), from the APIC or, as
/// ExtINT, from the PIC.
/// </summary>
public interface ILocalApic : IInterruptSource
{
    /// <summary>IA32_APIC_BASE, MSR 0x1b. A write that the CPU must refuse with #GP returns false.</summary>
    ulong BaseMsr { get; }

    bool TryWriteBaseMsr(ulong value);

    /// <summary>CR8: the task priority's upper four bits, 0 to 15.</summary>
    byte Cr8 { get; set; }

    /// <summary>x2APIC registers, MSRs 0x800 to 0x8ff; false: #GP.</summary>
    bool TryReadMsr(uint msr, out ulong value);

    bool TryWriteMsr(uint msr, ulong value);

    /// <summary>Sends an interrupt to one CPU, as a write of the interrupt command register does, which stays as it is.</summary>
    /// <param name="destination">Its APIC ID, in 32 bits.</param>
    /// <param name="command">The register's lower half.</param>
    void Send(uint destination, uint command);
}

/// <summary>
/// Interrupt controllers inside the accelerator: all of a PC's, with the PIT if it likes, or the local APICs alone. Saved: all but the local APICs, which go with
/// their vCPUs; to be loaded after the devices that drive its lines.
/// </summary>
public interface IKernelIrqChip : ISaveable
{
    /// <summary>Not null when the local APICs alone are inside: PIC, IOAPIC and PIT are the machine's then.</summary>
    ISplitIrqChip? Split { get; }

    /// <summary>Input line <paramref name="gsi"/> (0 to 23) of PIC and IOAPIC at once, as the PC wires them.</summary>
    /// <exception cref="InvalidOperationException">They are not inside.</exception>
    IIrqLine GetLine(int gsi);

    /// <summary>Whether the PIT is inside too; then ports 0x40-0x43 and 0x61 never reach the bus.</summary>
    bool HasPit { get; }

    /// <summary>Message-signalled interrupt: address and data as a PCI device would write them. False: no local APIC took it.</summary>
    bool SendMsi(ulong address, uint data);

    /// <summary>To reset state.</summary>
    void Reset();
}

/// <summary>What local APICs inside the accelerator and an IOAPIC of the machine's have to tell each other, beside messages.</summary>
public interface ISplitIrqChip
{
    /// <summary>Called with the vector when a local APIC ended an interrupt of an input that <see cref="SetInput"/> told of: on a vCPU's thread, without the device lock.</summary>
    Action<byte>? EndOfInterrupt { get; set; }

    /// <summary>Tells what an IOAPIC's input sends from now on, so that the end of a level-triggered interrupt is told back. Sends nothing. With the device lock held.</summary>
    /// <param name="input">0 to 23.</param>
    /// <param name="address">As a PCI device would write it.</param>
    /// <param name="data">The same; bit 15: level-triggered.</param>
    void SetInput(int input, ulong address, uint data);
}

/// <summary>This host cannot do what was asked of the accelerator. The message says what was being done, what was found, what to do.</summary>
public sealed class AcceleratorException(string message, Exception? inner = null) : Exception(message, inner);
