using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Machines;

// What is asked of a machine while it runs, from any thread, and how the thread in Run carries it out.
public sealed partial class Machine
{
    // A guest whose every request fails does not fill memory before they are told.
    private const int MaxBlockErrors = 64;

    private readonly object _wishes = new();
    private readonly Queue<BlockError> _blockErrors = new();
    private MachineEnd? _wishedEnd;
    private bool _wishedReset, _wishedPowerOff, _wishedPause, _wishedSuspend, _wishedWake, _wishedErrorStop, _resetByTripleFault, _isResetFromHost;
    private bool? _panic;

    // Where the thread in Run is; with the lock on the wishes.
    private RunLoop _loop;
    private IVcpu? _tripleFaulted;
    private IVcpu? _wishedDebugStop;

    private enum RunLoop
    {
        NotStarted,
        Waiting,
        Acting,
        Over,
    }

    private MachineEnd CarryOutWishesToTheEnd()
    {
        while (true)
        {
            SetLoop(RunLoop.Waiting);
            var end = WaitForWish();
            lock (_control)
            {
                end ??= CarryOutWishes();
                if (end is not { } ended)
                    continue;
                StopAll();
                if (ended.Kind is MachineEndKind.VcpuFailure or MachineEndKind.InternalFault)
                    State = MachineState.InternalError;
                Happened?.Invoke(MachineEvent.Shutdown, CauseOf(ended.Kind));
                return ended;
            }
        }
    }

    /// <summary>
    /// Waits until the machine has been reset for its first start, and until a reset or power-off that was asked for is carried out, or the machine has
    /// ended: for a protocol whose next command must find it done. Not with the device lock held, and not from a vCPU's thread.
    /// </summary>
    public void AwaitWishes()
    {
        lock (_wishes)
        {
            while (_loop is RunLoop.NotStarted or RunLoop.Acting || (_loop == RunLoop.Waiting && HasWish))
                Monitor.Wait(_wishes);
        }
    }

    /// <summary>As <see cref="RequestReset()"/>, asked for by a person or a program outside.</summary>
    public void ResetFromHost() => RequestReset(fromHost: true);

    /// <summary>Resets the machine as its reset button does, running or paused; it stays what it was.</summary>
    public void RequestReset() => RequestReset(fromHost: false);

    private void RequestReset(bool fromHost)
    {
        lock (_wishes)
        {
            _wishedReset = true;
            _isResetFromHost = fromHost;
            Monitor.PulseAll(_wishes);
        }
        KickAll();
    }

    public void RequestPowerOff()
    {
        lock (_wishes)
        {
            _wishedPowerOff = true;
            Monitor.PulseAll(_wishes);
        }
        KickAll();
    }

    /// <summary>Pauses from where <see cref="Pause()"/> cannot be called, as a device or a vCPU's thread: the vCPU that asks runs no further than this access.</summary>
    public void RequestPause()
    {
        lock (_wishes)
        {
            _wishedPause = true;
            Monitor.PulseAll(_wishes);
        }
        foreach (var thread in _threads)
            thread.RequestPause();
    }

    public void RequestSuspend()
    {
        lock (_wishes)
        {
            _wishedSuspend = true;
            Monitor.PulseAll(_wishes);
        }
        // At once: the guest's next instruction may undo what the one that suspends has done.
        foreach (var thread in _threads)
            thread.RequestPause();
    }

    public void RequestWake()
    {
        lock (_wishes)
        {
            _wishedWake = true;
            Monitor.PulseAll(_wishes);
        }
    }

    public void NotePanic(bool isHandled)
    {
        lock (_wishes)
        {
            _panic = isHandled;
            Monitor.PulseAll(_wishes);
        }
        KickAll();
    }

    /// <summary>A disk's request failed on the host: tells of it, and stops the machine where that is what its user wants.</summary>
    public void NoteBlockError(BlockError error)
    {
        var stops = error.Action == BlockErrorAction.Stop;
        lock (_wishes)
        {
            if (_blockErrors.Count < MaxBlockErrors)
                _blockErrors.Enqueue(error);
            _wishedErrorStop |= stops;
            Monitor.PulseAll(_wishes);
        }
        if (!stops)
            return;
        foreach (var thread in _threads)
            thread.RequestPause();
    }

    public void RequestExit(int status) => WishEnd(new MachineEnd(MachineEndKind.Exit, status));

    /// <summary>Something was asked for that is not carried out yet.</summary>
    internal bool HasWishes
    {
        get
        {
            lock (_wishes)
                return HasWish;
        }
    }

    /// <summary>Ends the machine from the host's side: QMP's quit, a signal. From any thread.</summary>
    public void RequestQuit() => WishEnd(new MachineEnd(MachineEndKind.Quit));

    void IVcpuOwner.OnVcpuStopped(IVcpu vcpu, VcpuStop reason)
    {
        switch (reason)
        {
            case VcpuStop.Shutdown:
                lock (_wishes)
                {
                    _resetByTripleFault = true;
                    _tripleFaulted = vcpu;
                }
                RequestReset();
                break;
            case VcpuStop.SystemEvent:
                RequestPowerOff();
                break;
            case VcpuStop.Debug:
                lock (_wishes)
                {
                    _wishedDebugStop ??= vcpu;
                    Monitor.PulseAll(_wishes);
                }
                break;
            default:
                WishEnd(new MachineEnd(MachineEndKind.VcpuFailure, Vcpu: vcpu));
                break;
        }
    }

    void IVcpuOwner.OnVcpuFault(IVcpu vcpu, Exception fault) => WishEnd(new MachineEnd(MachineEndKind.InternalFault, Vcpu: vcpu, Fault: fault));

    private void OnDeviceFault(Exception fault) => WishEnd(new MachineEnd(MachineEndKind.InternalFault, Fault: fault));

    // The first wish wins: what a guest does after it asked for its end is void.
    private void WishEnd(MachineEnd end)
    {
        lock (_wishes)
        {
            _wishedEnd ??= end;
            Monitor.PulseAll(_wishes);
        }
        foreach (var thread in _threads)
            thread.RequestPause();
    }

    // With the lock on the wishes.
    private bool HasWish => _wishedReset || _wishedPowerOff || _wishedPause || _wishedDebugStop is not null || _wishedSuspend || _wishedWake || _wishedErrorStop || _blockErrors.Count > 0 || _panic is not null || _wishedEnd is not null;

    private void SetLoop(RunLoop loop)
    {
        lock (_wishes)
        {
            _loop = loop;
            Monitor.PulseAll(_wishes);
        }
    }

    private void KickAll()
    {
        foreach (var vcpu in _vcpus)
            vcpu.Kick();
    }

    private MachineEnd? WaitForWish()
    {
        lock (_wishes)
        {
            while (!HasWish)
                Monitor.Wait(_wishes);
            _loop = RunLoop.Acting;
            return _wishedEnd;
        }
    }

    private MachineEnd? CarryOutWishes()
    {
        bool reset, powerOff, pause, suspend, wake, errorStop;
        BlockError[] blockErrors;
        bool? panic;
        MachineEndKind refusal;
        MachineCause resetCause;
        IVcpu? at, debugged;
        lock (_wishes)
        {
            (reset, powerOff, pause, suspend, wake, panic) = (_wishedReset, _wishedPowerOff, _wishedPause, _wishedSuspend, _wishedWake, _panic);
            debugged = _wishedDebugStop;
            resetCause = _isResetFromHost ? MachineCause.HostReset : MachineCause.GuestReset;
            (refusal, at) = _resetByTripleFault ? (MachineEndKind.TripleFault, _tripleFaulted) : (MachineEndKind.ResetRefused, null);
            (_wishedReset, _wishedPowerOff, _wishedPause, _resetByTripleFault, _tripleFaulted, _wishedDebugStop) = (false, false, false, false, null, null);
            (_wishedSuspend, _wishedWake, _panic) = (false, false, null);
            errorStop = _wishedErrorStop;
            _wishedErrorStop = false;
            blockErrors = [.. _blockErrors];
            _blockErrors.Clear();
        }
        foreach (var error in blockErrors)
            BlockFailed?.Invoke(error);
        if (panic is { } isHandled && CarryOutPanic(isHandled) is { } panicked)
            return panicked;
        if (powerOff || (reset && NoReboot))
        {
            if (!NoShutdown)
                return new MachineEnd(powerOff ? MachineEndKind.PowerOff : refusal, Vcpu: at);
            Happened?.Invoke(MachineEvent.Shutdown, powerOff ? MachineCause.GuestShutdown : resetCause);
            PauseAs(MachineState.Shutdown);
            return null;
        }
        if (pause && State == MachineState.Running)
            PauseAs(MachineState.Paused);
        if (errorStop && !reset && State == MachineState.Running)
            PauseAs(MachineState.IoError);
        // Not when somebody paused it meanwhile: the vCPU meets its breakpoint again.
        if (debugged is not null && !reset && State == MachineState.Running)
            PauseAs(MachineState.Debug, debugged);
        if (reset)
        {
            Restart(MachineEvent.Reset, resetCause);
            return null;
        }
        if (suspend && State == MachineState.Running)
        {
            ParkVcpus();
            State = MachineState.Suspended;
            Happened?.Invoke(MachineEvent.Suspend, MachineCause.None);
        }
        if (wake && State == MachineState.Suspended)
            Restart(MachineEvent.Wakeup, MachineCause.None);
        return null;
    }

    // Running or suspended it runs afterwards.
    private void Restart(MachineEvent what, MachineCause cause)
    {
        var runs = State is MachineState.Running or MachineState.Suspended;
        StopAll();
        ResetAll(isWake: what == MachineEvent.Wakeup);
        Happened?.Invoke(what, cause);
        if (runs)
            StartAll();
    }

    private MachineEnd? CarryOutPanic(bool isHandled)
    {
        Happened?.Invoke(isHandled ? MachineEvent.GuestCrashLoaded : MachineEvent.GuestPanicked, MachineCause.None);
        if (isHandled || PanicResponse == PanicResponse.None)
            return null;
        if (PanicResponse == PanicResponse.Shutdown && !NoShutdown)
            return new MachineEnd(MachineEndKind.GuestPanic);
        PauseAs(MachineState.GuestPanicked);
        return null;
    }

    private static MachineCause CauseOf(MachineEndKind kind) => kind switch
    {
        MachineEndKind.Exit or MachineEndKind.PowerOff => MachineCause.GuestShutdown,
        MachineEndKind.GuestPanic => MachineCause.GuestPanic,
        MachineEndKind.ResetRefused or MachineEndKind.TripleFault => MachineCause.GuestReset,
        MachineEndKind.Quit => MachineCause.HostQuit,
        _ => MachineCause.HostError,
    };
}
