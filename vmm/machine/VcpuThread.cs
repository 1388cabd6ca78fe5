using Gauntlet.Linux;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Machines;

/// <summary>What a vCPU thread tells the machine. Called on the vCPU's thread; must not wait for vCPU threads.</summary>
public interface IVcpuOwner
{
    /// <summary>The vCPU stopped for a reason other than a kick or HLT. It stays parked until the machine resumes it.</summary>
    void OnVcpuStopped(IVcpu vcpu, VcpuStop reason);

    /// <summary>A fault of the accelerator itself. The vCPU does not run again.</summary>
    void OnVcpuFault(IVcpu vcpu, Exception fault);
}

/// <summary>
/// The one thread that runs a vCPU, and the protocol by which others start, hold and end it.
/// </summary>
/// <remarks>
/// <para>The thread is in one of two places: <em>inside</em> (in <see cref="IVcpu.Run"/> or waiting in HLT) or <em>parked</em>, waiting on this object's
/// monitor. A command is a change of <c>_wanted</c> under the monitor, then a <see cref="IVcpu.Kick"/>. The order matters: the thread looks at
/// <c>_wanted</c> after each return from inside and before each entry, and a kick that comes between the look and the entry makes the entry
/// return at once; so no command is lost, and none waits longer than a kick takes.</para>
/// <para>After <see cref="RequestPause"/> the vCPU may execute until <see cref="WaitUntilParked"/> returns; from then to <see cref="Resume"/> its state
/// belongs to the caller. A pause is asked of all vCPUs first and awaited afterwards, so that one that waits for another cannot hold it up.
/// Neither may be called with the device lock held: a vCPU may be waiting for that lock.</para>
/// <para>A kick that was on its way when the thread parked makes the next entry return once more: harmless, it enters again.</para>
/// </remarks>
public sealed class VcpuThread
{
    private const int StackBytes = 1024 * 1024;

    private enum Wanted
    {
        Parked,
        Running,
        Ended,
    }

    private readonly IVcpuOwner _owner;
    private readonly Thread _thread;
    private readonly object _gate = new();
    private Wanted _wanted = Wanted.Parked;
    private bool _parked;

    /// <summary>Starts the thread, parked.</summary>
    public VcpuThread(IVcpu vcpu, IVcpuOwner owner)
    {
        Vcpu = vcpu;
        _owner = owner;
        _thread = new Thread(Serve, StackBytes) { IsBackground = true, Name = $"CPU {vcpu.Index}" };
        _thread.Start();
    }

    public IVcpu Vcpu { get; }

    /// <summary>The kernel's id of the thread (gettid), 0 until it runs.</summary>
    public int NativeThreadId { get; private set; }

    /// <summary>Lets the vCPU run. No effect once it has ended.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            if (_wanted == Wanted.Ended)
                return;
            _wanted = Wanted.Running;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Asks the vCPU to stop; does not wait. From any thread, its own too.</summary>
    public void RequestPause()
    {
        lock (_gate)
        {
            if (_wanted == Wanted.Running)
                _wanted = Wanted.Parked;
        }
        Vcpu.Kick();
    }

    /// <summary>Waits until the vCPU executes nothing. Not from a vCPU's thread.</summary>
    public void WaitUntilParked()
    {
        lock (_gate)
        {
            while (!_parked)
                Monitor.Wait(_gate);
        }
    }

    /// <summary>Ends the thread and waits for it. The vCPU itself is the caller's to dispose.</summary>
    public void End()
    {
        lock (_gate)
        {
            _wanted = Wanted.Ended;
            Monitor.PulseAll(_gate);
        }
        Vcpu.Kick();
        _thread.Join();
    }

    private void Serve()
    {
        NativeThreadId = Libc.gettid();
        try
        {
            while (WaitUntilWanted())
            {
                var stop = Vcpu.Run();
                switch (stop)
                {
                    case VcpuStop.Kicked:
                        break;
                    case VcpuStop.Halted:
                        Vcpu.WaitWhileHalted();
                        break;
                    default:
                        ParkSelf();
                        _owner.OnVcpuStopped(Vcpu, stop);
                        break;
                }
            }
        }
        catch (Exception fault)
        {
            ParkSelf();
            _owner.OnVcpuFault(Vcpu, fault);
        }
        finally
        {
            lock (_gate)
            {
                _wanted = Wanted.Ended;
                _parked = true;
                Monitor.PulseAll(_gate);
            }
        }
    }

    // Before the owner hears of the stop: a resume that it answers with must not be undone.
    private void ParkSelf()
    {
        lock (_gate)
        {
            if (_wanted == Wanted.Running)
                _wanted = Wanted.Parked;
        }
    }

    // False when the thread is to end.
    private bool WaitUntilWanted()
    {
        lock (_gate)
        {
            while (_wanted == Wanted.Parked)
            {
                _parked = true;
                Monitor.PulseAll(_gate);
                Monitor.Wait(_gate);
            }
            _parked = false;
            return _wanted == Wanted.Running;
        }
    }
}
