using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Cpu;
using Gauntlet.Vmm.Accel.Kvm;
using static Iced.Intel.AssemblerRegisters;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

public sealed class KvmCpuidTests
{
    /// <summary>A host with SSE3, x2APIC and XSAVE, but without SVM.</summary>
    private static readonly CpuidLeaf[] s_host =
    [
        new(0, 0, false, 0x20, 0x756e6547, 0x6c65746e, 0x49656e69),
        new(1, 0, false, 0x806f8, 0x20800, 0x85202201 | 1u << 13, 0x0f8bfbff),
        new(4, 0, true, 0x04000121, 0x02c0003f, 0x3f, 0),
        new(7, 0, true, 2, 1u << 7 | 1u << 20, 0, 0),
        new(0xb, 0, true, 1, 2, 0x100, 9),
        new(0xd, 0, true, 7, 0x340, 0x340, 0),
        new(0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d),
        new(0x40000001, 0, false, 0x01007efb, 0, 0, 0),
        new(0x80000000, 0, false, 0x80000008, 0, 0, 0),
        new(0x80000001, 0, false, 0, 0, 0x101, 0x20100800),
        new(0x80000008, 0, false, 0x392e, 0, 0, 0),
    ];

    [Fact]
    public void A_model_never_shows_what_the_host_lacks()
    {
        var cpuid = Build("qemu64");
        foreach (var word in CpuFeatures.Words)
        {
            var host = s_host.FirstOrDefault(l => l.Function == word.Function && l.Index == word.Index)?[word.Register] ?? 0;
            var shown = cpuid.Leaves.FirstOrDefault(l => l.Function == word.Function && l.Index == word.Index)?[word.Register] ?? 0;
            Assert.Equal(0u, shown & ~host);
        }
    }

    [Fact]
    public void A_feature_that_was_asked_for_and_is_lacking_is_told_and_left_out()
    {
        var cpuid = Build("max,+svm");
        Assert.Equal("CPUID.80000001H:ECX.svm [bit 2]", Assert.Single(cpuid.Missing).ToString());
        Assert.Equal(0u, Leaf(cpuid, 0x80000001).Ecx & 4);
        var error = Assert.Throws<AcceleratorException>(() => Build("max,+svm,enforce"));
        Assert.Contains("svm", error.Message);
    }

    [Fact]
    public void A_named_model_lacks_what_the_host_lacks_with_a_word_but_SVM_without()
        => Assert.Empty(Build("qemu64").Missing);

    [Fact]
    public void Removed_features_are_gone()
        => Assert.Equal(1u << 20, Leaf(Build("max,-smep"), 7).Ebx);

    [Fact]
    public void Without_XSAVE_its_leaf_and_what_builds_on_it_go_too()
    {
        Assert.Contains(Build("max").Leaves, l => l.Function == 13);
        Assert.DoesNotContain(Build("max,-xsave").Leaves, l => l.Function == 13);
    }

    [Fact]
    public void Without_the_kernels_APIC_there_is_no_x2APIC_and_no_deadline_timer()
        => Assert.Equal(0u, Leaf(KvmCpuid.Build(s_host, CpuModel.Parse("max"), kernelIrqChip: false, 0, 1), 1).Ecx & (1u << 21 | 1u << 24));

    [Fact]
    public void Kvm_off_hides_KVM()
    {
        Assert.Contains(Build("max").Leaves, l => l.Function == 0x40000000);
        Assert.DoesNotContain(Build("max,kvm=off").Leaves, l => l.Function is >= 0x40000000 and < 0x80000000);
    }

    [Theory]
    [InlineData(1, 0u)]
    [InlineData(2, 1u)]
    [InlineData(3, 2u)]
    [InlineData(4, 2u)]
    [InlineData(5, 3u)]
    public void The_topology_is_one_socket_of_single_threaded_cores(int count, uint apicIdBits)
    {
        for (var index = 0; index < count; index++)
        {
            var cpuid = Build("qemu64", index, count);
            var one = Leaf(cpuid, 1);
            Assert.Equal((uint)index, one.Ebx >> 24);
            Assert.Equal((uint)count, one.Ebx >> 16 & 0xff);
            Assert.Equal(count > 1 ? 1u : 0, one.Edx >> 28 & 1);
            var cores = Assert.Single(cpuid.Leaves, l => l is { Function: 0xb, Index: 1 });
            Assert.Equal((apicIdBits, (uint)count, 0x201u, (uint)index), (cores.Eax, cores.Ebx, cores.Ecx, cores.Edx));
        }
    }

    [Fact]
    public void The_brand_is_the_models()
    {
        var cpuid = Build("kvm64");
        var words = new[] { 0x80000002, 0x80000003, 0x80000004 }.SelectMany(f => cpuid.Leaves.Where(l => l.Function == f))
            .SelectMany(l => new[] { l.Eax, l.Ebx, l.Ecx, l.Edx }).SelectMany(BitConverter.GetBytes).ToArray();
        Assert.StartsWith("Common KVM processor\0", System.Text.Encoding.ASCII.GetString(words) + "\0");
    }

    [KvmTheory]
    [InlineData("max")]
    [InlineData("host")]
    [InlineData("qemu64")]
    [InlineData("kvm64,+x2apic")]
    public void The_guest_sees_what_was_built(string model)
    {
        using var guest = new KvmGuest(vcpus: 2, cpuModel: model);
        guest.LoadLongMode(c =>
        {
            c.mov(eax, 1);
            c.cpuid();
            c.mov(__dword_ptr[0x3000], ebx);
            c.mov(eax, 0x80000001);
            c.cpuid();
            c.mov(__dword_ptr[0x3004], edx);
            c.@out((byte)TestIo.ExitPort, al);
        });

        guest.RunToExit();
        Assert.Equal(2, guest.Ram[0x3002]);
        Assert.Equal(0, guest.Ram[0x3003]);
        Assert.Equal(0x20, guest.Ram[0x3007] & 0x20);
    }

    [KvmFact]
    public void What_the_host_lacks_is_told_once_for_all_vCPUs()
    {
        // 3DNow! is on no processor that KVM still runs on.
        using var guest = new KvmGuest(vcpus: 2, cpuModel: "max,+3dnow");
        Assert.Contains("host doesn't support requested feature: CPUID.80000001H:EDX.3dnow [bit 31]", guest.Accelerator.Warnings);
        Assert.Equal(guest.Accelerator.Warnings.Distinct(), guest.Accelerator.Warnings);
    }

    private static KvmCpuid Build(string model, int index = 0, int count = 1)
        => KvmCpuid.Build(s_host, CpuModel.Parse(model), kernelIrqChip: true, index, count);

    private static CpuidLeaf Leaf(KvmCpuid cpuid, uint function) => cpuid.Leaves.First(l => l.Function == function);
}
