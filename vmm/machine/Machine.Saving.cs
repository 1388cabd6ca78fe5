using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Machines;

// Its state to a file and back.
public sealed partial class Machine
{
    /// <summary>The machine's type, as after <c>-machine</c>: a snapshot belongs to it.</summary>
    public string Type { get; init; } = "none";

    /// <summary>Where snapshots go in a sandbox; null: wherever they are asked for.</summary>
    public SandboxedSnapshots? SandboxedSnapshots { get; set; }

    /// <summary>As given to <see cref="CreateVcpus"/>.</summary>
    public string CpuModel { get; private set; } = "";

    /// <summary>
    /// Writes a snapshot, running or paused; the machine goes on afterwards as it was. Not with the device lock held, and not from a vCPU's thread.
    /// </summary>
    /// <param name="pauseAfterwards">It stays where it was saved, paused.</param>
    /// <exception cref="InvalidOperationException">The machine is ending or has failed: there is nothing to go on with.</exception>
    /// <exception cref="IOException">Writing failed.</exception>
    public void Save(Stream target, bool pauseAfterwards = false)
    {
        AwaitWishes();
        lock (_control)
        {
            var wasRunning = State == MachineState.Running;
            if (wasRunning)
                StopAll();
            try
            {
                lock (Bus.DeviceLock)
                    MachineSnapshot.Write(this, RunState(wasRunning), target);
                if (wasRunning && pauseAfterwards)
                {
                    PauseAs(MachineState.Paused);
                    wasRunning = false;
                }
            }
            finally
            {
                if (wasRunning)
                    StartAll();
            }
        }
    }

    /// <summary>
    /// Becomes what a snapshot holds; goes on running if that did, and this machine runs or was never started. Damage that shows in the file's form
    /// changes nothing; what shows only when a part is loaded leaves the machine reset and paused.
    /// </summary>
    /// <param name="source">From its position to its end; it is read twice.</param>
    /// <exception cref="StateFormatException">Damaged, or of another machine; the message says in what.</exception>
    /// <exception cref="Accel.AcceleratorException">The accelerator does not take it.</exception>
    public void Load(Stream source)
    {
        AwaitWishes();
        lock (_control)
        {
            var wasRunning = State == MachineState.Running;
            if (wasRunning)
                StopAll();
            var touched = false;
            try
            {
                var run = LoadStandingStill(source, () => touched = true);
                State = MachineState.Paused;
                wasRunning &= run.IsRunning;
            }
            catch when (touched)
            {
                ResetAll(isWake: false);
                State = MachineState.Paused;
                wasRunning = false;
                throw;
            }
            finally
            {
                if (wasRunning)
                    StartAll();
            }
        }
    }

    /// <summary>What was asked for since a checkpoint never was.</summary>
    internal void ForgetWishes()
    {
        lock (_wishes)
        {
            (_wishedReset, _wishedPowerOff, _wishedPause, _wishedEnd) = (false, false, false, null);
            (_wishedSuspend, _wishedWake, _wishedErrorStop, _panic, _wishedDebugStop) = (false, false, false, null, null);
            _blockErrors.Clear();
            (_resetByTripleFault, _tripleFaulted, _isResetFromHost) = (false, null, false);
        }
    }

    private MachineRunState LoadStandingStill(Stream source, Action touched)
    {
        MachineRunState run;
        lock (Bus.DeviceLock)
            run = MachineSnapshot.Read(this, source, touched);
        TakeWishes(run);
        return run;
    }

    /// <summary>What was asked for is what was when a state was taken.</summary>
    internal void TakeWishes(MachineRunState run)
    {
        lock (_wishes)
        {
            var wishes = run.Wishes;
            (_wishedReset, _isResetFromHost) = (Has(MachineWishes.Reset), Has(MachineWishes.ResetFromHost));
            (_wishedPowerOff, _wishedPause) = (Has(MachineWishes.PowerOff), Has(MachineWishes.Pause));
            (_wishedSuspend, _wishedWake) = (Has(MachineWishes.Suspend), Has(MachineWishes.Wake));
            _panic = Has(MachineWishes.Panic) ? Has(MachineWishes.PanicHandled) : null;
            (_resetByTripleFault, _tripleFaulted) = (run.TripleFaulted is not null, run.TripleFaulted is { } index ? _vcpus[index] : null);

            bool Has(MachineWishes wish) => (wishes & wish) != 0;
            Monitor.PulseAll(_wishes);
        }
    }

    /// <exception cref="InvalidOperationException">There is nothing to go on with.</exception>
    internal MachineRunState RunState(bool isRunning)
    {
        if (State is MachineState.Shutdown or MachineState.InternalError)
            throw new InvalidOperationException("the machine is off or has failed: a snapshot of it could not go on");
        if (State == MachineState.Suspended)
            throw new InvalidOperationException("the machine sleeps: wake it up before a snapshot");
        lock (_wishes)
        {
            if (_wishedEnd is not null)
                throw new InvalidOperationException("the machine is ending: a snapshot of it could not go on");
            var wishes = If(_wishedReset, MachineWishes.Reset) | If(_wishedReset && _isResetFromHost, MachineWishes.ResetFromHost) | If(_wishedPowerOff, MachineWishes.PowerOff)
                | If(_wishedPause || _wishedErrorStop, MachineWishes.Pause) | If(_wishedSuspend, MachineWishes.Suspend) | If(_wishedWake, MachineWishes.Wake)
                | If(_panic is not null, MachineWishes.Panic) | If(_panic == true, MachineWishes.PanicHandled);
            return new MachineRunState(isRunning, wishes, _resetByTripleFault ? _tripleFaulted?.Index : null);
        }
    }

    private static MachineWishes If(bool isWished, MachineWishes wish) => isWished ? wish : MachineWishes.None;
}
