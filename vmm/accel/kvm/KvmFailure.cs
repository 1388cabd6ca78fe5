using System.Text;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>Words for the ways in which KVM gives up on a vCPU.</summary>
internal static unsafe class KvmFailure
{
    /// <summary>KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES: the data holds the instruction.</summary>
    private const ulong HasInstructionBytes = 1;

    private const int MaxInstructionBytes = 15;

    /// <summary>KVM_EXIT_INTERNAL_ERROR with its suberror and data (api.rst, 5).</summary>
    public static string DescribeInternalError(KvmRun* run, int vcpu)
    {
        var text = new StringBuilder($"KVM internal error on vCPU {vcpu}: suberror {(uint)run->InternalSuberror}, ");
        text.Append(run->InternalSuberror switch
        {
            KvmInternalError.Emulation => "it cannot emulate the instruction at the instruction pointer",
            KvmInternalError.SimultaneousException => "an exception came while it delivered another",
            KvmInternalError.DeliverEvent => "it was interrupted while it delivered an event (data: vectoring information, exit reason, qualification)",
            KvmInternalError.UnexpectedExitReason => "the processor left the guest for a reason that it does not know (data: the reason)",
            _ => "of a kind that gvmm does not know",
        });
        var count = Math.Min(run->InternalDataCount, KvmRun.MaxInternalData);
        if (count > 0)
        {
            text.Append("; data");
            for (var i = 0; i < count; i++)
                text.Append($" 0x{run->InternalData[i]:x}");
        }

        if (run->InternalSuberror == KvmInternalError.Emulation && count >= 2 && (run->InternalData[0] & HasInstructionBytes) != 0)
        {
            // emulation_failure: flags, then one byte of length and fifteen of code.
            var packed = (byte*)&run->InternalData[1];
            text.Append("; instruction");
            for (var i = 0; i < Math.Min(packed[0], (byte)MaxInstructionBytes) && 2 + i / 8 <= count; i++)
                text.Append($" {packed[1 + i]:x2}");
        }

        return text.ToString();
    }

    /// <summary>KVM_EXIT_FAIL_ENTRY.</summary>
    public static string DescribeFailedEntry(KvmRun* run, int vcpu)
        => $"the processor refuses to enter the guest on vCPU {vcpu}: hardware reason 0x{run->HardwareReason:x}, host CPU {run->FailEntryCpu}; "
            + "the guest's state is not one that its virtualization extension takes";

    /// <summary>An exit that nothing in gvmm asks for.</summary>
    public static string DescribeUnexpected(KvmRun* run, int vcpu) => run->ExitReason switch
    {
        KvmExit.Unknown => $"KVM left vCPU {vcpu} for a reason that it does not know itself: hardware reason 0x{run->HardwareReason:x}",
        KvmExit.MemoryFault => $"KVM cannot reach guest memory at 0x{run->MemoryFaultAddress:x} for vCPU {vcpu}",
        var reason => $"KVM left vCPU {vcpu} with exit {(uint)reason} ({reason}), which gvmm does not ask for",
    };
}
