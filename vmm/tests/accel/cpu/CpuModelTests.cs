using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Cpu;

namespace Gauntlet.Vmm.Tests.Accel.Cpu;

public sealed class CpuModelTests
{
    [Theory]
    [InlineData("max,+svm", "svm")]
    [InlineData("max,svm=on", "svm")]
    [InlineData("max,-svm,+svm", "svm")]
    [InlineData("max,svm", "svm")]
    [InlineData("qemu64,+sse4_1", "sse4.1")]
    public void A_flag_is_added_however_it_is_written_and_the_last_word_counts(string text, string name)
    {
        var model = CpuModel.Parse(text);
        Assert.Equal(name, Assert.Single(model.Added) is var f ? f.Word.NamesOf(f.Bit)[0] : "");
        Assert.Empty(model.Removed);
    }

    [Fact]
    public void A_flag_is_removed_with_a_minus_or_off()
        => Assert.Equal(["x2apic", "la57"], CpuModel.Parse("max,-x2apic,la57=off").Removed.Select(f => f.Word.NamesOf(f.Bit)[0]));

    [Theory]
    [InlineData("486", "there is no CPU model '486'")]
    [InlineData("", "there is no CPU model ''")]
    [InlineData("max,+flux", "'flux'")]
    [InlineData("max,svm=maybe", "on or off, not 'maybe'")]
    [InlineData("max,", "''")]
    public void What_is_not_known_is_named(string text, string expected)
        => Assert.Contains(expected, Assert.Throws<AcceleratorException>(() => CpuModel.Parse(text)).Message);

    [Fact]
    public void Whatever_is_written_is_taken_or_refused_in_words()
        => Prop.ForAll<NonNull<string>>(text =>
        {
            try
            {
                CpuModel.Parse("max," + text.Get);
            }
            catch (AcceleratorException e)
            {
                Assert.Contains("-cpu", e.Message);
            }
        }).Holds();

    [Fact]
    public void Every_name_stands_for_one_bit()
    {
        foreach (var word in CpuFeatures.Words)
        {
            for (var bit = 0; bit < 32; bit++)
            {
                foreach (var name in word.NamesOf(bit))
                {
                    Assert.True(CpuFeatures.TryFind(name, out var found, out var foundBit));
                    Assert.Equal((word, bit, name), (found, foundBit, name));
                }
            }
        }
    }

    /// <summary>Some fixed points of each word, from the manuals' tables.</summary>
    [Theory]
    [InlineData("sse2", "CPUID.01H:EDX.sse2 [bit 26]")]
    [InlineData("htt", null)]
    [InlineData("ht", "CPUID.01H:EDX.ht [bit 28]")]
    [InlineData("pcid", "CPUID.01H:ECX.pcid [bit 17]")]
    [InlineData("x2apic", "CPUID.01H:ECX.x2apic [bit 21]")]
    [InlineData("hypervisor", "CPUID.01H:ECX.hypervisor [bit 31]")]
    [InlineData("smep", "CPUID.07H:EBX.smep [bit 7]")]
    [InlineData("smap", "CPUID.07H:EBX.smap [bit 20]")]
    [InlineData("avx512vl", "CPUID.07H:EBX.avx512vl [bit 31]")]
    [InlineData("umip", "CPUID.07H:ECX.umip [bit 2]")]
    [InlineData("la57", "CPUID.07H:ECX.la57 [bit 16]")]
    [InlineData("rdpid", "CPUID.07H:ECX.rdpid [bit 22]")]
    [InlineData("pks", "CPUID.07H:ECX.pks [bit 31]")]
    [InlineData("ssbd", "CPUID.07H:EDX.ssbd [bit 31]")]
    [InlineData("cet-ibt", "CPUID.07H:EDX.cet-ibt [bit 20]")]
    [InlineData("lam", "CPUID.07H:EAX.lam [bit 26]")]
    [InlineData("nx", "CPUID.80000001H:EDX.nx [bit 20]")]
    [InlineData("lm", "CPUID.80000001H:EDX.lm [bit 29]")]
    [InlineData("rdtscp", "CPUID.80000001H:EDX.rdtscp [bit 27]")]
    [InlineData("svm", "CPUID.80000001H:ECX.svm [bit 2]")]
    [InlineData("topoext", "CPUID.80000001H:ECX.topoext [bit 22]")]
    [InlineData("ibpb", "CPUID.80000008H:EBX.ibpb [bit 12]")]
    [InlineData("vgif", "CPUID.8000000AH:EDX.vgif [bit 16]")]
    [InlineData("kvm-pv-unhalt", "CPUID.40000001H:EAX.kvm-pv-unhalt [bit 7]")]
    [InlineData("kvmclock-stable-bit", "CPUID.40000001H:EAX.kvmclock-stable-bit [bit 24]")]
    public void Names_stand_for_the_manuals_bits(string name, string? expected)
        => Assert.Equal(expected, CpuFeatures.TryFind(name, out var word, out var bit) ? new CpuFeatureBit(word, bit).ToString() : null);

    [Fact]
    public void The_signature_spreads_family_and_model_over_their_extensions()
    {
        Assert.True(NamedCpuModel.TryFind("qemu64", out var model));
        Assert.Equal(0x00060fb1u, model!.Signature);
        Assert.Equal(0x00800f12u, (model with { Family = 23, Model = 1, Stepping = 2 }).Signature);
    }
}
