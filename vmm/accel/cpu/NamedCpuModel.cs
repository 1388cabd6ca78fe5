namespace Gauntlet.Vmm.Accel.Cpu;

/// <summary>
/// A CPU model with fixed feature bits, for a guest that shall see the same CPU on every host. What the host lacks is taken out, with a warning.
/// </summary>
/// <param name="Name">As after <c>-cpu</c>.</param>
/// <param name="Family">Family, with the extended family added.</param>
/// <param name="Model">Model, with the extended model in bits 4-7.</param>
/// <param name="Stepping">0 to 15.</param>
/// <param name="MaxLeaf">Highest basic leaf.</param>
/// <param name="MaxExtendedLeaf">Highest extended leaf.</param>
/// <param name="Brand">The 48-byte brand string, leaves 0x80000002 to 0x80000004.</param>
/// <param name="Features">Names of its features.</param>
public sealed record NamedCpuModel(
    string Name, uint Family, uint Model, uint Stepping, uint MaxLeaf, uint MaxExtendedLeaf, string Brand, string Features)
{
    private const string Baseline = "fpu de pse tsc msr pae mce cx8 apic sep pge cmov pat fxsr mmx sse sse2 mtrr clflush mca pse36 ";

    /// <summary>The generic models that QEMU has for virtual machines, bit for bit.</summary>
    public static readonly NamedCpuModel[] All =
    [
        new("qemu64", 15, 107, 1, 0xd, 0x8000000a, "QEMU Virtual CPU version 2.5+", Baseline + "sse3 cx16 lm syscall nx lahf-lm svm"),
        new("kvm64", 15, 6, 1, 0xd, 0x80000008, "Common KVM processor", Baseline + "vme sse3 cx16 lm syscall nx"),
        new("Opteron_G1", 15, 6, 1, 5, 0x80000008, "AMD Opteron 240 (Gen 1 Class Opteron)", Baseline + "vme sse3 lm syscall nx"),
    ];

    public static bool TryFind(string name, out NamedCpuModel? model)
    {
        model = Array.Find(All, m => m.Name == name);
        return model is not null;
    }

    /// <summary>Leaf 1 EAX: family, model and stepping with their extensions (SDM Vol. 2A, CPUID, figure 3-6).</summary>
    public uint Signature
    {
        get
        {
            var baseFamily = Math.Min(Family, 15);
            return Stepping | (Model & 15) << 4 | baseFamily << 8 | Model >> 4 << 16 | (Family - baseFamily) << 20;
        }
    }

    /// <summary>The feature bits that the model has in a word.</summary>
    public uint BitsOf(CpuFeatureWord word)
    {
        var bits = 0u;
        foreach (var name in Features.Split(' '))
        {
            if (CpuFeatures.TryFind(name, out var found, out var bit) && found == word)
                bits |= 1u << bit;
        }

        return bits;
    }
}
