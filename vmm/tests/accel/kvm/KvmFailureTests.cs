using Gauntlet.Vmm.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>What a person reads when KVM gives up on a vCPU (api.rst, 5).</summary>
public sealed unsafe class KvmFailureTests
{
    [Fact]
    public void An_internal_error_tells_its_kind_its_data_and_the_instruction_that_KVM_had()
    {
        // emulation_failure: the flag for instruction bytes, then their number, 3, and the bytes.
        var run = new KvmRun { ExitReason = KvmExit.InternalError, InternalSuberror = KvmInternalError.Emulation, InternalDataCount = 3 };
        run.InternalData[0] = 1;
        run.InternalData[1] = 0x00000000_9a0f0f03;
        Assert.Equal(
            "KVM internal error on vCPU 2: suberror 1, it cannot emulate the instruction at the instruction pointer; data 0x1 0x9a0f0f03 0x0; instruction 0f 0f 9a",
            KvmFailure.DescribeInternalError(&run, 2));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(200u)]
    public void A_length_or_a_count_that_cannot_be_reads_nothing_beyond_the_data(uint count)
    {
        var run = new KvmRun { ExitReason = KvmExit.InternalError, InternalSuberror = KvmInternalError.Emulation, InternalDataCount = count };
        run.InternalData[0] = 1;
        run.InternalData[1] = 0xff;
        var text = KvmFailure.DescribeInternalError(&run, 0);
        Assert.StartsWith("KVM internal error on vCPU 0: suberror 1", text, StringComparison.Ordinal);
        Assert.InRange(text.Split(' ').Length, 10, 60);
    }

    [Fact]
    public void A_refused_entry_and_an_exit_that_nobody_asked_for_name_their_reasons()
    {
        var entry = new KvmRun { ExitReason = KvmExit.FailEntry, HardwareReason = 0x80000021, FailEntryCpu = 3 };
        Assert.Contains("hardware reason 0x80000021, host CPU 3", KvmFailure.DescribeFailedEntry(&entry, 0), StringComparison.Ordinal);
        var unknown = new KvmRun { ExitReason = KvmExit.Unknown, HardwareReason = 0x1f };
        Assert.Contains("hardware reason 0x1f", KvmFailure.DescribeUnexpected(&unknown, 0), StringComparison.Ordinal);
        var other = new KvmRun { ExitReason = KvmExit.TprAccess };
        Assert.Contains("exit 12 (TprAccess)", KvmFailure.DescribeUnexpected(&other, 1), StringComparison.Ordinal);
    }
}
