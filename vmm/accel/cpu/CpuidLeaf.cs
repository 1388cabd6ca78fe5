namespace Gauntlet.Vmm.Accel.Cpu;

/// <summary>A register that CPUID answers in.</summary>
public enum CpuidRegister : byte
{
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// <summary>
/// One answer of CPUID (SDM Vol. 2A, CPUID). A class: the framework's collections are compiled ahead for those only, and each start of a machine fills some.
/// </summary>
/// <param name="Function">EAX on input.</param>
/// <param name="Index">ECX on input, where <paramref name="Indexed"/>.</param>
/// <param name="Indexed">Whether ECX on input matters for this function.</param>
public sealed record CpuidLeaf(uint Function, uint Index, bool Indexed, uint Eax, uint Ebx, uint Ecx, uint Edx)
{
    public uint this[CpuidRegister register] => register switch
    {
        CpuidRegister.Eax => Eax,
        CpuidRegister.Ebx => Ebx,
        CpuidRegister.Ecx => Ecx,
        _ => Edx,
    };

    /// <summary>The same leaf with one register changed.</summary>
    public CpuidLeaf With(CpuidRegister register, uint value) => register switch
    {
        CpuidRegister.Eax => this with { Eax = value },
        CpuidRegister.Ebx => this with { Ebx = value },
        CpuidRegister.Ecx => this with { Ecx = value },
        _ => this with { Edx = value },
    };
}
