using System.Globalization;
using Gauntlet.Vmm.Accel.Cpu;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

/// <summary>What CPUID can tell that the translator implements. Each has the name of QEMU's <c>-cpu</c> flag.</summary>
[Flags]
public enum X86Feature : ulong
{
    None = 0,
    Fpu = 1ul << 0,
    De = 1ul << 1,
    Pse = 1ul << 2,
    Tsc = 1ul << 3,
    Msr = 1ul << 4,
    Pae = 1ul << 5,
    Cx8 = 1ul << 6,
    Apic = 1ul << 7,
    Sep = 1ul << 8,
    Mtrr = 1ul << 9,
    Pge = 1ul << 10,
    Cmov = 1ul << 11,
    Pat = 1ul << 12,
    Pse36 = 1ul << 13,
    Clflush = 1ul << 14,
    Mmx = 1ul << 15,
    Fxsr = 1ul << 16,
    Sse = 1ul << 17,
    Sse2 = 1ul << 18,
    Sse3 = 1ul << 19,
    Cx16 = 1ul << 20,
    X2Apic = 1ul << 21,
    Popcnt = 1ul << 22,
    Movbe = 1ul << 23,
    Hypervisor = 1ul << 24,
    LahfLm = 1ul << 25,
    Abm = 1ul << 26,
    Syscall = 1ul << 27,
    Nx = 1ul << 28,
    Page1Gb = 1ul << 29,
    Rdtscp = 1ul << 30,
    Lm = 1ul << 31,
    Smep = 1ul << 32,
    Smap = 1ul << 33,
    Fsgsbase = 1ul << 34,
    Pcid = 1ul << 35,
    Invpcid = 1ul << 36,
    Umip = 1ul << 37,
    Rdpid = 1ul << 38,
    TscDeadline = 1ul << 39,
    Mca = 1ul << 40,
    Mce = 1ul << 41,
    Monitor = 1ul << 42,
    Bmi1 = 1ul << 43,
    Bmi2 = 1ul << 44,
    Ssse3 = 1ul << 45,
}

/// <summary>A CPU model by <c>-cpu</c>, and its CPUID leaves.</summary>
public sealed class X86CpuModel
{
    private static readonly (string Name, X86Feature Feature)[] s_names =
    [
        ("fpu", X86Feature.Fpu), ("de", X86Feature.De), ("pse", X86Feature.Pse), ("tsc", X86Feature.Tsc), ("msr", X86Feature.Msr), ("pae", X86Feature.Pae),
        ("cx8", X86Feature.Cx8), ("apic", X86Feature.Apic), ("sep", X86Feature.Sep), ("mtrr", X86Feature.Mtrr), ("pge", X86Feature.Pge),
        ("cmov", X86Feature.Cmov), ("pat", X86Feature.Pat), ("pse36", X86Feature.Pse36), ("clflush", X86Feature.Clflush), ("mmx", X86Feature.Mmx),
        ("fxsr", X86Feature.Fxsr), ("sse", X86Feature.Sse), ("sse2", X86Feature.Sse2), ("pni", X86Feature.Sse3), ("sse3", X86Feature.Sse3),
        ("cx16", X86Feature.Cx16), ("x2apic", X86Feature.X2Apic), ("popcnt", X86Feature.Popcnt), ("movbe", X86Feature.Movbe),
        ("hypervisor", X86Feature.Hypervisor), ("lahf-lm", X86Feature.LahfLm), ("abm", X86Feature.Abm), ("lzcnt", X86Feature.Abm),
        ("syscall", X86Feature.Syscall), ("nx", X86Feature.Nx), ("pdpe1gb", X86Feature.Page1Gb), ("rdtscp", X86Feature.Rdtscp), ("lm", X86Feature.Lm),
        ("smep", X86Feature.Smep), ("smap", X86Feature.Smap), ("fsgsbase", X86Feature.Fsgsbase), ("pcid", X86Feature.Pcid),
        ("invpcid", X86Feature.Invpcid), ("umip", X86Feature.Umip), ("rdpid", X86Feature.Rdpid), ("tsc-deadline", X86Feature.TscDeadline),
        ("mca", X86Feature.Mca), ("mce", X86Feature.Mce),
    ];

    private const X86Feature Qemu64 = X86Feature.Fpu | X86Feature.De | X86Feature.Pse | X86Feature.Tsc | X86Feature.Msr | X86Feature.Pae | X86Feature.Mce
        | X86Feature.Cx8 | X86Feature.Apic | X86Feature.Sep | X86Feature.Mtrr | X86Feature.Pge | X86Feature.Mca | X86Feature.Cmov | X86Feature.Pat
        | X86Feature.Pse36 | X86Feature.Clflush | X86Feature.Mmx | X86Feature.Fxsr | X86Feature.Sse | X86Feature.Sse2 | X86Feature.Sse3 | X86Feature.Cx16
        | X86Feature.Hypervisor | X86Feature.LahfLm | X86Feature.Syscall | X86Feature.Nx | X86Feature.Lm;

    /// <summary>All that the translator implements.</summary>
    private const X86Feature Max = Qemu64 | X86Feature.X2Apic | X86Feature.Popcnt | X86Feature.Movbe | X86Feature.Abm | X86Feature.Page1Gb | X86Feature.Rdtscp
        | X86Feature.Smep | X86Feature.Smap | X86Feature.Fsgsbase | X86Feature.Pcid | X86Feature.Invpcid | X86Feature.Umip | X86Feature.Rdpid
        | X86Feature.TscDeadline;

    private const string DefaultVendor = "AuthenticAMD";

    private readonly int _count;
    private readonly uint _vendorEbx, _vendorEdx, _vendorEcx;

    private X86CpuModel(X86Feature features, int count, uint signature, string vendor, IReadOnlyList<string> missing)
    {
        (Features, _count, Signature, Missing) = (features, count, signature, missing);
        (_vendorEbx, _vendorEdx, _vendorEcx) = CpuModel.VendorWords(vendor);
    }

    public X86Feature Features { get; }

    /// <summary>Flags that were asked for and that the translator does not implement.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Frequency of the time stamp counter in Hz.</summary>
    public const ulong TscHz = 1_000_000_000;

    // Family 15, model 107, stepping 1, as QEMU's qemu64.
    private const uint DefaultSignature = 0x00060fb1;

    /// <summary>CPUID 1 EAX: family, model and stepping.</summary>
    public uint Signature { get; }

    /// <summary>CPUID says Intel: where the two makers' manuals differ, theirs holds.</summary>
    public bool IsIntel => _vendorEbx == CpuModel.VendorWords("GenuineIntel").Ebx;

    public bool Has(X86Feature feature) => (Features & feature) == feature;

    /// <param name="text">As after <c>-cpu</c>: a model, then flags <c>+name</c>, <c>-name</c>, <c>name=on|off</c>, <c>vendor=</c>.</param>
    /// <param name="count">vCPUs of the machine, for the topology leaves.</param>
    /// <exception cref="AcceleratorException">An unknown model or flag; with <c>enforce</c> one that the translator lacks.</exception>
    public static X86CpuModel Parse(string text, int count)
    {
        var model = CpuModel.Parse(text.Length == 0 ? CpuModel.Default : text);
        if (model.Name == "host")
            throw new AcceleratorException("-cpu host needs an accelerator that runs on the host's own CPU: use -accel kvm, or -cpu max");
        var features = model.Named is not { } named ? Max : named.Name == CpuModel.Default ? Qemu64 : FeaturesOf(named) | X86Feature.Hypervisor;
        var missing = new List<string>();
        foreach (var bit in model.Added)
        {
            if (Find(bit) is { } feature)
                features |= feature;
            else
                missing.Add(bit.ToString());
        }
        // A flag that is not implemented is off already.
        foreach (var bit in model.Removed)
            features &= ~(Find(bit) ?? X86Feature.None);
        foreach (var feature in model.HyperV)
            missing.Add(feature);
        if (model.Enforce && missing.Count > 0)
            throw new AcceleratorException($"-cpu {text}: the translator does not implement {string.Join(", ", missing)}: leave them out, or leave out 'enforce'");
        return new X86CpuModel(features, count, model.Named?.Signature ?? DefaultSignature, model.Vendor ?? DefaultVendor, missing);
    }

    private static X86Feature? Find(CpuFeatureBit bit)
    {
        foreach (var name in bit.Word.NamesOf(bit.Bit))
        {
            foreach (var (known, feature) in s_names)
            {
                if (known == name.Replace('_', '-'))
                    return feature;
            }
        }
        return null;
    }

    private static X86Feature FeaturesOf(NamedCpuModel named)
    {
        var features = X86Feature.None;
        foreach (var name in named.Features.Split(' '))
        {
            if (CpuFeatures.TryFind(name, out var word, out var bit) && Find(new CpuFeatureBit(word, bit)) is { } feature)
                features |= feature;
        }
        return features;
    }

    /// <summary>CPUID's static part; what depends on the CPU's state (APIC ID, OSXSAVE) is the caller's.</summary>
    internal (uint Eax, uint Ebx, uint Ecx, uint Edx) Cpuid(uint leaf, uint subleaf, int apicId)
    {
        if (leaf is > 0x80000008 or > 0xd and < 0x40000000 or > 0x40000000 and < 0x80000000)
            leaf = 0xd;
        switch (leaf)
        {
            case 0:
                return (0xd, _vendorEbx, _vendorEcx, _vendorEdx);
            case 1:
                return (Signature, (uint)apicId << 24 | (uint)Math.Min(_count, 255) << 16 | 8 << 8,
                    Bits((X86Feature.Sse3, 0), (X86Feature.Monitor, 3), (X86Feature.Ssse3, 9), (X86Feature.Cx16, 13), (X86Feature.Pcid, 17),
                        (X86Feature.X2Apic, 21), (X86Feature.Movbe, 22), (X86Feature.Popcnt, 23), (X86Feature.TscDeadline, 24), (X86Feature.Hypervisor, 31)),
                    Common() | Bits((X86Feature.Sep, 11), (X86Feature.Clflush, 19), (X86Feature.Sse, 25), (X86Feature.Sse2, 26)) | (_count > 1 ? 1u << 28 : 0));
            case 2:
                return (1, 0, 0, 0);
            case 7 when subleaf == 0:
                return (0,
                    Bits((X86Feature.Fsgsbase, 0), (X86Feature.Bmi1, 3), (X86Feature.Smep, 7), (X86Feature.Bmi2, 8), (X86Feature.Invpcid, 10), (X86Feature.Smap, 20)),
                    Bits((X86Feature.Umip, 2), (X86Feature.Rdpid, 22)), 0);
            case 0xb when subleaf < 2:
                {
                    var bits = _count > 1 ? (uint)(32 - int.LeadingZeroCount(_count - 1)) : 0;
                    return (subleaf == 0 ? 0 : bits, subleaf == 0 ? 1u : (uint)_count, subleaf | (subleaf + 1) << 8, (uint)apicId);
                }
            case 0xb:
                return (0, 0, subleaf & 0xff, (uint)apicId);
            case 0x40000000:
                return (0x40000000, 0x544e4147, 0x544e4147, 0x544e4147);
            case 0x80000000:
                return (0x80000008, _vendorEbx, _vendorEcx, _vendorEdx);
            case 0x80000001:
                return (Signature, 0, Bits((X86Feature.LahfLm, 0), (X86Feature.Abm, 5)),
                    Common() | Bits((X86Feature.Syscall, 11), (X86Feature.Nx, 20), (X86Feature.Page1Gb, 26), (X86Feature.Rdtscp, 27), (X86Feature.Lm, 29)));
            case >= 0x80000002 and <= 0x80000004:
                {
                    const string Brand = "Gauntlet translated x86-64 CPU";
                    Span<uint> words = stackalloc uint[4];
                    for (var i = 0; i < 16; i++)
                    {
                        var at = (int)(leaf - 0x80000002) * 16 + i;
                        words[i / 4] |= (at < Brand.Length ? (uint)Brand[at] : 0) << (8 * (i % 4));
                    }
                    return (words[0], words[1], words[2], words[3]);
                }
            case 0x80000008:
                return (X86Core.PhysicalBits | 48 << 8, 0, (uint)Math.Max(0, _count - 1), 0);
            default:
                return default;
        }
    }

    private uint Common() => Bits((X86Feature.Fpu, 0), (X86Feature.De, 2), (X86Feature.Pse, 3), (X86Feature.Tsc, 4), (X86Feature.Msr, 5), (X86Feature.Pae, 6),
        (X86Feature.Mce, 7), (X86Feature.Cx8, 8), (X86Feature.Apic, 9), (X86Feature.Mtrr, 12), (X86Feature.Pge, 13), (X86Feature.Mca, 14), (X86Feature.Cmov, 15),
        (X86Feature.Pat, 16), (X86Feature.Pse36, 17), (X86Feature.Mmx, 23), (X86Feature.Fxsr, 24));

    private uint Bits(params ReadOnlySpan<(X86Feature Feature, int Bit)> bits)
    {
        uint value = 0;
        foreach (var (feature, bit) in bits)
            if (Has(feature))
                value |= 1u << bit;
        return value;
    }

    public override string ToString() => ((ulong)Features).ToString("x", CultureInfo.InvariantCulture);
}
