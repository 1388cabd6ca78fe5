using System.Numerics;
using System.Text;
using Gauntlet.Vmm.Accel.Cpu;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>What CPUID answers on a vCPU: the asked-for model, cut down to what the host's KVM supports, with the machine's topology.</summary>
/// <remarks>The machine is one socket of single-threaded cores; the APIC ID is the vCPU's index.</remarks>
internal sealed class KvmCpuid
{
    private const uint KvmBase = 0x40000000, KvmFeatures = 0x40000001, ExtendedBase = 0x80000000, BrandBase = 0x80000002;

    /// <summary>What KVM shows of itself beside a named model, where the host has it.</summary>
    private const string NamedModelKvmFeatures =
        "kvmclock kvm-nopiodelay kvmclock2 kvm-asyncpf kvm-steal-time kvm-pv-eoi kvmclock-stable-bit";

    /// <summary>Physical address bits of a named model, so that guests see the same on every host that has them.</summary>
    private const uint NamedModelPhysicalBits = 40;

    private static readonly CpuidLeaf s_noLeaf = new(0, 0, false, 0, 0, 0, 0);

    private const uint LinearBits = 48, LinearBitsLa57 = 57;

    private readonly List<CpuidLeaf> _leaves = [];
    private readonly List<CpuFeatureBit> _missing = [];
    private readonly IReadOnlyList<CpuidLeaf> _host;
    private readonly bool _kernelIrqChip;

    private KvmCpuid(IReadOnlyList<CpuidLeaf> supported, bool kernelIrqChip)
    {
        _kernelIrqChip = kernelIrqChip;
        _host = supported;
    }

    /// <summary>In ascending order of function and index, zero leaves left out.</summary>
    public IReadOnlyList<CpuidLeaf> Leaves => _leaves;

    /// <summary>Features that were asked for and that this host lacks.</summary>
    public IReadOnlyList<CpuFeatureBit> Missing => _missing;

    /// <param name="supported">KVM_GET_SUPPORTED_CPUID's answer.</param>
    /// <param name="kernelIrqChip">Whether the local APICs are KVM's: only those have x2APIC and the TSC deadline timer.</param>
    /// <param name="index">The vCPU's.</param>
    /// <param name="count">How many the machine has, 1 or more.</param>
    /// <exception cref="AcceleratorException">The model says <c>enforce</c> and the host lacks a feature of it.</exception>
    public static KvmCpuid Build(IReadOnlyList<CpuidLeaf> supported, CpuModel model, bool kernelIrqChip, int index, int count)
    {
        var cpuid = new KvmCpuid(supported, kernelIrqChip);
        if (model.Named is { } named)
            cpuid.AddNamedModel(named);
        else
            cpuid.AddEverything(supported);
        if (model.HideKvm)
            cpuid._leaves.RemoveAll(l => l.Function is >= KvmBase and < ExtendedBase);
        cpuid.ApplyFlags(model);
        if (model.Vendor is { } vendor)
            cpuid.SetVendor(vendor);
        cpuid.AddTopology((uint)index, (uint)count);
        cpuid.DropWhatNeedsXsave();
        cpuid._leaves.RemoveAll(l => (l.Eax | l.Ebx | l.Ecx | l.Edx) == 0);
        cpuid._leaves.Sort((a, b) => a.Function != b.Function ? a.Function.CompareTo(b.Function) : a.Index.CompareTo(b.Index));
        if (model.Enforce && cpuid._missing.Count > 0)
            throw new AcceleratorException($"-cpu {model.Name},enforce: this host lacks {string.Join(", ", cpuid._missing)}: leave them out, or leave out 'enforce'");
        return cpuid;
    }

    private void SetVendor(string vendor)
    {
        var (ebx, edx, ecx) = CpuModel.VendorWords(vendor);
        foreach (var leaf in (ReadOnlySpan<uint>)[0, ExtendedBase])
        {
            Change(leaf, 0, CpuidRegister.Ebx, uint.MaxValue, ebx);
            Change(leaf, 0, CpuidRegister.Edx, uint.MaxValue, edx);
            Change(leaf, 0, CpuidRegister.Ecx, uint.MaxValue, ecx);
        }
    }

    private void AddEverything(IReadOnlyList<CpuidLeaf> supported)
    {
        _leaves.AddRange(supported);
        foreach (var word in CpuFeatures.Words)
            SetBits(word, Supported(word));
        Change(0x80000008, 0, CpuidRegister.Eax, 0xffff, PhysicalBits() | LinearAddressBits() << 8);
    }

    private void AddNamedModel(NamedCpuModel model)
    {
        var vendor = Host(0);
        var extendedMax = Math.Min(model.MaxExtendedLeaf, Math.Max(0x80000008, Host(ExtendedBase).Eax));
        // The vendor is the host's, unless given: its microarchitecture shows through in too many other places (VMCALL or VMMCALL, SYSCALL outside long mode).
        _leaves.Add(vendor with { Eax = model.MaxLeaf });
        _leaves.Add(new CpuidLeaf(1, 0, false, model.Signature, 8 << 8, 0, 0));
        AddCaches();
        _leaves.Add(vendor with { Function = ExtendedBase, Eax = extendedMax });
        AddBrand(model.Brand);
        _leaves.Add(new CpuidLeaf(0x80000008, 0, false, Math.Min(NamedModelPhysicalBits, PhysicalBits()), 0, 0, 0));
        foreach (var leaf in _host)
        {
            // Whether the XSAVE leaf stays depends on the flags that follow.
            if (leaf is { Function: KvmBase, Index: 0 } or { Function: 13 })
                _leaves.Add(leaf);
        }

        foreach (var word in CpuFeatures.Words)
        {
            var wanted = model.BitsOf(word);
            if (word == CpuFeatures.KvmEax)
                wanted = FeaturesOf(NamedModelKvmFeatures, word);
            else if (word == CpuFeatures.Leaf13Sub1Eax)
                wanted = Supported(word);
            else if (word == CpuFeatures.Leaf1Ecx)
                wanted |= Supported(word) & FeaturesOf("x2apic hypervisor", word);
            // SVM is for who asks for it: most hosts cannot nest.
            if (word == CpuFeatures.Extended1Ecx)
                wanted &= ~FeaturesOf("svm", word) | Supported(word);
            if (word != CpuFeatures.KvmEax)
                NoteMissing(word, wanted & ~Supported(word));
            SetBits(word, wanted & Supported(word));
        }

        Change(0x80000008, 0, CpuidRegister.Eax, 0xff00, LinearAddressBits() << 8);
    }

    private void ApplyFlags(CpuModel model)
    {
        foreach (var feature in model.Added)
        {
            if ((Supported(feature.Word) >> feature.Bit & 1) == 0)
                _missing.Add(feature);
            else
                SetBits(feature.Word, Value(feature.Word) | 1u << feature.Bit);
        }

        foreach (var feature in model.Removed)
        {
            SetBits(feature.Word, Value(feature.Word) & ~(1u << feature.Bit));
            _missing.Remove(feature);
        }
    }

    /// <summary>Leaf 4 as a common server core has it, leaf 2 pointing to it (SDM Vol. 2A, CPUID, tables 3-8 and 3-12).</summary>
    private void AddCaches()
    {
        const uint data = 1, instruction = 2, unified = 3;
        _leaves.Add(new CpuidLeaf(2, 0, false, 0x00feff01, 0, 0, 0));
        _leaves.Add(Cache(0, data, level: 1, ways: 8, sets: 64));
        _leaves.Add(Cache(1, instruction, level: 1, ways: 8, sets: 64));
        _leaves.Add(Cache(2, unified, level: 2, ways: 16, sets: 2048));
        _leaves.Add(Cache(3, unified, level: 3, ways: 16, sets: 16384));
        _leaves.Add(new CpuidLeaf(0x80000006, 0, false, 0, 0, 2048 << 16 | 8 << 12 | 64, 0));

        static CpuidLeaf Cache(uint index, uint type, uint level, uint ways, uint sets)
            => new(4, index, true, type | level << 5 | 1 << 8, (ways - 1) << 22 | 63, sets - 1, 0);
    }

    private void AddBrand(string brand)
    {
        Span<byte> text = stackalloc byte[48];
        text.Clear();
        Encoding.ASCII.GetBytes(brand, text);
        for (var i = 0; i < 3; i++)
        {
            var part = text.Slice(i * 16, 16);
            _leaves.Add(new CpuidLeaf(BrandBase + (uint)i, 0, false, Word(part, 0), Word(part, 4), Word(part, 8), Word(part, 12)));
        }

        static uint Word(ReadOnlySpan<byte> part, int at) => BitConverter.ToUInt32(part[at..]);
    }

    private void AddTopology(uint index, uint count)
    {
        var apicIdBits = (uint)(32 - BitOperations.LeadingZeroCount(count - 1));
        Change(1, 0, CpuidRegister.Ebx, 0xffff0000, Math.Min(count, 255) << 16 | (index & 0xff) << 24);
        if (count > 1)
            SetBits(CpuFeatures.Leaf1Edx, Value(CpuFeatures.Leaf1Edx) | FeaturesOf("ht", CpuFeatures.Leaf1Edx));
        for (var i = 0; i < _leaves.Count; i++)
        {
            // Each core has caches of its own, but all share level 3.
            if (_leaves[i] is { Function: 4, Eax: not 0 } cache)
            {
                var sharing = (cache.Eax >> 5 & 7) >= 3 ? (1u << (int)apicIdBits) - 1 : 0;
                _leaves[i] = cache with { Eax = cache.Eax & 0x3fff | Math.Min(sharing, 4095) << 14 | Math.Min((1u << (int)apicIdBits) - 1, 63) << 26 };
            }
        }

        // 0x1f is 0x0b with more levels than this machine has.
        _leaves.RemoveAll(l => l.Function is 0xb or 0x1f);
        const uint threadLevel = 1 << 8, coreLevel = 2 << 8;
        _leaves.Add(new CpuidLeaf(0xb, 0, true, 0, 1, threadLevel, index));
        _leaves.Add(new CpuidLeaf(0xb, 1, true, apicIdBits, count, 1 | coreLevel, index));
        _leaves.Add(new CpuidLeaf(0xb, 2, true, 0, 0, 2, index));
        // AMD's own way to tell the number of cores.
        const uint authenticAmdEbx = 0x68747541;
        if (Host(0).Ebx == authenticAmdEbx)
        {
            Change(0x80000008, 0, CpuidRegister.Ecx, 0xf0ff, Math.Min(count - 1, 255) | apicIdBits << 12);
            _leaves.RemoveAll(l => l.Function == 0x8000001e);
            _leaves.Add(new CpuidLeaf(0x8000001e, 0, false, index, index & 0xff, 0, 0));
        }
    }

    private void DropWhatNeedsXsave()
    {
        if ((Value(CpuFeatures.Leaf1Ecx) & FeaturesOf("xsave", CpuFeatures.Leaf1Ecx)) != 0)
            return;
        _leaves.RemoveAll(l => l.Function == 13);
        SetBits(CpuFeatures.Leaf1Ecx, Value(CpuFeatures.Leaf1Ecx) & ~FeaturesOf("avx fma f16c osxsave", CpuFeatures.Leaf1Ecx));
        SetBits(CpuFeatures.Leaf7Ebx, Value(CpuFeatures.Leaf7Ebx) & ~FeaturesOf("avx2 avx512f mpx", CpuFeatures.Leaf7Ebx));
        SetBits(CpuFeatures.Leaf7Ecx, Value(CpuFeatures.Leaf7Ecx) & ~FeaturesOf("pku ospke vaes vpclmulqdq", CpuFeatures.Leaf7Ecx));
    }

    private void NoteMissing(CpuFeatureWord word, uint bits)
    {
        for (var bit = 0; bit < 32; bit++)
        {
            if ((bits >> bit & 1) != 0)
                _missing.Add(new CpuFeatureBit(word, bit));
        }
    }

    /// <summary>What a guest may be shown of a word on this host.</summary>
    private uint Supported(CpuFeatureWord word)
    {
        var bits = Host(word.Function, word.Index)[word.Register];
        if (word == CpuFeatures.Leaf1Ecx)
        {
            bits |= FeaturesOf("hypervisor", word);
            if (!_kernelIrqChip)
                bits &= ~FeaturesOf("x2apic tsc-deadline", word);
        }

        return bits;
    }

    private uint PhysicalBits() => (Host(0x80000008).Eax & 0xff) is var bits && bits >= 32 ? bits : 36;

    /// <summary>A leaf of the host's, all zero when it has none.</summary>
    private CpuidLeaf Host(uint function, uint index = 0)
    {
        foreach (var leaf in _host)
        {
            if (leaf.Function == function && leaf.Index == index)
                return leaf;
        }

        return s_noLeaf;
    }

    private uint LinearAddressBits()
        => (Value(CpuFeatures.Leaf7Ecx) & FeaturesOf("la57", CpuFeatures.Leaf7Ecx)) != 0 ? LinearBitsLa57 : LinearBits;

    private static uint FeaturesOf(string names, CpuFeatureWord word)
    {
        var bits = 0u;
        foreach (var name in names.Split(' '))
        {
            if (CpuFeatures.TryFind(name, out var found, out var bit) && found == word)
                bits |= 1u << bit;
        }

        return bits;
    }

    private uint Value(CpuFeatureWord word) => Find(word.Function, word.Index) is var i and >= 0 ? _leaves[i][word.Register] : 0;

    private void SetBits(CpuFeatureWord word, uint bits)
    {
        if (bits != 0 || Find(word.Function, word.Index) >= 0)
            Change(word.Function, word.Index, word.Register, uint.MaxValue, bits);
    }

    private void Change(uint function, uint index, CpuidRegister register, uint mask, uint bits)
    {
        var at = Find(function, index);
        if (at < 0)
        {
            at = _leaves.Count;
            _leaves.Add(new CpuidLeaf(function, index, function is 4 or 7 or 11 or 13, 0, 0, 0, 0));
        }

        _leaves[at] = _leaves[at].With(register, _leaves[at][register] & ~mask | bits & mask);
    }

    private int Find(uint function, uint index)
    {
        for (var i = 0; i < _leaves.Count; i++)
        {
            if (_leaves[i].Function == function && _leaves[i].Index == index)
                return i;
        }

        return -1;
    }
}
