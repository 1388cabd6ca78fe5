using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>How a QEMU ended, in words that are the same for the same fault.</summary>
/// <param name="Bucket">Assertion without line numbers, or signal with the innermost places in the program.</param>
/// <param name="Report">For people.</param>
/// <param name="IsArtefact">Only the harness brings it about: a device asked for the current vCPU, and an access over qtest has none.</param>
public sealed partial record QemuFailure(string Bucket, string Report, bool IsArtefact)
{
    private const int Sigabrt = 128 + 6, SignalBase = 128, PlacesInBucket = 3, LongestReport = 8_000;

    private static readonly TimeSpan LongestDebugger = TimeSpan.FromSeconds(60);

    /// <summary>From what it left; where it left no words, null: <see cref="Debug"/> tells more.</summary>
    public static QemuFailure? FromWords(int status, string errors)
    {
        if (SanitizerReport.Parse(errors) is { } sanitizer)
            return new QemuFailure(sanitizer.Bucket, Shortened(errors[errors.IndexOf("AddressSanitizer", StringComparison.Ordinal)..]), false);
        foreach (var line in errors.Split('\n'))
        {
            if (Assertion().Match(line) is { Success: true } assertion)
                return new QemuFailure($"assertion {assertion.Groups["file"].Value}: {assertion.Groups["function"].Value}: {assertion.Groups["what"].Value}", line, false);
            if (GlibAssertion().Match(line) is { Success: true } glib)
                return new QemuFailure($"assertion {glib.Groups["file"].Value}: {glib.Groups["function"].Value}: {glib.Groups["what"].Value}", line, false);
            if (line.Contains("hardware error:", StringComparison.Ordinal))
                return new QemuFailure(Numbers().Replace(line[line.IndexOf("hardware error:", StringComparison.Ordinal)..], "N"), line, false);
        }
        // An exit that QEMU chose, with a message.
        if (status is > 0 and < SignalBase)
        {
            var last = errors.Trim().Split('\n')[^1];
            return new QemuFailure($"exit {status}: {Numbers().Replace(last, "N")}", last, false);
        }
        return null;
    }

    /// <summary>Runs a script under gdb, on a fresh process: without symbols, places are offsets in the program.</summary>
    /// <param name="status">Of the process that died before.</param>
    public static QemuFailure Debug(QemuCommand command, string firmware, string script, int status)
    {
        var signal = status > SignalBase ? $"signal {status - SignalBase}" : $"status {status}";
        if (ProgramFinder.InPath("gdb") is not { } gdb)
            return new QemuFailure(signal, $"{signal}; install gdb to see where", false);
        var input = Path.GetTempFileName();
        try
        {
            File.WriteAllText(input, script);
            var run = string.Join(' ', command.Arguments(firmware).Select(word => $"'{word}'"));
            string[] arguments =
            [
                "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set confirm off", "-ex", "handle SIGUSR1 SIGPIPE nostop noprint pass",
                "-ex", $"run {run} -qtest stdio -qtest-log none < {input} > /dev/null 2>&1", "-ex", "bt 24", "-ex", "x/8i $pc-24", "-ex", "info proc mappings", command.Program,
            ];
            using var process = Process.Start(new ProcessStartInfo(gdb, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
            process.StandardInput.Close();
            _ = process.StandardError.ReadToEndAsync();
            var reading = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(LongestDebugger))
            {
                process.Kill(entireProcessTree: true);
                return new QemuFailure(signal, $"{signal}; it did not come again under gdb", false);
            }
            return FromDebugger(signal, reading.GetAwaiter().GetResult(), Path.GetFileName(command.Program));
        }
        finally
        {
            File.Delete(input);
        }
    }

    internal static QemuFailure FromDebugger(string signal, string said, string program)
    {
        var received = SignalLine().Match(said);
        var kind = received.Success ? received.Groups["name"].Value : signal;
        // Where each file begins, and what it covers.
        var starts = new Dictionary<string, ulong>(StringComparer.Ordinal);
        List<(ulong Start, ulong End, string File)> mappings = [];
        foreach (Match mapping in Mapping().Matches(said))
        {
            var file = Path.GetFileName(mapping.Groups["file"].Value);
            mappings.Add((Number(mapping.Groups["start"].Value), Number(mapping.Groups["end"].Value), file));
            starts.TryAdd(file, mappings[^1].Start);
        }
        List<string> places = [];
        foreach (Match frame in Frame().Matches(said))
        {
            var address = frame.Groups["address"].Success ? Number(frame.Groups["address"].Value) : 0;
            var file = mappings.FirstOrDefault(mapping => address >= mapping.Start && address < mapping.End).File;
            // What a fault goes through on its way is the same for all.
            if (file is null || file.StartsWith("libc.", StringComparison.Ordinal) || file.StartsWith("libglib", StringComparison.Ordinal))
                continue;
            // Where gdb knows no name it prints question marks, or nothing.
            var place = frame.Groups["function"].Value is var function && function is not ("" or "??" or "in") ? function : $"+0x{address - starts[file]:x}";
            places.Add(file == program ? place : $"{file} {place}");
        }
        // Recursion repeats a few places for ever: its bottom is the same each time, its top is not.
        var bucket = $"{kind} {program} {string.Join(" < ", places.Take(PlacesInBucket))}";
        // current_cpu is a variable of the thread, far below its block.
        return new QemuFailure(bucket, Shortened(said), CurrentCpu().IsMatch(said));
    }

    private static string Shortened(string report) => report.Length > LongestReport ? report[..LongestReport] : report;

    private static ulong Number(string text) => ulong.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    // GCC tells a function's name, Clang its type and parameters as well. Headers come with the folder that they were compiled in.
    [GeneratedRegex(@"(?:/\S*/(?=include/)|(?:\.{1,2}/)*)(?<file>[\w./-]+):\d+: (?:[^:()]*?[ *])?(?<function>[\w.]+)(?:\([^()]*\))?: Assertion [`'](?<what>.*)' failed")]
    private static partial Regex Assertion();

    [GeneratedRegex(@"ERROR:(?:\.\./)*(?<file>[\w./-]+):\d+:(?<function>\w+): (?<what>.*)")]
    private static partial Regex GlibAssertion();

    [GeneratedRegex(@"0x[0-9a-fA-F]+|\b[0-9a-f]{6,}\b|\d+")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"received signal (?<name>SIG\w+)")]
    private static partial Regex SignalLine();

    [GeneratedRegex(@"^#\d+ +(?:(?<address>0x[0-9a-f]+) in )?(?<function>\S*) ?\(", RegexOptions.Multiline)]
    private static partial Regex Frame();

    [GeneratedRegex(@"^ +(?<start>0x[0-9a-f]+) +(?<end>0x[0-9a-f]+) +0x\S+ +0x\S+ +(?:\S+ +)?(?<file>/\S+)$", RegexOptions.Multiline)]
    private static partial Regex Mapping();

    [GeneratedRegex(@"%fs:0xfffffffffffff")]
    private static partial Regex CurrentCpu();
}
