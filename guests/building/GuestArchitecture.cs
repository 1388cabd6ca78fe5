namespace Gauntlet.Guests.Building;

/// <summary>How images for one guest architecture are compiled. A new architecture is one entry here, <c>lib/NAME</c> and <c>suites/NAME</c>.</summary>
/// <param name="Name">As in folders and suites: <c>x86_64</c>.</param>
/// <param name="CompilerFlags">What differs from <see cref="CommonCompilerFlags"/>.</param>
/// <param name="LinkerFlags">What differs from <see cref="CommonLinkerFlags"/>.</param>
/// <param name="ObjectFormat">What <c>llvm-objcopy -O</c> makes of the linked file; null to leave it.</param>
public sealed record GuestArchitecture(string Name, IReadOnlyList<string> CompilerFlags, IReadOnlyList<string> LinkerFlags, string? ObjectFormat)
{
    /// <summary>Freestanding C, small, with frame pointers for back traces, and nothing that depends on where or when it is built.</summary>
    public static readonly IReadOnlyList<string> CommonCompilerFlags =
    [
        "-std=gnu11", "-Os", "-ffreestanding", "-nostdlibinc", "-fno-pic", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
        "-fno-omit-frame-pointer", "-fno-strict-aliasing", "-ffunction-sections", "-fdata-sections", "-fno-ident",
        "-Wall", "-Wextra", "-Werror", "-Wmissing-prototypes", "-Wno-unused-parameter",
    ];

    /// <summary>No page alignment within the file (<c>--nmagic</c>): images are small, and no loader of theirs protects pages.</summary>
    public static readonly IReadOnlyList<string> CommonLinkerFlags = ["-static", "--nmagic", "--gc-sections", "--build-id=none", "--discard-all"];

    /// <summary>
    /// Multiboot 1 loaders take 32-bit ELF only, so the 64-bit code is linked as ELF64 and rewritten as ELF32 (the image enters long mode itself).
    /// Only general registers: trap handlers keep no others.
    /// </summary>
    public static readonly GuestArchitecture X64 = new(
        "x86_64",
        ["--target=x86_64-unknown-none-elf", "-march=x86-64", "-mcmodel=small", "-mno-red-zone", "-mgeneral-regs-only"],
        ["-m", "elf_x86_64"],
        "elf32-i386");

    /// <summary>Aligned accesses only, for the time before the MMU is on; atomics in line, for there is no run-time library.</summary>
    public static readonly GuestArchitecture Arm64 = new(
        "aarch64",
        ["--target=aarch64-unknown-none-elf", "-march=armv8-a", "-mgeneral-regs-only", "-mstrict-align", "-mno-outline-atomics"],
        ["-m", "aarch64elf"],
        null);

    /// <summary>Floating-point registers are for the checks' own assembly: the calling convention is the one without.</summary>
    public static readonly GuestArchitecture RiscV64 = new(
        "riscv64",
        ["--target=riscv64-unknown-none-elf", "-march=rv64gc", "-mabi=lp64", "-mcmodel=medany", "-mno-relax"],
        ["-m", "elf64lriscv"],
        null);

    /// <summary>By name.</summary>
    public static readonly IReadOnlyList<GuestArchitecture> All = [Arm64, RiscV64, X64];
}
