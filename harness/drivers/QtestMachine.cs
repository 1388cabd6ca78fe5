using System.Globalization;
using System.Text;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Drivers;

/// <summary>
/// The machine that scripts of qtest are played to, by a case of a suite and by the fuzzer alike, so that what ends one ends the other: 64 MiB, a firmware of HLT instructions on
/// x86, else a stopped CPU.
/// </summary>
/// <remarks>
/// Debian's QEMU has no <c>-accel qtest</c>. With the firmware the machine's clocks go on and no guest code interferes. What reads the current vCPU on an access would find none
/// with qtest, which no guest can bring about: the VMware port and the APIC's option ROM port are left out.
/// </remarks>
public static class QtestMachine
{
    /// <summary>Of the firmware, bytes of HLT.</summary>
    public const int FirmwareBytes = 65_536;

    /// <summary>Of the machine, where nobody says otherwise.</summary>
    public const int MemoryMiB = 64;

    /// <summary>What the last command started, as a timer or a bottom half, ends a VMM a little after its answer.</summary>
    public static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(400);

    private const byte Hlt = 0xf4;

    // Runs no guest code, and lets time be stepped.
    private const string Accel = "qtest";

    public static byte[] Firmware
    {
        get
        {
            var bytes = new byte[FirmwareBytes];
            bytes.AsSpan().Fill(Hlt);
            return bytes;
        }
    }

    /// <summary>Options of an x86 machine of QEMU's, without its devices and what plays the script.</summary>
    /// <param name="machine">As <c>-machine</c> takes it, without further properties.</param>
    /// <param name="firmware">Path of a file with <see cref="Firmware"/>.</param>
    public static IReadOnlyList<string> X86(string machine, string firmware) => X86(machine, firmware, "tcg", isQemu: true, MemoryMiB);

    /// <summary>The job's command: a shell's, which gives the VMM the script as its standard input and becomes it.</summary>
    /// <exception cref="UserException">The script cannot be read or understood.</exception>
    /// <exception cref="IOException">What it takes cannot be written to <paramref name="scratch"/>.</exception>
    internal static (IReadOnlyList<string> CommandLine, int Commands) Build(Job job, VmmProbe probe, string scratch)
    {
        var script = QtestFile.Read(job.Image);
        var isQemu = job.Cell.Vmm != "gvmm";
        var memory = job.MemoryMiB ?? MemoryMiB;
        var machine = MachineOf(job);
        // Time that is stepped must stand still otherwise; where there is no such accelerator those commands are refused, and the rest is played. gvmm's microvm takes no firmware.
        var accel = (script.StepsClock || (!isQemu && machine == "microvm")) && probe.Accelerators.Contains(Accel) ? Accel : "tcg";
        List<string> line = [probe.Program!];
        if (job.Cell.Arch is "x86_64" or "i386")
            line.AddRange(X86(machine ?? "pc", ContentShelf.Place("firmware", Firmware, scratch), accel, isQemu, memory));
        else
            line.AddRange(["-machine", machine ?? "virt", "-accel", accel, "-m", Number(memory), "-S", "-nodefaults", "-display", "none", "-no-shutdown"]);
        if (job.Cell.Cpu is { } cpu)
            line.AddRange(["-cpu", cpu]);
        if (job.Smp > 1)
            line.AddRange(["-smp", Number(job.Smp)]);
        line.AddRange(job.VmmArguments);
        line.AddRange(["-qtest", "stdio", "-qtest-log", "none"]);
        if (!isQemu && probe.Revision is null && Linux.Sandbox.IsSupported)
            line.AddRange(["-sandbox", "on"]);
        var input = ContentShelf.Place("qtest", Encoding.ASCII.GetBytes(script.Text), scratch);
        return (["/bin/sh", "-c", $"exec \"$0\" \"$@\" <{Results.Reports.ShellCommand.Quote(input)}", .. line], script.Commands.Count);
    }

    private static IReadOnlyList<string> X86(string machine, string firmware, string accel, bool isQemu, int memory)
    {
        // A microvm has no VMware port to leave out.
        var properties = machine == "microvm" ? "" : ",vmport=off,smm=off";
        IReadOnlyList<string> withoutRom = isQemu ? ["-global", "apic-common.vapic=off"] : [];
        IReadOnlyList<string> code = accel == Accel ? [] : ["-bios", firmware];
        return ["-machine", machine + properties, .. withoutRom, "-accel", accel, "-m", Number(memory), .. code, "-nodefaults", "-display", "none", "-no-shutdown"];
    }

    // The case's own choice stands in its arguments, where the cell has made none.
    private static string? MachineOf(Job job)
    {
        var machine = job.Cell.Machine;
        for (var i = 0; i + 1 < job.VmmArguments.Count; i++)
        {
            if (job.VmmArguments[i] is "-machine" or "-M" && job.VmmArguments[i + 1].Split(',')[0] is { Length: > 0 } named && !named.Contains('=', StringComparison.Ordinal))
                machine = named;
        }
        return machine;
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
