using Gauntlet.Vmm.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.Accel.Kvm;

/// <summary>A test that needs the host's KVM; without it, skipped with KVM's own reason.</summary>
public sealed class KvmFactAttribute : FactAttribute
{
    private static readonly string? s_why = KvmAccelerator.WhyUnusable();

    public KvmFactAttribute() => Skip = s_why;
}

/// <summary>As <see cref="KvmFactAttribute"/>, with data.</summary>
public sealed class KvmTheoryAttribute : TheoryAttribute
{
    private static readonly string? s_why = KvmAccelerator.WhyUnusable();

    public KvmTheoryAttribute() => Skip = s_why;
}

/// <summary>A test that needs a KVM with local APICs apart from the other interrupt controllers; else skipped with the reason.</summary>
public sealed class SplitIrqChipFactAttribute : FactAttribute
{
    public SplitIrqChipFactAttribute() => Skip = SplitIrqChip.WhyNot;
}

/// <summary>As <see cref="SplitIrqChipFactAttribute"/>, with data.</summary>
public sealed class SplitIrqChipTheoryAttribute : TheoryAttribute
{
    public SplitIrqChipTheoryAttribute() => Skip = SplitIrqChip.WhyNot;
}

internal static class SplitIrqChip
{
    public static string? WhyNot { get; } = KvmAccelerator.WhyUnusable(new KvmOptions(KernelIrqChip.Split));
}
