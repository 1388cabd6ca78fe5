using System.Numerics;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// What KVM answers to VMCALL and VMMCALL (Linux, Documentation/virt/kvm/x86/hypercalls.rst): it does so whatever CPUID announces, and here that is nothing.
public sealed unsafe partial class X86Core
{
    private const uint SendIpiCall = 10;
    private const long NotPermitted = -1, Invalid = -22, NoSuchCall = -1000;

    // Of ICR: a shorthand, or a destination of its own.
    private const uint CommandDestinations = 0xc0800;

    internal ulong Hypercall()
    {
        var answer = Cpl != 0 ? NotPermitted
            : (uint)Gpr(0) == SendIpiCall && Setup.Apic is { } apic ? SendIpis(apic)
            : NoSuchCall;
        Gpr(0) = Code64 ? (ulong)answer : (uint)answer;
        return 0;
    }

    // KVM_HC_SEND_IPI: RBX and RCX are a bitmap of CPUs, the first of which is in RDX; RSI is what to send. Answers how many were reached.
    private long SendIpis(ILocalApic apic)
    {
        var command = (uint)Gpr(6);
        if ((command & CommandDestinations) != 0)
            return Invalid;
        var bits = Code64 ? 64 : 32;
        ReadOnlySpan<ulong> halves = Code64 ? [Gpr(3), Gpr(1)] : [(uint)Gpr(3), (uint)Gpr(1)];
        var sent = 0L;
        for (var i = 0; i < halves.Length; i++)
        {
            for (var left = halves[i]; left != 0; left &= left - 1)
            {
                var destination = (ulong)(uint)Gpr(2) + (ulong)(i * bits + BitOperations.TrailingZeroCount(left));
                if (destination >= (ulong)Setup.Count)
                    continue;
                apic.Send((uint)destination, command);
                sent++;
            }
        }
        return sent;
    }
}
