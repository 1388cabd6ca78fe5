using System.Text;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>How a QEMU is started for fuzzing one device of it.</summary>
/// <param name="Program">Path of <c>qemu-system-x86_64</c>.</param>
/// <param name="Machine">As <c>-machine</c> takes it, without further properties.</param>
/// <param name="Devices">Options that bring the device, with the back ends and children that it needs.</param>
/// <remarks>
/// Debian's QEMU has no <c>-accel qtest</c>: the machine runs a firmware of HLT instructions, so that its clocks go on and no guest code interferes. What reads the
/// current vCPU on an access would find none with qtest, which no guest can bring about: the VMware port and the APIC's option ROM port are left out.
/// </remarks>
public sealed record QemuCommand(string Program, string Machine, IReadOnlyList<string> Devices)
{
    /// <summary>Of the firmware, bytes of HLT.</summary>
    public const int FirmwareBytes = 65_536;

    private const byte Hlt = 0xf4;

    public static byte[] Firmware
    {
        get
        {
            var bytes = new byte[FirmwareBytes];
            bytes.AsSpan().Fill(Hlt);
            return bytes;
        }
    }

    /// <summary>All but what connects it to the fuzzer.</summary>
    /// <param name="firmware">Path of a file with <see cref="Firmware"/>.</param>
    public IReadOnlyList<string> Arguments(string firmware) =>
    [
        "-machine", $"{Machine},vmport=off,smm=off", "-global", "apic-common.vapic=off", "-accel", "tcg", "-m", "64", "-bios", firmware, "-nodefaults", "-display", "none",
        "-no-shutdown", .. Devices,
    ];

    /// <summary>One command for a shell that plays a script on a fresh process: for a bug report.</summary>
    /// <param name="script">Commands of qtest.</param>
    public string ShellCommand(string script)
    {
        var text = new StringBuilder($"head -c {FirmwareBytes} /dev/zero | tr '\\0' '\\364' > /tmp/hlt.bin\ncat <<'EOF' | ");
        text.Append(Path.GetFileName(Program)).Append(' ').AppendJoin(' ', Arguments("/tmp/hlt.bin").Select(Quoted));
        return text.Append(" -qtest stdio -qtest-log none\n").Append(script.TrimEnd('\n')).Append("\nEOF\n").ToString();
    }

    private static string Quoted(string word) =>
        word.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_=,./:".Contains(letter, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
