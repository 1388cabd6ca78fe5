using System.Globalization;

namespace Gauntlet.Vmm.Accel.Cpu;

/// <summary>One feature bit. A class for the reason of <see cref="CpuidLeaf"/>.</summary>
public sealed record CpuFeatureBit(CpuFeatureWord Word, int Bit)
{
    /// <summary>As the manuals and QEMU write it: <c>CPUID.01H:ECX.vmx [bit 5]</c>.</summary>
    public override string ToString()
    {
        var names = Word.NamesOf(Bit);
        return string.Concat(Word.ToString(), names.IsEmpty ? "" : "." + names[0], " [bit ", Bit.ToString(CultureInfo.InvariantCulture) + "]");
    }
}

/// <summary>
/// What follows <c>-cpu</c>: a model and changes to it. <c>qemu64,+x2apic,-svm</c>, <c>max,vmx=off,enforce</c>.
/// </summary>
public sealed class CpuModel
{
    /// <summary>What a PC has when nothing is said.</summary>
    public const string Default = "qemu64";

    private const int MaxTextLength = 4096;

    private const string VendorProperty = "vendor=";
    private const int VendorLength = 12;

    private CpuModel(string name) => Name = name;

    /// <summary><c>host</c>, <c>max</c> or one of <see cref="NamedCpuModel.All"/>.</summary>
    public string Name { get; }

    /// <summary>Everything that the accelerator can show a guest.</summary>
    public bool IsEverything => Name is "host" or "max";

    /// <summary>A model with its bits fixed; null when <see cref="IsEverything"/>.</summary>
    public NamedCpuModel? Named { get; private init; }

    public IReadOnlyList<CpuFeatureBit> Added { get; private init; } = [];

    public IReadOnlyList<CpuFeatureBit> Removed { get; private init; } = [];

    /// <summary><c>enforce</c>: a feature that the host lacks is an error, not a warning.</summary>
    public bool Enforce { get; private init; }

    /// <summary><c>kvm=off</c>: the guest is not told that it runs on KVM.</summary>
    public bool HideKvm { get; private init; }

    /// <summary>Hyper-V enlightenments, <c>hv-…</c>, that were asked for: no accelerator here shows any.</summary>
    public IReadOnlyList<string> HyperV { get; private init; } = [];

    /// <summary><c>vendor=</c>: CPUID's vendor string, 12 characters; null: the model's.</summary>
    public string? Vendor { get; private init; }

    /// <exception cref="AcceleratorException">No such model or flag; the message names it.</exception>
    public static CpuModel Parse(string text)
    {
        if (text.Length > MaxTextLength)
            throw new AcceleratorException($"-cpu: {text.Length} characters, at most {MaxTextLength} are taken");
        var parts = text.Split(',');
        var name = parts[0];
        NamedCpuModel? named = null;
        if (name is not ("host" or "max") && !NamedCpuModel.TryFind(name, out named))
            throw new AcceleratorException($"-cpu: there is no CPU model '{name}'; there are: host, max, {string.Join(", ", NamedCpuModel.All.Select(m => m.Name))}");

        // Later words win over earlier ones, so each bit is in one list at most.
        var added = new List<CpuFeatureBit>();
        var removed = new List<CpuFeatureBit>();
        bool enforce = false, hideKvm = false;
        string? vendor = null;
        var hyperV = new List<string>();
        foreach (var part in parts.AsSpan(1))
        {
            if (part.StartsWith(VendorProperty, StringComparison.Ordinal))
            {
                vendor = part[VendorProperty.Length..];
                if (vendor.Length != VendorLength || !vendor.All(char.IsAscii))
                    throw new AcceleratorException($"-cpu {text}: a vendor has {VendorLength} characters, as GenuineIntel");
                continue;
            }

            var (word, on) = SplitFlag(part);
            switch (word)
            {
                case "enforce":
                    enforce = on;
                    continue;
                case "kvm":
                    hideKvm = !on;
                    continue;
                case var _ when word.StartsWith("hv-", StringComparison.Ordinal) || word.StartsWith("hv_", StringComparison.Ordinal):
                    if (on)
                        hyperV.Add(word);
                    continue;
                case "check" or "migratable" or "host-phys-bits" or "pmu" or "l3-cache" or "vmware-cpuid-freq" or "fill-mtrr-mask":
                    // Taken as QEMU takes them; nothing that gvmm shows a guest depends on them.
                    continue;
            }

            if (!CpuFeatures.TryFind(word, out var featureWord, out var bit))
                throw new AcceleratorException($"-cpu {text}: there is no CPU feature or property '{word}'");
            var feature = new CpuFeatureBit(featureWord, bit);
            added.Remove(feature);
            removed.Remove(feature);
            (on ? added : removed).Add(feature);
        }

        return new CpuModel(name) { Named = named, Added = added, Removed = removed, Enforce = enforce, HideKvm = hideKvm, Vendor = vendor, HyperV = hyperV };
    }

    /// <summary>The vendor as leaves 0 and 0x80000000 have it.</summary>
    public static (uint Ebx, uint Edx, uint Ecx) VendorWords(string vendor)
    {
        return (Word(0), Word(4), Word(8));

        uint Word(int at) => vendor[at] | (uint)vendor[at + 1] << 8 | (uint)vendor[at + 2] << 16 | (uint)vendor[at + 3] << 24;
    }

    /// <summary>Takes <c>+flag</c>, <c>-flag</c>, <c>flag</c> and <c>flag=on|off</c> (also yes, true, no, false) apart.</summary>
    private static (string Word, bool On) SplitFlag(string part)
    {
        if (part.StartsWith('+'))
            return (part[1..], true);
        if (part.StartsWith('-'))
            return (part[1..], false);
        var equals = part.IndexOf('=');
        if (equals < 0)
            return (part, true);
        return part[(equals + 1)..] switch
        {
            "on" or "yes" or "true" => (part[..equals], true),
            "off" or "no" or "false" => (part[..equals], false),
            var other => throw new AcceleratorException($"-cpu: '{part[..equals]}' takes on or off, not '{other}'"),
        };
    }
}
