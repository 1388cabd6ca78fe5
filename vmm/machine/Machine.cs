using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// A machine, whatever is in it: memory, buses, a clock, devices, vCPUs and their threads; starts, pauses, resets and ends them. What sits
/// where is a board's business (PcBoard).
/// </summary>
/// <remarks>
/// Three kinds of thread meet here. vCPU threads and the clock's thread only note wishes (<see cref="IMachineControl"/>); the thread in
/// <see cref="Run"/> carries them out; QMP's may call <see cref="Pause()"/>, <see cref="Resume()"/> and <see cref="Inspect"/>. Changes of state are
/// made with <c>_control</c> held, which no vCPU thread ever takes, and which is taken before the device lock.
/// </remarks>
public sealed partial class Machine : IMachineControl, IVcpuOwner, IDisposable
{
    private readonly Lock _control = new();
    private readonly List<IDevice> _devices = [];
    private readonly List<VcpuThread> _threads = [];
    private readonly List<IVcpu> _vcpus = [];
    private Action<bool>? _afterReset;

    // Who goes on when the machine does; null: all.
    private IReadOnlyList<IVcpu>? _goingOn;

    /// <param name="memory">Its own from here on, as <paramref name="clock"/> and <paramref name="accelerator"/> are.</param>
    public Machine(GuestMemory memory, IoBus bus, IMachineClock clock, IAccelerator accelerator)
    {
        Memory = memory;
        Bus = bus;
        Clock = clock;
        Accelerator = accelerator;
        accelerator.SetMemory(memory.Layout);
        memory.SetObserver(accelerator as IGuestMemoryObserver);
    }

    public GuestMemory Memory { get; }

    public IoBus Bus { get; }

    public IMachineClock Clock { get; }

    public IAccelerator Accelerator { get; }

    /// <summary>In the order in which they were added, which is the order of reset and of saved state.</summary>
    public IReadOnlyList<IDevice> Devices => _devices;

    /// <summary>By index.</summary>
    public IReadOnlyList<IVcpu> Vcpus => _vcpus;

    /// <summary>The kernel's id of the thread that runs a vCPU.</summary>
    public int VcpuThreadId(int index) => _threads[index].NativeThreadId;

    public MachineState State { get; private set; } = MachineState.Prelaunch;

    /// <summary>A reset that the guest asks for ends the machine.</summary>
    public bool NoReboot { get; init; }

    /// <summary>A power-off that the guest asks for pauses the machine.</summary>
    public bool NoShutdown { get; init; }

    /// <summary>What follows when the guest says that it has panicked.</summary>
    public PanicResponse PanicResponse { get; init; }

    /// <summary>What a power button does, where the machine has one.</summary>
    public Action? PowerButton { get; set; }

    /// <summary>Raised on the thread that brought it about, with the control lock held: a handler must not call back.</summary>
    public event Action<MachineEvent, MachineCause>? Happened;

    /// <summary>A disk's request failed on the host; raised as <see cref="Happened"/> is, before the machine stops for it.</summary>
    public event Action<BlockError>? BlockFailed;

    /// <summary>Puts a device into the machine: from here on it is reset and saved with it.</summary>
    public void Add(IDevice device) => _devices.Add(device);

    /// <summary>Takes a device out again: it is no more reset, saved and disposed with the machine. Only while the machine stands still.</summary>
    public void Remove(IDevice device) => _devices.Remove(device);

    /// <summary>A way to the buses for somebody who is no vCPU: takes the device lock, and a fault of a device ends the machine with a report.</summary>
    /// <param name="local">The per-CPU device in front, if any.</param>
    public IVcpuIo CreateIo(ICpuLocalMmio? local) => new VcpuIo(Bus, local, OnDeviceFault);

    /// <summary>Makes the vCPUs, parked in reset state.</summary>
    /// <param name="count">At least 1.</param>
    /// <param name="cpuModel">As after <c>-cpu</c>.</param>
    /// <param name="apicOf">The local APIC that the machine models for a vCPU, null with a kernel irqchip.</param>
    /// <param name="pic">The machine's PIC beside a split irqchip.</param>
    /// <exception cref="AcceleratorException">The host cannot.</exception>
    public void CreateVcpus<TApic>(int count, string cpuModel, Func<int, TApic?> apicOf, IInterruptSource? pic = null)
        where TApic : class, ILocalApic, ICpuLocalMmio
    {
        CpuModel = cpuModel;
        for (var i = 0; i < count; i++)
        {
            var apic = apicOf(i);
            var vcpu = Accelerator.CreateVcpu(new VcpuSetup(i, count, cpuModel, new VcpuIo(Bus, apic, OnDeviceFault), apic, pic));
            _vcpus.Add(vcpu);
            apic?.Connect(vcpu);
            pic?.Connect(vcpu);
        }
        foreach (var vcpu in _vcpus)
            _threads.Add(new VcpuThread(vcpu, this));
    }

    /// <summary>What puts the boot image in place and the bootstrap processor at its entry, after each reset.</summary>
    /// <param name="afterReset">Given true when the machine wakes up, with its RAM as the guest left it.</param>
    public void SetBoot(Action<bool> afterReset) => _afterReset = afterReset;

    /// <summary>Changes what memory is seen where, while vCPUs may run; what they have of it is gone before their next block. With the device lock held.</summary>
    public void SetMemoryLayout(IReadOnlyList<GuestRam> layout)
    {
        Memory.SetLayout(layout);
        Accelerator.SetMemory(Memory.Layout);
    }

    /// <summary>Presses the power button; false when the machine has none, or stands still.</summary>
    public bool PressPowerButton()
    {
        if (PowerButton is null)
            return false;
        lock (_control)
        {
            lock (Bus.DeviceLock)
                PowerButton();
            Happened?.Invoke(MachineEvent.PowerDown, MachineCause.None);
        }
        return true;
    }

    /// <summary>Resets, starts unless <paramref name="paused"/>, and returns when the machine has ended; vCPUs are parked then.</summary>
    /// <param name="snapshot">What to start from; null: from a reset. One that was taken in a pause starts paused.</param>
    /// <exception cref="State.StateFormatException">The snapshot is damaged, or of another machine.</exception>
    /// <exception cref="AcceleratorException">The accelerator does not take the snapshot.</exception>
    public MachineEnd Run(bool paused = false, Stream? snapshot = null)
    {
        lock (_control)
        {
            ResetAll(isWake: false);
            if (snapshot is not null)
                paused |= !LoadStandingStill(snapshot, static () => { }).IsRunning;
            if (!paused)
                StartAll();
            else if (snapshot is not null)
                State = MachineState.Paused;
        }
        try
        {
            return CarryOutWishesToTheEnd();
        }
        finally
        {
            SetLoop(RunLoop.Over);
        }
    }

    /// <summary>Stops time and all vCPUs; returns when they stand still.</summary>
    public void Pause() => Pause(MachineState.Paused);

    /// <summary>As <see cref="Pause()"/>, on behalf of a debugger.</summary>
    public void PauseForDebugger() => Pause(MachineState.Debug);

    private void Pause(MachineState state)
    {
        lock (_control)
        {
            if (State == MachineState.Running)
                PauseAs(state);
        }
    }

    /// <summary>The vCPU that met a debugger's breakpoint last; null when the machine stands for another reason.</summary>
    public IVcpu? AtBreakpoint { get; private set; }

    /// <summary>Goes on after <see cref="Pause()"/>, a breakpoint or a start in pause; false when there is nothing to go on with.</summary>
    public bool Resume() => Resume(null);

    /// <summary>As <see cref="Resume()"/>, but with some vCPUs only, for a debugger: the others stand still until it is called again.</summary>
    /// <param name="vcpus">Who goes on; null: all.</param>
    public bool Resume(IReadOnlyList<IVcpu>? vcpus)
    {
        lock (_control)
        {
            if (State is not (MachineState.Paused or MachineState.Prelaunch or MachineState.Debug or MachineState.GuestPanicked or MachineState.IoError))
                return State == MachineState.Running;
            _goingOn = vcpus;
            AtBreakpoint = null;
            RetryHeldBack();
            StartAll();
            Happened?.Invoke(MachineEvent.Resume, MachineCause.None);
            return true;
        }
    }

    /// <summary>Has devices try again what the host could not do.</summary>
    public void RetryHeldBack()
    {
        lock (Bus.DeviceLock)
        {
            foreach (var device in _devices)
                (device as IResumable)?.OnResume();
        }
    }

    /// <summary>Runs an action while every vCPU stands still, so that it may read their state; the machine goes on afterwards as it was.</summary>
    public void Inspect(Action action)
    {
        lock (_control)
        {
            var wasRunning = State == MachineState.Running;
            if (wasRunning)
                StopAll();
            action();
            if (wasRunning)
                StartAll();
        }
    }

    public void Dispose()
    {
        lock (_control)
        {
            Clock.Dispose();
            foreach (var thread in _threads)
                thread.End();
            foreach (var vcpu in _vcpus)
                vcpu.Dispose();
            Accelerator.Dispose();
            foreach (var device in _devices)
                (device as IDisposable)?.Dispose();
            Memory.Dispose();
        }
    }

    private void PauseAs(MachineState state, IVcpu? atBreakpoint = null)
    {
        StopAll();
        State = state;
        AtBreakpoint = atBreakpoint;
        lock (_wishes)
            _wishedDebugStop = null;
        Happened?.Invoke(MachineEvent.Stop, MachineCause.None);
    }

    private void StartAll()
    {
        State = MachineState.Running;
        Clock.Resume();
        foreach (var thread in _threads)
        {
            if (_goingOn is null || _goingOn.Contains(thread.Vcpu))
                thread.Resume();
        }
    }

    private void StopAll()
    {
        ParkVcpus();
        Clock.Pause();
    }

    private void ParkVcpus()
    {
        foreach (var thread in _threads)
            thread.RequestPause();
        foreach (var thread in _threads)
            thread.WaitUntilParked();
    }

    /// <summary>As the reset before the first start, for one who runs the vCPUs in a loop of his own.</summary>
    internal void ResetStandingStill() => ResetAll(isWake: false);

    private void ResetAll(bool isWake)
    {
        _goingOn = null;
        foreach (var vcpu in _vcpus)
            vcpu.Reset();
        lock (Bus.DeviceLock)
        {
            Accelerator.IrqChip?.Reset();
            foreach (var device in _devices)
                (device as IResettable)?.Reset();
        }
        _afterReset?.Invoke(isWake);
    }
}
