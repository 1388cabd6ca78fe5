using System.Runtime.CompilerServices;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Kvm;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

public sealed class KvmSystemTests
{
    [Fact]
    public void Without_the_device_the_error_names_it_and_says_what_to_do()
    {
        var error = Assert.Throws<AcceleratorException>(() => new KvmAccelerator(new KvmOptions(Device: "/dev/no-such-device")));
        Assert.Contains("/dev/no-such-device does not exist", error.Message);
        Assert.Contains("-accel tcg", error.Message);
    }

    [Fact]
    public void A_file_that_is_no_KVM_is_told_from_one()
    {
        var error = Assert.Throws<AcceleratorException>(() => new KvmAccelerator(new KvmOptions(Device: "/dev/null")));
        Assert.Contains("does not answer as KVM does", error.Message);
    }

    [KvmFact]
    public void More_vCPUs_than_the_host_has_are_refused_with_the_hosts_number()
    {
        using var accelerator = new KvmAccelerator(new KvmOptions());
        var error = Assert.Throws<AcceleratorException>(() => accelerator.CreateVcpu(new VcpuSetup(0, 100_000, "max", new TestIo(), null)));
        Assert.Contains("-smp at most", error.Message);
    }

    [KvmFact]
    public void Memory_that_overlaps_is_refused_before_KVM_sees_it()
    {
        using var accelerator = new KvmAccelerator(new KvmOptions());
        using var one = new GuestRam("one.ram", 0, 0x4000);
        using var other = new GuestRam("other.ram", 0x3000, 0x4000);
        var error = Assert.Throws<AcceleratorException>(() => accelerator.SetMemory([one, other]));
        Assert.Contains("one.ram and other.ram overlap at guest address 0x3000", error.Message);
    }

    [KvmFact]
    public void Lines_that_the_PC_does_not_have_are_a_mistake_of_the_caller()
    {
        using var accelerator = new KvmAccelerator(new KvmOptions());
        Assert.Throws<ArgumentOutOfRangeException>(() => accelerator.IrqChip!.GetLine(24));
        Assert.Throws<ArgumentOutOfRangeException>(() => accelerator.IrqChip!.GetLine(-1));
    }

    [KvmFact]
    public void Machines_do_not_disturb_each_other()
    {
        using var one = new KvmAccelerator(new KvmOptions());
        using var other = new KvmAccelerator(new KvmOptions());
        using var a = one.CreateVcpu(new VcpuSetup(0, 1, "max", new TestIo(), null));
        using var b = other.CreateVcpu(new VcpuSetup(0, 1, "max", new TestIo(), null));
        a.GetState(out var state);
        state.Gpr[1] = 77;
        a.SetState(state);
        b.GetState(out state);
        Assert.Equal(0UL, state.Gpr[1]);
    }

    [Fact]
    public void Properties_are_QEMUs()
    {
        Assert.Equal(new KvmOptions(), KvmOptions.FromProperties(new Dictionary<string, string>()));
        Assert.Equal(
            new KvmOptions(KernelIrqChip: KernelIrqChip.Off, PitReinject: false, Device: "/dev/kvm2"),
            KvmOptions.FromProperties(new Dictionary<string, string>
            {
                ["kernel-irqchip"] = "off",
                ["kvm-pit.lost_tick_policy"] = "discard",
                ["device"] = "/dev/kvm2",
            }));
    }

    [Theory]
    [InlineData("on", KernelIrqChip.On)]
    [InlineData("split", KernelIrqChip.Split)]
    [InlineData("off", KernelIrqChip.Off)]
    public void Interrupt_controllers_are_all_KVMs_or_the_local_APICs_or_none(string value, KernelIrqChip expected)
        => Assert.Equal(expected, KvmOptions.FromProperties(new Dictionary<string, string> { ["kernel-irqchip"] = value }).KernelIrqChip);

    [Theory]
    [InlineData("kernel-irqchip", "perhaps", "cannot be 'perhaps'")]
    [InlineData("kvm-pit.lost_tick_policy", "merge", "cannot be 'merge'")]
    [InlineData("thread", "single", "no property 'thread'")]
    public void A_property_that_KVM_does_not_have_is_named(string name, string value, string expected)
        => Assert.Contains(expected, Assert.Throws<AcceleratorException>(() => KvmOptions.FromProperties(new Dictionary<string, string> { [name] = value })).Message);

    /// <summary>Against include/uapi/linux/kvm.h and arch/x86/include/uapi/asm/kvm.h: the number of an ioctl holds the size of its structure.</summary>
    [Fact]
    public void Requests_have_the_kernels_numbers()
    {
        Assert.Equal(
            [
                0xae00, 0xae01, 0xae03, 0xae04, 0xc008ae05,
                0xae41, 0x4020ae46, 0xae47, 0x4008ae48, 0xae60, 0x4008ae61, 0xc208ae62, 0x8208ae63, 0x4008ae6a, 0xae71, 0x4040ae77,
                0x4020aea5, 0x8070ae9f, 0x4070aea0,
                0xae80, 0x8090ae81, 0x4090ae82, 0x8138ae83, 0x4138ae84, 0x4004ae86, 0xc008ae88, 0x4008ae89, 0x81a0ae8c, 0x41a0ae8d,
                0x8400ae8e, 0x4400ae8f, 0x4008ae90, 0x8004ae98, 0x4004ae99, 0xae9a, 0x8040ae9f, 0x4040aea0, 0x8080aea1, 0x4080aea2,
                0x9000aea4, 0x5000aea5, 0x8188aea6, 0x4188aea7,
            ],
            (nuint[])
            [
                KvmRequest.GetApiVersion, KvmRequest.CreateVm, KvmRequest.CheckExtension, KvmRequest.GetVcpuMmapSize, KvmRequest.GetSupportedCpuid,
                KvmRequest.CreateVcpu, KvmRequest.SetUserMemoryRegion, KvmRequest.SetTssAddr, KvmRequest.SetIdentityMapAddr,
                KvmRequest.CreateIrqChip, KvmRequest.IrqLine, KvmRequest.GetIrqChip, KvmRequest.SetIrqChip, KvmRequest.SetGsiRouting,
                KvmRequest.ReinjectControl, KvmRequest.CreatePit2, KvmRequest.SignalMsi, KvmRequest.GetPit2, KvmRequest.SetPit2,
                KvmRequest.Run, KvmRequest.GetRegs, KvmRequest.SetRegs, KvmRequest.GetSregs, KvmRequest.SetSregs, KvmRequest.Interrupt,
                KvmRequest.GetMsrs, KvmRequest.SetMsrs, KvmRequest.GetFpu, KvmRequest.SetFpu, KvmRequest.GetLapic, KvmRequest.SetLapic,
                KvmRequest.SetCpuid2, KvmRequest.GetMpState, KvmRequest.SetMpState, KvmRequest.Nmi, KvmRequest.GetVcpuEvents,
                KvmRequest.SetVcpuEvents, KvmRequest.GetDebugRegs, KvmRequest.SetDebugRegs, KvmRequest.GetXsave, KvmRequest.SetXsave,
                KvmRequest.GetXcrs, KvmRequest.SetXcrs,
            ]);
    }

    [Fact]
    public unsafe void Structures_have_the_kernels_sizes_and_the_fields_their_places()
    {
        Assert.Equal(24, sizeof(KvmSegment));
        Assert.Equal(40, sizeof(KvmCpuidEntry));
        Assert.Equal(16, sizeof(KvmMsrEntry));
        Assert.Equal(48, sizeof(KvmIrqRoutingEntry));
        Assert.Equal(32, sizeof(KvmReinjectControl));
        Assert.Equal(2352, sizeof(KvmRun));

        KvmSregs sregs;
        Assert.Equal(144, Offset(&sregs, &sregs.Tr));
        Assert.Equal(192, Offset(&sregs, &sregs.Gdt));
        Assert.Equal(224, Offset(&sregs, &sregs.Cr0));
        Assert.Equal(264, Offset(&sregs, &sregs.Efer));
        Assert.Equal(280, Offset(&sregs, &sregs.InterruptBitmap));
        KvmSegment segment;
        Assert.Equal(12, Offset(&segment, &segment.Selector));
        Assert.Equal(16, Offset(&segment, &segment.Dpl));
        Assert.Equal(22, Offset(&segment, &segment.Unusable));

        static long Offset(void* start, void* field) => (byte*)field - (byte*)start;
    }

    [Fact]
    public unsafe void An_internal_error_is_told_with_its_suberror_its_data_and_the_instruction()
    {
        var run = new KvmRun { ExitReason = KvmExit.InternalError };
        run.InternalSuberror = KvmInternalError.Emulation;
        run.InternalDataCount = 3;
        run.InternalData[0] = 1;
        var packed = (byte*)&run.InternalData[1];
        packed[0] = 3;
        (packed[1], packed[2], packed[3]) = (0x0f, 0x01, 0xd9);
        var text = KvmFailure.DescribeInternalError((KvmRun*)Unsafe.AsPointer(ref run), vcpu: 2);
        Assert.Contains("vCPU 2: suberror 1", text);
        Assert.EndsWith("; instruction 0f 01 d9", text);
    }

    [Fact]
    public unsafe void A_hostile_count_of_internal_data_reads_no_further_than_there_is()
    {
        var run = new KvmRun { ExitReason = KvmExit.InternalError };
        run.InternalSuberror = (KvmInternalError)99;
        run.InternalDataCount = uint.MaxValue;
        var text = KvmFailure.DescribeInternalError((KvmRun*)Unsafe.AsPointer(ref run), vcpu: 0);
        Assert.Equal(KvmRun.MaxInternalData, text.Split(" 0x").Length - 1);
    }
}
