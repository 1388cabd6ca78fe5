using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Machines;

/// <summary>Why a machine came to its end.</summary>
public enum MachineEndKind
{
    /// <summary>A device asked for a process status: <c>isa-debug-exit</c>.</summary>
    Exit,

    /// <summary>The guest powered off.</summary>
    PowerOff,

    /// <summary>The guest asked for a reset and the machine was told not to reboot.</summary>
    ResetRefused,

    /// <summary>As <see cref="ResetRefused"/>, by a triple fault.</summary>
    TripleFault,

    /// <summary>The host asked: QMP's quit, a signal.</summary>
    Quit,

    /// <summary>The guest said that it has panicked.</summary>
    GuestPanic,

    /// <summary>A vCPU cannot go on.</summary>
    VcpuFailure,

    /// <summary>A device model or an accelerator threw: a fault of this program.</summary>
    InternalFault,
}

/// <summary>How a machine ended.</summary>
/// <param name="Kind">Why.</param>
/// <param name="Status">For <see cref="MachineEndKind.Exit"/>, 0 to 255; else 0.</param>
/// <param name="Vcpu">The vCPU at fault, parked, where there is one.</param>
/// <param name="Fault">For <see cref="MachineEndKind.InternalFault"/>.</param>
public readonly record struct MachineEnd(MachineEndKind Kind, int Status = 0, IVcpu? Vcpu = null, Exception? Fault = null);

/// <summary>What a machine does at the moment, by the names of QMP's RunState.</summary>
public enum MachineState
{
    /// <summary>Never started.</summary>
    Prelaunch,
    Running,
    Paused,

    /// <summary>Paused by a debugger, or at one of its breakpoints.</summary>
    Debug,

    /// <summary>Paused because the host could not carry out a request to a disk.</summary>
    IoError,

    /// <summary>Suspended to RAM by the guest: vCPUs stand still, time goes on.</summary>
    Suspended,

    /// <summary>Paused because the guest said that it has panicked.</summary>
    GuestPanicked,

    /// <summary>Powered off, kept because it was told not to shut down.</summary>
    Shutdown,

    /// <summary>A vCPU failed.</summary>
    InternalError,
}

/// <summary>Something that happened to the machine, for those who watch: by the names of QMP's events.</summary>
public enum MachineEvent
{
    Stop,
    Resume,
    Reset,
    PowerDown,
    Shutdown,
    Suspend,
    Wakeup,
    GuestPanicked,
    GuestCrashLoaded,
}

/// <summary>What follows a panic that the guest tells of, by the names of QMP's PanicAction.</summary>
public enum PanicResponse
{
    Shutdown,
    Pause,
    None,
}

/// <summary>What brought an event about, by the names of QMP's ShutdownCause.</summary>
public enum MachineCause
{
    None,
    HostError,

    /// <summary>QMP's quit, or a signal.</summary>
    HostQuit,
    HostReset,
    GuestShutdown,
    GuestReset,
    GuestPanic,
}
