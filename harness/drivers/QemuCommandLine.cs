using System.Globalization;
using Gauntlet.Harness.Nesting;
using Gauntlet.Linux;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>
/// The command line of a job for QEMU, or a VMM that takes QEMU's: that of kvm-unit-tests' own runner (x86/run, arm/run, riscv/run there), so that what is
/// found here can be repeated there, and a QMP socket.
/// </summary>
internal static class QemuCommandLine
{
    /// <summary>As QEMU assumes without -m.</summary>
    private const long DefaultMemoryBytes = 128L << 20;

    /// <summary>A VMM's own memory besides the guest's: translated code most of all.</summary>
    private const long OverheadBytes = 256L << 20;

    /// <param name="kvm">What KVM this host has; only looked at for kvm cells.</param>
    /// <param name="qmpSocket">Null: no QMP.</param>
    /// <param name="nestedOn">For nested cells, what the L1 hypervisor runs on.</param>
    /// <param name="environment">Where kvm-unit-tests' variables are looked up: EL2, FIRMWARE_OVERRIDE, TARGET_CPU_OVERRIDE, MACHINE_OVERRIDE.</param>
    /// <exception cref="CannotRunException">There is no command line for the cell's architecture.</exception>
    public static IReadOnlyList<string> Build(Job job, VmmProbe probe, KvmKind kvm, string? qmpSocket, Func<string, string?> environment, string nestedOn = "tcg")
    {
        var nested = job.Cell.Accel == NestedGuest.Accel;
        var cell = job.Cell.Accel == L1Supply.Accel ? job.Cell with { Accel = L1Supply.AccelInside(job.Cell.Accel) }
            : nested ? job.Cell with { Accel = nestedOn, Cpu = NestedGuest.Cpu(job.Cell, nestedOn) } : job.Cell;
        List<string> line = [probe.Program!];
        line.AddRange(cell.Arch switch
        {
            "x86_64" or "i386" => X86(cell, probe),
            "aarch64" or "arm" => Arm(cell, probe, nested, environment),
            "riscv64" or "riscv32" => RiscV(cell, probe, environment),
            _ => throw new CannotRunException($"no command line is known for {cell.Arch} guests on {cell.Vmm}"),
        });
        line.AddRange(nested ? ["-kernel", NestedGuest.Image(cell.Arch), .. NestedGuest.PayloadArguments(cell.Arch, job.Image)] : ["-kernel", job.Image]);
        line.AddRange(["-smp", job.Smp.ToString(CultureInfo.InvariantCulture)]);
        if (job.MemoryMiB is { } memory)
            line.AddRange(["-m", memory.ToString(CultureInfo.InvariantCulture)]);
        if (job.Append is not null)
            line.AddRange(["-append", job.Append]);
        line.AddRange(job.VmmArguments);
        if (job.Initrd is not null)
            line.AddRange(["-initrd", job.Initrd]);
        if (qmpSocket is not null)
            line.AddRange(["-qmp", $"unix:{qmpSocket},server=on,wait=off"]);
        // A revision built for a bisection may be older than the option, and the kernel of a Linux booted for a VMM need not have filters.
        if (cell.Vmm == "gvmm" && probe.Revision is null && qmpSocket is not null && Sandbox.IsSupported)
            line.AddRange(["-sandbox", "on"]);
        if (cell.Accel == "kvm" && kvm == KvmKind.Software)
            HideArchCapabilities(line);
        return line;
    }

    /// <summary>The guest's exit code becomes the process status: by isa-debug-exit, or the virtconsole on chr-testdev.</summary>
    public static bool HasDebugExit(string arch) => arch is "x86_64" or "i386" or "aarch64" or "arm";

    /// <summary>Memory that the command line's last -m asks for, and the VMM's own.</summary>
    public static long MemoryBytes(IReadOnlyList<string> commandLine)
    {
        var guest = DefaultMemoryBytes;
        for (var i = 0; i + 1 < commandLine.Count; i++)
        {
            if (commandLine[i] is "-m" or "--m" && ParseSize(commandLine[i + 1]) is { } size)
                guest = size;
        }
        return guest + OverheadBytes;
    }

    /// <summary>A size as -m takes it: MiB, or with a suffix; <c>size=</c> and further properties may stand around it.</summary>
    private static long? ParseSize(string text)
    {
        text = text.Split(',')[0];
        if (text.StartsWith("size=", StringComparison.Ordinal))
            text = text["size=".Length..];
        var shift = text.Length == 0 ? 20 : char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => 20 };
        return long.TryParse(text.TrimEnd('k', 'K', 'm', 'M', 'g', 'G', 't', 'T'), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= long.MaxValue >> shift
            ? number << shift
            : null;
    }

    private static IEnumerable<string> X86(Cell cell, VmmProbe probe)
    {
        yield return "--no-reboot";
        yield return "-nodefaults";
        // KVM's re-injection of lost ticks keeps (x2)AVIC off and so untested.
        foreach (var word in (string[])["-global", "kvm-pit.lost_tick_policy=discard", "-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"])
            yield return word;
        foreach (var word in (string[])["-display", "none", "-serial", "stdio"])
            yield return word;
        if (Offers(probe, "pci-testdev") && cell.Machine is null or not "microvm")
        {
            yield return "-device";
            yield return "pci-testdev";
        }
        yield return "-machine";
        yield return cell.Machine is null ? $"accel={cell.Accel}" : $"{cell.Machine},accel={cell.Accel}";
        if (cell.Cpu is not null)
        {
            yield return "-cpu";
            yield return cell.Cpu;
        }
    }

    private static IEnumerable<string> Arm(Cell cell, VmmProbe probe, bool nested, Func<string, string?> environment)
    {
        var machine = cell.Machine ?? "virt";
        if (cell.Accel == "kvm")
            machine += ",gic-version=host";
        if (cell.Arch == "arm")
            machine += ",highmem=off";
        if (nested || environment("EL2") is "1" or "y" or "Y")
            machine += ",virtualization=on";
        foreach (var word in (string[])["-nodefaults", "-machine", machine, "-accel", cell.Accel, "-cpu", Cpu(cell, probe, "arm", null)])
            yield return word;
        if (environment("EFI_USE_ACPI") is not "y")
        {
            foreach (var word in (string[])["-device", "virtio-serial-device", "-device", "virtconsole,chardev=ctd", "-chardev", "testdev,id=ctd"])
                yield return word;
        }
        if (Offers(probe, "pci-testdev"))
        {
            yield return "-device";
            yield return "pci-testdev";
        }
        foreach (var word in (string[])["-display", "none", "-serial", "stdio"])
            yield return word;
    }

    private static IEnumerable<string> RiscV(Cell cell, VmmProbe probe, Func<string, string?> environment)
    {
        var machine = cell.Machine ?? Chosen("MACHINE_OVERRIDE") ?? "virt";
        foreach (var word in (string[])["-nodefaults", "-nographic", "-serial", "mon:stdio", "-machine", machine, "-accel", cell.Accel])
            yield return word;
        if (Chosen("FIRMWARE_OVERRIDE") is { } firmware)
        {
            yield return "-bios";
            yield return firmware;
        }
        yield return "-cpu";
        yield return Cpu(cell, probe, "riscv", Chosen("TARGET_CPU_OVERRIDE"));

        string? Chosen(string name) => environment(name) is { Length: > 0 } value ? value : null;
    }

    /// <summary>The cell's, the environment's, the host's own under KVM, else all that the VMM can emulate: QEMU has no riscv64 <c>max</c> before 8.2.</summary>
    private static string Cpu(Cell cell, VmmProbe probe, string family, string? chosen) =>
        cell.Cpu ?? chosen ?? (cell.Accel == "kvm" ? "host"
            : probe.Cpus.Count == 0 || probe.Cpus.Contains($"max-{family}-cpu") ? "max"
            : cell.Arch == "riscv32" ? "rv32" : "rv64");

    private static bool Offers(VmmProbe probe, string device) => probe.Devices.Count == 0 || probe.Devices.Contains(device);

    /// <summary>
    /// QEMU sets the guest's IA32_ARCH_CAPABILITIES for the models host and max to what the host's KVM says it supports; a software KVM then refuses the
    /// value and QEMU aborts ("failed to set MSR 0x10a"). Without the feature it starts.
    /// </summary>
    private static void HideArchCapabilities(List<string> line)
    {
        for (var i = 0; i + 1 < line.Count; i++)
        {
            if (line[i] is "-cpu" or "--cpu" && line[i + 1].Split(',')[0] is "host" or "max" && !line[i + 1].Contains("arch-capabilities", StringComparison.Ordinal))
                line[i + 1] += ",arch-capabilities=off";
        }
    }
}
