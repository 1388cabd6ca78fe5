using System.Globalization;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Booting;

/// <summary>A machine to boot a kernel on, and the command line that a person would type for it.</summary>
public sealed record BootMachine
{
    /// <summary>As the kernel names it: <c>x86_64</c>.</summary>
    public required string Arch { get; init; }

    /// <summary><c>tcg</c> or <c>kvm</c>.</summary>
    public required string Accel { get; init; }

    /// <summary>As after <c>-M</c>; null: pc or virt.</summary>
    public string? Machine { get; init; }

    /// <summary>As after <c>-cpu</c>; null: the quickest that all of Debian's kernels boot on.</summary>
    public string? Cpu { get; init; }

    public int Smp { get; init; } = 1;

    public int MemoryMiB { get; init; } = 512;

    public required string Kernel { get; init; }

    public string? Initrd { get; init; }

    /// <summary>Kernel command line; null: <see cref="DefaultAppend"/>.</summary>
    public string? Append { get; init; }

    /// <summary>Added behind the default one.</summary>
    public string? FurtherAppend { get; init; }

    /// <summary>Further arguments of the VMM.</summary>
    public IReadOnlyList<string> Further { get; init; } = [];

    public string MachineType => Machine ?? (Arch == "x86_64" ? "pc" : "virt");

    /// <summary>microvm has neither PIT nor HPET that a guest's TSC could be measured against, and under TCG the kernel then hangs.</summary>
    public bool HangsInTscCalibration => Arch == "x86_64" && Accel == "tcg" && MachineType.Split(',')[0] == "microvm";

    /// <summary>
    /// The console from the kernel's first line on, so that its entry is seen, and no waiting at a panic. Where the TSC cannot be measured, its frequency is told.
    /// </summary>
    public string DefaultAppend => Arch switch
    {
        "x86_64" => "console=ttyS0 earlyprintk=ttyS0 panic=-1" + (HangsInTscCalibration ? string.Create(CultureInfo.InvariantCulture, $" tsc_early_khz={HostKilohertz()}") : ""),
        "aarch64" => "console=ttyAMA0 earlycon=pl011,0x9000000 panic=-1",
        _ => "console=ttyS0 earlycon=uart8250,mmio,0x10000000 panic=-1",
    };

    /// <summary>Program and arguments, in QEMU's style.</summary>
    /// <param name="program">The VMM.</param>
    /// <param name="interactive">The console is the terminal, with the VMM's monitor behind Ctrl-A where it has one.</param>
    public IReadOnlyList<string> CommandLine(string program, bool interactive)
    {
        List<string> line =
        [
            program, "-nodefaults", "-display", "none", "-no-reboot", "-serial", interactive ? "mon:stdio" : "stdio", "-machine", $"{MachineType},accel={Accel}",
            "-smp", Smp.ToString(CultureInfo.InvariantCulture), "-m", MemoryMiB.ToString(CultureInfo.InvariantCulture),
        ];
        if ((Cpu ?? DefaultCpu) is { } cpu)
            line.AddRange(["-cpu", cpu]);
        line.AddRange(["-kernel", Kernel]);
        if (Initrd is not null)
            line.AddRange(["-initrd", Initrd]);
        line.AddRange(["-append", FurtherAppend is null ? Append ?? DefaultAppend : $"{Append ?? DefaultAppend} {FurtherAppend}"]);
        line.AddRange(Further);
        return line;
    }

    // Measured on QEMU 7.2: pointer authentication makes -cpu max five times slower than cortex-a57.
    private string? DefaultCpu => (Arch, Accel) switch
    {
        ("aarch64", "tcg") => "cortex-a57",
        ("aarch64", _) => "host",
        ("riscv64", "tcg") => "rv64",
        _ => null,
    };

    /// <exception cref="UserException">It cannot be booted.</exception>
    public void Check()
    {
        if (Arch is not ("x86_64" or "aarch64" or "riscv64"))
            throw new UserException($"'{Arch}' is no architecture that boots Linux here; there are x86_64, aarch64 and riscv64.");
        if (Accel is not ("tcg" or "kvm"))
            throw new UserException($"'{Accel}' is no accelerator to boot on; there are kvm and tcg.");
        if (Smp is < 1 or > 255)
            throw new UserException("--smp takes 1 to 255.");
        if (MemoryMiB is < 16 or > 1 << 20)
            throw new UserException("--memory takes 16 MiB to 1 TiB, in MiB.");
    }

    /// <summary>TCG gives the guest the host's own time-stamp counter.</summary>
    private static long HostKilohertz()
    {
        try
        {
            var line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("cpu MHz", StringComparison.Ordinal));
            if (line is not null && double.TryParse(line.Split(':')[1], CultureInfo.InvariantCulture, out var megahertz) && megahertz is >= 100 and <= 100_000)
                return (long)(megahertz * 1000);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Any plausible frequency lets the guest boot; its clock is then as wrong as this.
        }
        return 2_000_000;
    }
}
