using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Gauntlet.Vmm.Accel.Cpu;
using Gauntlet.Vmm.State;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>A virtual CPU on KVM. An exit allocates nothing.</summary>
/// <remarks>
/// <para>How a kick works. The kicker says what it wants (<c>_kicked</c>, or a bit of <c>_pending</c>), then sets <c>immediate_exit</c>, then, after a
/// full fence, signals the thread if it is in <see cref="Run"/>. If the signal arrives before the thread enters KVM_RUN it has no effect, but then the
/// kernel sees <c>immediate_exit</c> and returns EINTR; if it arrives inside, it ends KVM_RUN with EINTR. On EINTR the vCPU's thread clears
/// <c>immediate_exit</c> first and looks at what is wanted afterwards: a wish that comes between the two sets the flag again, and costs one more EINTR.</para>
/// <para>KVM completes a port or memory access at the next KVM_RUN, with EINTR too, so that after <see cref="VcpuStop.Kicked"/> the state is whole.</para>
/// </remarks>
internal sealed unsafe partial class KvmVcpu : IVcpu
{
    private const int EntriesPerCall = 1000;

    private readonly SafeFileHandle _handle;
    private readonly int _descriptor;
    private readonly nuint _runRequest = KvmRequest.Run;
    private readonly KvmRun* _run;
    private readonly int _runBytes;
    private readonly IVcpuIo _io;
    private readonly ILocalApic? _apic;

    /// <summary>What this process injects: <see cref="_apic"/>'s interrupts, or the PIC's with a split irqchip; null when KVM has all.</summary>
    private readonly IInterruptSource? _interrupts;
    private readonly KvmIrqChip? _irqChip;
    private readonly KvmRegisters _registers;
    private readonly KvmVcpuState _wholeState;
    private readonly IReadOnlyList<CpuidLeaf> _cpuid;
    private readonly KvmExitLog _log = new();
    private readonly uint _signature;
    private readonly int _kickSignal, _process = Environment.ProcessId;

    /// <summary>Held by kickers, and to unmap the page that they write to.</summary>
    private readonly Lock _kickGate = new();
    private bool _disposed;

    /// <summary>The thread in <see cref="Run"/>, by the kernel's number; 0 when none is.</summary>
    private volatile int _thread;
    private int _kicked;

    // Without a kernel irqchip only.
    private readonly ManualResetEventSlim _wake = new(false, spinCount: 0);

    public KvmVcpu(SafeFileHandle handle, KvmSystem system, VcpuSetup setup, IReadOnlyList<CpuidLeaf> cpuid, KvmIrqChip? irqChip, int kickSignal)
    {
        _handle = handle;
        Index = setup.Index;
        _cpuid = cpuid;
        _io = setup.Io;
        _irqChip = irqChip;
        _apic = irqChip is null ? setup.Apic : null;
        _interrupts = irqChip?.Split is not null ? setup.Pic : _apic;
        _kickSignal = kickSignal;
        _canHoldInterrupts = (system.Check(KvmCap.SetGuestDebug2) & (int)GuestDebugControl.BlockIrq) != 0;
        _runBytes = system.VcpuMmapBytes;
        // Kept for KVM_RUN without a reference count at each exit; Dispose gives it back.
        var held = false;
        handle.DangerousAddRef(ref held);
        _descriptor = (int)handle.DangerousGetHandle();
        var mapping = Libc.mmap(0, (nuint)_runBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, handle, 0);
        try
        {
            if (mapping == -1)
                throw new AcceleratorException($"KVM does not share vCPU {Index}'s page: {KvmSystem.ErrorText()}");
            _run = (KvmRun*)mapping;
            SetCpuid(cpuid);
            foreach (var leaf in cpuid)
            {
                if (leaf.Function == 1)
                    _signature = leaf.Eax;
            }

            _registers = new KvmRegisters(handle, Index, system, hasLapic: irqChip is not null);
            _wholeState = new KvmVcpuState(handle, Index, system, hasLapic: irqChip is not null);
            Reset();
        }
        catch
        {
            if (mapping != -1)
                _ = Libc.munmap(mapping, (nuint)_runBytes);
            handle.DangerousRelease();
            handle.Dispose();
            throw;
        }
    }

    public int Index { get; }

    public string? Failure { get; private set; }

    public IReadOnlyList<string> RecentExits => _log.ToLines();

    /// <summary>Makes the process ready for kicks and tells which signal carries them. May be called again.</summary>
    public static int InstallKickSignal()
    {
        // SIGRTMIN itself is the runtime's.
        var signal = Libc.__libc_current_sigrtmin() + 3;
        Libc.InstallInterruptingSignal(signal);
        return signal;
    }

    public VcpuStop Run()
    {
        _thread = Libc.gettid();
        try
        {
            VcpuStop? stop;
            do
                stop = EnterTimes(EntriesPerCall);
            while (stop is null);
            return stop.GetValueOrDefault();
        }
        finally
        {
            _thread = 0;
        }
    }

    public void Kick()
    {
        Volatile.Write(ref _kicked, 1);
        Poke();
    }

    public void GetState(out X86State state)
    {
        _registers.Get(out state);
        if (_apic is null)
            return;
        if (_waitsForStartUp)
            state.Activity = X86Activity.WaitForSipi;
        else if (_halted)
            state.Activity = X86Activity.Halted;
    }

    public void SetState(in X86State state) => SetState(state, isReset: false);

    public int StateVersion => 1;

    public void Save(StateWriter writer)
    {
        writer.UInt32((uint)_cpuid.Count);
        foreach (var leaf in _cpuid)
        {
            foreach (var value in (ReadOnlySpan<uint>)[leaf.Function, leaf.Index, leaf.Eax, leaf.Ebx, leaf.Ecx, leaf.Edx])
                writer.UInt32(value);
        }
        _wholeState.Save(writer);
        writer.Byte((byte)Volatile.Read(ref _pending));
        writer.Byte(_startUpVector);
        writer.Bool(_halted);
        writer.Bool(_waitsForStartUp);
        writer.Bool(_interruptsEnabled);
    }

    public void Load(ref StateReader reader)
    {
        CheckCpuid(ref reader);
        _wholeState.Load(ref reader);
        Failure = null;
        const Pending known = Pending.Nmi | Pending.Init | Pending.StartUp;
        Interlocked.Exchange(ref _pending, reader.Byte() & (int)known);
        _startUpVector = reader.Byte();
        (_halted, _waitsForStartUp, _interruptsEnabled) = (reader.Bool(), reader.Bool(), reader.Bool());
        LookAgain();
    }

    public void Reset()
    {
        var state = X86Reset.PowerUp(bootstrap: Index == 0, _signature);
        SetState(state, isReset: true);
        Failure = null;
        Interlocked.Exchange(ref _pending, 0);
    }

    public void Dispose()
    {
        lock (_kickGate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _ = Libc.munmap((nint)_run, (nuint)_runBytes);
        }

        _handle.DangerousRelease();
        _handle.Dispose();
        _wake.Dispose();
    }

    public void Wake()
    {
        lock (_kickGate)
        {
            if (!_disposed)
                _wake.Set();
        }
    }

    public void WaitWhileHalted()
    {
        _wake.Wait();
        _wake.Reset();
    }

    /// <summary>Enters the guest and does what its exits ask for. Null: call again.</summary>
    /// <remarks>
    /// A method of its own that comes back at times, for two reasons: the runtime compiles a method again, optimized, when it is called often, but not a loop
    /// that was compiled ahead and never ends; and it makes a native call in place only outside a try block.
    /// </remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private VcpuStop? EnterTimes(int count)
    {
        for (var i = 0; i < count; i++)
        {
            if (_interrupts is not null && PrepareEntry(_interrupts) is { } stopBefore)
                return stopBefore;
            if (Libc.ioctl(_descriptor, _runRequest, 0) < 0)
            {
                if (AfterInterruption(Marshal.GetLastSystemError()) is { } interrupted)
                    return interrupted;
                continue;
            }

            if (_interrupts is not null)
                NoteExit();
            // The two that come by the million.
            switch (_run->ExitReason)
            {
                case KvmExit.Io:
                    HandlePort();
                    break;
                case KvmExit.Mmio:
                    HandleMmio();
                    break;
                default:
                    if (HandleRareExit() is { } stop)
                        return stop;
                    break;
            }
        }

        return null;
    }

    private VcpuStop? AfterInterruption(int error)
    {
        // EAGAIN: it waited for a start-up IPI, and something came.
        if (error is not (Libc.EINTR or Libc.EAGAIN))
            return Fail($"KVM_RUN of vCPU {Index} failed: {Marshal.GetPInvokeErrorMessage(error)} (errno {error})", KvmExit.Unknown, (ulong)error);
        if (_interrupts is not null)
            NoteExit();
        return TakeKick() ? VcpuStop.Kicked : null;
    }

    private void SetCpuid(IReadOnlyList<CpuidLeaf> leaves)
    {
        var buffer = new byte[KvmRequest.CpuidHeaderBytes + leaves.Count * sizeof(KvmCpuidEntry)];
        fixed (byte* p = buffer)
        {
            *(uint*)p = (uint)leaves.Count;
            var entries = (KvmCpuidEntry*)(p + KvmRequest.CpuidHeaderBytes);
            for (var i = 0; i < leaves.Count; i++)
            {
                var leaf = leaves[i];
                entries[i] = new KvmCpuidEntry
                {
                    Function = leaf.Function,
                    Index = leaf.Index,
                    Flags = leaf.Indexed ? KvmCpuidEntry.SignificantIndex : 0,
                    Eax = leaf.Eax,
                    Ebx = leaf.Ebx,
                    Ecx = leaf.Ecx,
                    Edx = leaf.Edx,
                };
            }

            if (Libc.ioctl(_handle, KvmRequest.SetCpuid2, p) != 0)
                throw new AcceleratorException($"KVM does not take vCPU {Index}'s CPUID: {KvmSystem.ErrorText()}; try another -cpu model");
        }
    }

    /// <exception cref="StateFormatException">The snapshot's guest was shown another processor than this one would be.</exception>
    private void CheckCpuid(ref StateReader reader)
    {
        var count = reader.UInt32();
        var same = count == _cpuid.Count;
        for (var i = 0; i < _cpuid.Count && same; i++)
        {
            var leaf = _cpuid[i];
            foreach (var value in (ReadOnlySpan<uint>)[leaf.Function, leaf.Index, leaf.Eax, leaf.Ebx, leaf.Ecx, leaf.Edx])
                same &= reader.UInt32() == value;
            if (!same)
                throw new StateFormatException($"CPUID leaf 0x{leaf.Function:x} of vCPU {Index} differs from the snapshot's: it was taken on another kind of host; give a -cpu model that both have");
        }
        if (!same)
            throw new StateFormatException($"vCPU {Index} has {_cpuid.Count} CPUID leaves and {count} in the snapshot: it was taken on another kind of host");
    }

    private void SetState(in X86State state, bool isReset)
    {
        _registers.Set(state, isReset);
        LookAgain();
        if (_apic is null)
            return;
        _halted = state.Activity == X86Activity.Halted;
        _waitsForStartUp = state.Activity == X86Activity.WaitForSipi;
        _interruptsEnabled = (state.Rflags & 0x200) != 0;
        _apic.TryWriteBaseMsr(state.ApicBase);
        _apic.Cr8 = (byte)state.Cr8;
    }

    /// <summary>Makes KVM_RUN come back once, or a halted wait end.</summary>
    private void Poke()
    {
        lock (_kickGate)
        {
            if (_disposed)
                return;
            Volatile.Write(ref _run->ImmediateExit, 1);
            Interlocked.MemoryBarrier();
            var thread = _thread;
            // The thread may have left Run since: then the signal interrupts a call that goes on by itself.
            if (thread != 0)
                _ = Libc.tgkill(_process, thread, _kickSignal);
            _wake.Set();
        }
    }

    private bool TakeKick()
    {
        Volatile.Write(ref _run->ImmediateExit, 0);
        Interlocked.MemoryBarrier();
        if (Interlocked.Exchange(ref _kicked, 0) == 0)
            return false;
        _log.Add(KvmExit.Intr);
        return true;
    }

    /// <summary>Does what the guest's exit asks for. Null: enter again.</summary>
    private VcpuStop? HandleRareExit()
    {
        switch (_run->ExitReason)
        {
            case KvmExit.Intr or KvmExit.IrqWindowOpen or KvmExit.SetTpr:
                return null;
            case KvmExit.IoapicEoi when _irqChip?.Split is { } split:
                _log.Add(KvmExit.IoapicEoi, _run->EoiVector);
                split.EndOfInterrupt?.Invoke(_run->EoiVector);
                return null;
            case KvmExit.Hlt:
                _log.Add(KvmExit.Hlt);
                _halted = true;
                // Next time round it is either woken at once or given to the waiting thread.
                return _apic is null ? Fail("KVM gave HLT to gvmm although the interrupt controllers are its own", KvmExit.Hlt, 0) : null;
            case KvmExit.Shutdown:
                _log.Add(KvmExit.Shutdown);
                return VcpuStop.Shutdown;
            case KvmExit.SystemEvent:
                _log.Add(KvmExit.SystemEvent, (ulong)_run->SystemEventType);
                Failure = $"KVM system event: {_run->SystemEventType}";
                return VcpuStop.SystemEvent;
            case KvmExit.Debug:
                return AfterDebugExit();
            case KvmExit.InternalError:
                return Fail(KvmFailure.DescribeInternalError(_run, Index), KvmExit.InternalError, (ulong)_run->InternalSuberror);
            case KvmExit.FailEntry:
                return Fail(KvmFailure.DescribeFailedEntry(_run, Index), KvmExit.FailEntry, _run->HardwareReason);
            case var other:
                return Fail(KvmFailure.DescribeUnexpected(_run, Index), other, 0);
        }
    }

    private VcpuStop Fail(string failure, KvmExit reason, ulong detail)
    {
        Failure = _irqChip?.LastRefusal is { } refusal ? $"{failure}. Before that, KVM refused {refusal}" : failure;
        _log.Add(reason, detail);
        return VcpuStop.Failed;
    }

    private void HandlePort()
    {
        var run = _run;
        var port = run->IoPort;
        int size = run->IoSize;
        var count = run->IoCount;
        var isOut = run->IoIsOut != 0;
        var data = (byte*)run + run->IoDataOffset;
        uint value = 0;
        for (var i = 0u; i < count; i++, data += size)
        {
            if (isOut)
            {
                value = size switch { 1 => *data, 2 => *(ushort*)data, _ => *(uint*)data };
                _io.WritePort(port, size, value);
                continue;
            }

            value = _io.ReadPort(port, size);
            switch (size)
            {
                case 1:
                    *data = (byte)value;
                    break;
                case 2:
                    *(ushort*)data = (ushort)value;
                    break;
                default:
                    *(uint*)data = value;
                    break;
            }
        }

        _log.AddPort(isOut, port, size, count, value);
    }

    private void HandleMmio()
    {
        var run = _run;
        var address = run->MmioAddress;
        var length = (int)Math.Min(run->MmioLength, 8);
        var isWrite = run->MmioIsWrite != 0;
        // KVM cuts an access where it crosses a page, at any byte; devices know powers of two.
        for (var done = 0; done < length;)
        {
            var size = length - done >= 8 ? 8 : length - done >= 4 ? 4 : length - done >= 2 ? 2 : 1;
            var data = run->MmioData + done;
            if (isWrite)
            {
                _io.WriteMmio(address + (ulong)done, size, size switch { 1 => *data, 2 => *(ushort*)data, 4 => *(uint*)data, _ => *(ulong*)data });
            }
            else
            {
                var value = _io.ReadMmio(address + (ulong)done, size);
                new ReadOnlySpan<byte>(&value, size).CopyTo(new Span<byte>(data, size));
            }

            done += size;
        }

        _log.AddMmio(isWrite, address, length, *(ulong*)run->MmioData & (length == 8 ? ulong.MaxValue : (1UL << length * 8) - 1));
    }
}
