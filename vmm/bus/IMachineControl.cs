namespace Gauntlet.Vmm.Bus;

/// <summary>
/// What a device may ask of the machine that it sits in. Each call only notes the wish and returns: the machine acts when the access is
/// over and the vCPUs stand still. Safe from any thread, with or without the device lock.
/// </summary>
public interface IMachineControl
{
    /// <summary>RESET to every CPU and device, as from the keyboard controller, port 0xcf9 or a triple fault.</summary>
    void RequestReset();

    /// <summary>Power off, as ACPI S5.</summary>
    void RequestPowerOff();

    /// <summary>Suspend to RAM, as ACPI S3: CPUs stop before their next instruction, time goes on, until <see cref="RequestWake"/>.</summary>
    void RequestSuspend();

    /// <summary>Wake up: RESET to every CPU and device, RAM as it is. Nothing happens when the machine is not suspended.</summary>
    void RequestWake();

    /// <summary>The guest says that its system has panicked.</summary>
    /// <param name="isHandled">It goes on by itself, into another kernel.</param>
    void NotePanic(bool isHandled);

    /// <summary>End the process with this status, as <c>isa-debug-exit</c>.</summary>
    /// <param name="status">0 to 255.</param>
    void RequestExit(int status);
}
