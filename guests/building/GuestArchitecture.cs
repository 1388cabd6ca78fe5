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
    public static readonly IReadOnlyList<string> CommonLinkerFlags = ["-static", "--nmagic", "--gc-sections", "--build-id=none"];

    /// <summary>
    /// Multiboot 1 loaders take 32-bit ELF only, so the 64-bit code is linked as ELF64 and rewritten as ELF32 (the image enters long mode itself).
    /// Only general registers: trap handlers keep no others.
    /// </summary>
    public static readonly GuestArchitecture X64 = new(
        "x86_64",
        ["--target=x86_64-unknown-none-elf", "-march=x86-64", "-mcmodel=small", "-mno-red-zone", "-mgeneral-regs-only"],
        ["-m", "elf_x86_64"],
        "elf32-i386");

    public static readonly IReadOnlyList<GuestArchitecture> All = [X64];
}
