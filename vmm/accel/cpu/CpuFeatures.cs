using System.Globalization;

namespace Gauntlet.Vmm.Accel.Cpu;

/// <summary>One word of feature bits in CPUID, with a name for each bit as <c>-cpu</c> and /proc/cpuinfo know it.</summary>
public sealed class CpuFeatureWord
{
    private readonly string[][] _namesByBit = new string[32][];

    /// <param name="names">From bit 0 up, separated by spaces; <c>-</c> for a bit without a name; several names for one bit with <c>|</c>.</param>
    internal CpuFeatureWord(uint function, uint index, CpuidRegister register, string names)
    {
        Function = function;
        Index = index;
        Register = register;
        var byBit = names.Split(' ');
        for (var bit = 0; bit < _namesByBit.Length; bit++)
            _namesByBit[bit] = bit < byBit.Length && byBit[bit] != "-" ? byBit[bit].Split('|') : [];
    }

    /// <summary>EAX on input.</summary>
    public uint Function { get; }

    /// <summary>ECX on input.</summary>
    public uint Index { get; }

    public CpuidRegister Register { get; }

    /// <summary>The names of a bit, the first one the usual; empty when it has none.</summary>
    public ReadOnlySpan<string> NamesOf(int bit) => _namesByBit[bit];

    /// <summary>As the manuals write it: <c>CPUID.07H:EBX</c>.</summary>
    public override string ToString() => string.Concat("CPUID.", Function.ToString("X2", CultureInfo.InvariantCulture), "H:", Register switch
    {
        CpuidRegister.Eax => "EAX",
        CpuidRegister.Ebx => "EBX",
        CpuidRegister.Ecx => "ECX",
        _ => "EDX",
    });
}

/// <summary>
/// The names of CPUID's feature bits: SDM Vol. 2A, CPUID; AMD APM Vol. 3, appendix E; Linux Documentation/virt/kvm/x86/cpuid.rst.
/// Spelled as QEMU spells them, because suites' command lines do.
/// </summary>
public static class CpuFeatures
{
    public static readonly CpuFeatureWord Leaf1Edx = new(1, 0, CpuidRegister.Edx,
        "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - ds acpi mmx fxsr sse sse2 ss ht tm ia64 pbe");

    public static readonly CpuFeatureWord Leaf1Ecx = new(1, 0, CpuidRegister.Ecx,
        "pni|sse3 pclmulqdq|pclmuldq dtes64 monitor ds-cpl|ds_cpl vmx smx est tm2 ssse3 cid - fma cx16 xtpr pdcm - pcid dca sse4.1|sse4-1|sse4_1 "
        + "sse4.2|sse4-2|sse4_2 x2apic movbe popcnt tsc-deadline aes xsave osxsave avx f16c rdrand hypervisor");

    public static readonly CpuFeatureWord Leaf6Eax = new(6, 0, CpuidRegister.Eax, "- - arat");

    public static readonly CpuFeatureWord Leaf7Ebx = new(7, 0, CpuidRegister.Ebx,
        "fsgsbase tsc-adjust sgx bmi1 hle avx2 fdp-excptn-only smep bmi2 erms invpcid rtm - zero-fcs-fds mpx - "
        + "avx512f avx512dq rdseed adx smap avx512ifma pcommit clflushopt clwb intel-pt avx512pf avx512er avx512cd sha-ni avx512bw avx512vl");

    public static readonly CpuFeatureWord Leaf7Ecx = new(7, 0, CpuidRegister.Ecx,
        "- avx512vbmi umip pku ospke waitpkg avx512vbmi2 cet-ss gfni vaes vpclmulqdq avx512vnni avx512bitalg - avx512-vpopcntdq - "
        + "la57 - - - - - rdpid - bus-lock-detect cldemote - movdiri movdir64b - sgxlc pks");

    public static readonly CpuFeatureWord Leaf7Edx = new(7, 0, CpuidRegister.Edx,
        "- - avx512-4vnniw avx512-4fmaps fsrm - - - avx512-vp2intersect - md-clear - - - serialize - "
        + "tsx-ldtrk - - arch-lbr cet-ibt - amx-bf16 avx512-fp16 amx-tile amx-int8 spec-ctrl stibp flush-l1d arch-capabilities core-capability ssbd");

    public static readonly CpuFeatureWord Leaf7Sub1Eax = new(7, 1, CpuidRegister.Eax,
        "sha512 sm3 sm4 - avx-vnni avx512-bf16 - cmpccxadd - - fzrm fsrs fsrc - - - - - - - - amx-fp16 - avx-ifma - - lam");

    public static readonly CpuFeatureWord Leaf13Sub1Eax = new(13, 1, CpuidRegister.Eax, "xsaveopt xsavec xgetbv1 xsaves xfd");

    public static readonly CpuFeatureWord Extended1Ecx = new(0x80000001, 0, CpuidRegister.Ecx,
        "lahf-lm cmp-legacy svm extapic cr8legacy abm|lzcnt sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp "
        + "fma4 tce - nodeid-msr - tbm topoext perfctr-core perfctr-nb");

    /// <summary>Its lower bits repeat leaf 1's on AMD CPUs; only those that are its own have names.</summary>
    public static readonly CpuFeatureWord Extended1Edx = new(0x80000001, 0, CpuidRegister.Edx,
        "- - - - - - - - - - - syscall - - - - - - - - nx|xd - mmxext - - fxsr-opt|ffxsr pdpe1gb rdtscp - lm|i64 3dnowext 3dnow");

    public static readonly CpuFeatureWord Extended7Edx = new(0x80000007, 0, CpuidRegister.Edx, "- - - - - - - - invtsc");

    public static readonly CpuFeatureWord Extended8Ebx = new(0x80000008, 0, CpuidRegister.Ebx,
        "clzero - xsaveerptr - - - - - - wbnoinvd - - ibpb - ibrs amd-stibp - stibp-always-on - - - - - - amd-ssbd virt-ssbd amd-no-ssb - amd-psfd");

    public static readonly CpuFeatureWord ExtendedAEdx = new(0x8000000a, 0, CpuidRegister.Edx,
        "npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists - - pause-filter - pfthreshold avic - v-vmsave-vmload vgif");

    public static readonly CpuFeatureWord KvmEax = new(0x40000001, 0, CpuidRegister.Eax,
        "kvmclock kvm-nopiodelay kvm-mmu kvmclock2 kvm-asyncpf kvm-steal-time kvm-pv-eoi kvm-pv-unhalt - kvm-pv-tlb-flush - kvm-pv-ipi "
        + "kvm-poll-control kvm-pv-sched-yield kvm-asyncpf-int kvm-msi-ext-dest-id - - - - - - - - kvmclock-stable-bit");

    public static readonly CpuFeatureWord[] Words =
    [
        Leaf1Edx, Leaf1Ecx, Leaf6Eax, Leaf7Ebx, Leaf7Ecx, Leaf7Edx, Leaf7Sub1Eax, Leaf13Sub1Eax,
        Extended1Ecx, Extended1Edx, Extended7Edx, Extended8Ebx, ExtendedAEdx, KvmEax,
    ];

    /// <summary>The bit that a name stands for; <c>_</c> and <c>-</c> are the same in it.</summary>
    public static bool TryFind(ReadOnlySpan<char> name, out CpuFeatureWord word, out int bit)
    {
        foreach (var candidate in Words)
        {
            for (bit = 0; bit < 32; bit++)
            {
                foreach (var known in candidate.NamesOf(bit))
                {
                    if (!SameName(known, name))
                        continue;
                    word = candidate;
                    return true;
                }
            }
        }

        word = Leaf1Edx;
        bit = -1;
        return false;
    }

    private static bool SameName(ReadOnlySpan<char> known, ReadOnlySpan<char> given)
    {
        if (known.Length != given.Length)
            return false;
        for (var i = 0; i < known.Length; i++)
        {
            if ((known[i] == '_' ? '-' : known[i]) != (given[i] == '_' ? '-' : given[i]))
                return false;
        }

        return true;
    }
}
