using System.Text;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>How a QEMU is started for fuzzing one device of it.</summary>
/// <param name="Program">Path of <c>qemu-system-x86_64</c>.</param>
/// <param name="Machine">As <c>-machine</c> takes it, without further properties.</param>
/// <param name="Devices">Options that bring the device, with the back ends and children that it needs.</param>
public sealed record QemuCommand(string Program, string Machine, IReadOnlyList<string> Devices)
{
    /// <summary>All but what connects it to the fuzzer.</summary>
    /// <param name="firmware">Path of a file with <see cref="QtestMachine.Firmware"/>.</param>
    public IReadOnlyList<string> Arguments(string firmware) => [.. QtestMachine.X86(Machine, firmware), .. Devices];

    /// <summary>One command for a shell that plays a script on a fresh process: for a bug report.</summary>
    /// <param name="script">Commands of qtest.</param>
    public string ShellCommand(string script)
    {
        var text = new StringBuilder($"head -c {QtestMachine.FirmwareBytes} /dev/zero | tr '\\0' '\\364' > /tmp/hlt.bin\ncat <<'EOF' | ");
        text.Append(Path.GetFileName(Program)).Append(' ').AppendJoin(' ', Arguments("/tmp/hlt.bin").Select(Quoted));
        return text.Append(" -qtest stdio -qtest-log none\n").Append(script.TrimEnd('\n')).Append("\nEOF\n").ToString();
    }

    private static string Quoted(string word) =>
        word.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_=,./:".Contains(letter, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
