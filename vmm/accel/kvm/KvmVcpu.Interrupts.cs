using Gauntlet.Linux;

namespace Gauntlet.Vmm.Accel.Kvm;

// Interrupts that are not KVM's own business: all of them without a kernel irqchip, the PIC's with a split one.
internal sealed unsafe partial class KvmVcpu
{
    /// <summary>What another thread asked for; only without a kernel irqchip, which takes these itself.</summary>
    [Flags]
    private enum Pending
    {
        None = 0,
        Nmi = 1,
        Init = 2,
        StartUp = 4,
    }

    // Without a kernel irqchip only; the last one with a split one too.
    private int _pending;
    private volatile byte _startUpVector;
    private bool _halted, _waitsForStartUp, _interruptsEnabled, _canInject;

    public void SignalInterrupt() => Poke();

    public void SignalNmi()
    {
        const uint deliverNmi = 4 << 8;
        Signal(Pending.Nmi, deliverNmi);
    }

    public void SignalInit()
    {
        const uint deliverInit = 5 << 8, levelAssert = 1 << 14;
        Signal(Pending.Init, deliverInit | levelAssert);
    }

    public void SignalStartUp(byte vector)
    {
        const uint deliverStartUp = 6 << 8;
        _startUpVector = vector;
        Signal(Pending.StartUp, deliverStartUp | vector);
    }

    /// <param name="message">The same for KVM's local APIC, as the data of a message to it (SDM Vol. 3A, 11.11.2).</param>
    private void Signal(Pending what, uint message)
    {
        if (_irqChip is not null)
        {
            _irqChip.SendMsi(0xfee00000 | (ulong)Index << 12, message);
            return;
        }

        Interlocked.Or(ref _pending, (int)what);
        Poke();
    }

    /// <summary>Whether an interrupt can be injected is known again after the next exit; at once where a guest in HLT, of which this process knows nothing, would make none.</summary>
    private void LookAgain()
    {
        _canInject = false;
        if (_interrupts is not null && _apic is null)
            Volatile.Write(ref _run->ImmediateExit, 1);
    }

    /// <summary>Takes what was signalled, and gives KVM an interrupt if it can take one now. Not null: don't enter.</summary>
    private VcpuStop? PrepareEntry(IInterruptSource interrupts)
    {
        if (_apic is not null && PrepareEntry(_apic) is { } stop)
            return stop;
        if (_canInject && interrupts.HasInterrupt && interrupts.Acknowledge() is var vector and >= 0)
        {
            _canInject = false;
            if (_apic is not null ? !TryInject((uint)vector) : !TryInjectBesideLapic((byte)vector))
                return Fail($"KVM does not take interrupt 0x{vector:x2} for vCPU {Index}: {KvmSystem.ErrorText()}", KvmExit.IrqWindowOpen, (uint)vector);
        }

        _run->RequestInterruptWindow = interrupts.HasInterrupt ? (byte)1 : (byte)0;
        return null;
    }

    private VcpuStop? PrepareEntry(ILocalApic apic)
    {
        if (Volatile.Read(ref _pending) != 0)
            TakePending();
        if (_waitsForStartUp || _halted)
        {
            if (TakeKick())
                return VcpuStop.Kicked;
            if (_waitsForStartUp || !(_interruptsEnabled && apic.HasInterrupt))
                return VcpuStop.Halted;
            _halted = false;
        }

        _run->Cr8 = apic.Cr8;
        return null;
    }

    private bool TryInject(uint vector) => Libc.ioctl(_handle, KvmRequest.Interrupt, &vector) >= 0;

    /// <summary>
    /// Not by KVM_INTERRUPT: with a local APIC inside, that puts the vector where nothing can read it back, and a snapshot would lose it. A vCPU that waits in HLT
    /// for it is woken; one that waits for a start-up IPI has interrupts off, and this is not called.
    /// </summary>
    private bool TryInjectBesideLapic(byte vector)
    {
        KvmVcpuEvents events;
        if (Libc.ioctl(_handle, KvmRequest.GetVcpuEvents, &events) < 0)
            return false;
        (events.InterruptInjected, events.InterruptNr, events.InterruptSoft) = (1, vector, 0);
        var activity = KvmMpState.Runnable;
        return Libc.ioctl(_handle, KvmRequest.SetVcpuEvents, &events) >= 0 && Libc.ioctl(_handle, KvmRequest.SetMpState, &activity) >= 0;
    }

    private void TakePending()
    {
        var pending = (Pending)Interlocked.Exchange(ref _pending, 0);
        if ((pending & Pending.Init) != 0)
        {
            GetState(out var state);
            X86Reset.Init(ref state, bootstrap: Index == 0, _signature);
            SetState(state, isReset: false);
        }

        if ((pending & Pending.StartUp) != 0 && _waitsForStartUp)
        {
            GetState(out var state);
            X86Reset.StartUp(ref state, _startUpVector);
            SetState(state, isReset: false);
        }

        if ((pending & Pending.Nmi) != 0 && !_waitsForStartUp)
        {
            _halted = false;
            _ = Libc.ioctl(_handle, KvmRequest.Nmi, 0);
        }
    }

    private void NoteExit()
    {
        _canInject = _run->ReadyForInterruptInjection != 0 && _run->IfFlag != 0;
        if (_apic is not { } apic)
            return;
        _interruptsEnabled = _run->IfFlag != 0;
        apic.Cr8 = (byte)_run->Cr8;
        if (_run->ApicBase != apic.BaseMsr)
            apic.TryWriteBaseMsr(_run->ApicBase);
    }
}
