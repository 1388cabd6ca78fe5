using System.Buffers.Binary;
using Gauntlet.Vmm.Accel;

namespace Gauntlet.Fuzz.Targets.Cpu;

/// <summary>What a program came to on a vCPU.</summary>
/// <param name="Vector">Of the exception that ended it; -1 when it ended otherwise.</param>
/// <param name="Accesses">A sum over what it did to ports and devices.</param>
/// <param name="Failure">Why the vCPU cannot go on.</param>
public readonly record struct CpuOutcome(VcpuStop Stop, X86State State, int Vector, ulong Accesses, string? Failure)
{
    private static readonly string[] Names = ["RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"];

    /// <summary>The name of a general register, in encoding order.</summary>
    public static string NameOf(int register) => Names[register];

    /// <summary>What differs first between two accelerators of one kind, of which everything must agree; null when nothing does.</summary>
    public static unsafe CpuDifference? Compare(in CpuOutcome a, ReadOnlySpan<byte> ramA, in CpuOutcome b, ReadOnlySpan<byte> ramB)
    {
        if (a.Stop != b.Stop)
            return new CpuDifference("stop", $"{a.Stop} {a.Failure}", $"{b.Stop} {b.Failure}");
        if (a.Vector != b.Vector)
            return CpuDifference.Of("vector", (ulong)a.Vector, (ulong)b.Vector);
        var (x, y) = (a.State, b.State);
        if (x.Rip != y.Rip)
            return CpuDifference.Of("RIP", x.Rip, y.Rip);
        for (var i = 0; i < Names.Length; i++)
        {
            if (x.Gpr[i] != y.Gpr[i])
                return CpuDifference.Of(Names[i], x.Gpr[i], y.Gpr[i]);
        }
        if (x.Rflags != y.Rflags)
            return CpuDifference.Of("RFLAGS", x.Rflags, y.Rflags);
        if (CompareFpu(new ReadOnlySpan<byte>(x.Fxsave, 512), new ReadOnlySpan<byte>(y.Fxsave, 512), everything: true) is { } fpu)
            return fpu;
        if (!ramA.SequenceEqual(ramB))
        {
            var at = ramA.CommonPrefixLength(ramB) & ~7;
            return CpuDifference.Of($"memory at 0x{at:x}", BinaryPrimitives.ReadUInt64LittleEndian(ramA[at..]), BinaryPrimitives.ReadUInt64LittleEndian(ramB[at..])) with { Kind = "memory" };
        }
        if (a.Accesses != b.Accesses)
            return CpuDifference.Of("port and device accesses", a.Accesses, b.Accesses);
        // The time-stamp counter stands still.
        if (!new ReadOnlySpan<byte>(&x, sizeof(X86State)).SequenceEqual(new ReadOnlySpan<byte>(&y, sizeof(X86State))))
            return SystemDifference(x, y);
        return null;
    }

    /// <summary>What differs first of two FXSAVE images.</summary>
    /// <param name="everything">False: without what the manual leaves undefined or CPUs differ in, pointers, opcode, C0 to C3 of the status word.</param>
    public static CpuDifference? CompareFpu(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, bool everything)
    {
        const ushort Conditions = 0x4700;
        ushort status = everything ? ushort.MaxValue : unchecked((ushort)~Conditions);
        if (Word(a, 0) != Word(b, 0))
            return CpuDifference.Of("FCW", Word(a, 0), Word(b, 0));
        if ((Word(a, 2) & status) != (Word(b, 2) & status))
            return CpuDifference.Of("FSW", Word(a, 2), Word(b, 2));
        if (a[4] != b[4])
            return CpuDifference.Of("FTW", a[4], b[4]);
        var (mxcsrA, mxcsrB) = (BinaryPrimitives.ReadUInt32LittleEndian(a[24..]), BinaryPrimitives.ReadUInt32LittleEndian(b[24..]));
        if (mxcsrA != mxcsrB)
            return CpuDifference.Of("MXCSR", mxcsrA, mxcsrB);
        for (var at = 32; at < 160; at += 16)
        {
            if (!a.Slice(at, 10).SequenceEqual(b.Slice(at, 10)))
                return new CpuDifference("ST", Hex(a, at, 10), Hex(b, at, 10)) { Where = $"ST{(at - 32) / 16}" };
        }
        for (var at = 160; at < 416; at += 16)
        {
            if (!a.Slice(at, 16).SequenceEqual(b.Slice(at, 16)))
                return new CpuDifference("XMM", Hex(a, at, 16), Hex(b, at, 16)) { Where = $"XMM{(at - 160) / 16}" };
        }
        if (everything && !a[..416].SequenceEqual(b[..416]))
            return new CpuDifference("FXSAVE", Convert.ToHexStringLower(a[..32]), Convert.ToHexStringLower(b[..32]));
        return null;
    }

    private static ushort Word(ReadOnlySpan<byte> image, int at) => BinaryPrimitives.ReadUInt16LittleEndian(image[at..]);

    // Highest byte first.
    private static string Hex(ReadOnlySpan<byte> image, int at, int length)
    {
        var bytes = image.Slice(at, length).ToArray();
        Array.Reverse(bytes);
        return "0x" + Convert.ToHexStringLower(bytes);
    }

    private static unsafe CpuDifference? SystemDifference(in X86State a, in X86State b)
    {
        (string Name, object A, object B)[] pairs =
        [
            ("ES", a.Es, b.Es), ("CS", a.Cs, b.Cs), ("SS", a.Ss, b.Ss), ("DS", a.Ds, b.Ds), ("FS", a.Fs, b.Fs), ("GS", a.Gs, b.Gs), ("LDTR", a.Ldtr, b.Ldtr), ("TR", a.Tr, b.Tr),
            ("GDTR", a.Gdtr, b.Gdtr), ("IDTR", a.Idtr, b.Idtr), ("CR0", a.Cr0, b.Cr0), ("CR2", a.Cr2, b.Cr2), ("CR3", a.Cr3, b.Cr3), ("CR4", a.Cr4, b.Cr4), ("CR8", a.Cr8, b.Cr8),
            ("EFER", a.Efer, b.Efer), ("STAR", a.Star, b.Star), ("LSTAR", a.Lstar, b.Lstar), ("CSTAR", a.Cstar, b.Cstar), ("SFMASK", a.Sfmask, b.Sfmask),
            ("KERNEL_GS_BASE", a.KernelGsBase, b.KernelGsBase), ("SYSENTER", (a.SysenterCs, a.SysenterEsp, a.SysenterEip), (b.SysenterCs, b.SysenterEsp, b.SysenterEip)),
            ("PAT", a.Pat, b.Pat), ("TSC", a.Tsc, b.Tsc), ("TSC_AUX", a.TscAux, b.TscAux), ("activity", a.Activity, b.Activity), ("interrupt shadow", a.InterruptShadow, b.InterruptShadow),
            ("NMI blocked", a.NmiBlocked, b.NmiBlocked),
        ];
        foreach (var (name, x, y) in pairs)
        {
            if (!x.Equals(y))
                return new CpuDifference(name, $"{x:x}", $"{y:x}");
        }
        for (var i = 0; i < 8; i++)
        {
            if (a.Dr[i] != b.Dr[i])
                return CpuDifference.Of($"DR{i}", a.Dr[i], b.Dr[i]);
        }
        // Padding between fields.
        return null;
    }
}

/// <summary>What two runs of a program differ in.</summary>
/// <param name="Kind">Without what varies from one program to the next: for buckets.</param>
/// <param name="First">Value of the first.</param>
/// <param name="Second">Of the second.</param>
public sealed record CpuDifference(string Kind, string First, string Second)
{
    /// <summary>Register or address.</summary>
    public string Where { get; init; } = Kind;

    public static CpuDifference Of(string where, ulong first, ulong second) => new(where, $"0x{first:x}", $"0x{second:x}");
}
