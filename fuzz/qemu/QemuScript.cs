using System.Diagnostics;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>A program as a script of qtest, played on a fresh process as a person would play it: from standard input.</summary>
public static class QemuScript
{
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(40), Symbolizing = TimeSpan.FromSeconds(60);

    /// <summary>One command a line; a configuration access is two, by ports.</summary>
    public static string From(IEnumerable<Operation> program) =>
        string.Concat(program.Where(static operation => QemuProcess.IsCommand(operation)).SelectMany(static operation => QtestScript.Lines(operation)).Select(static line => $"{line}\n"));

    /// <summary>Status and standard error when the process ended by itself; null when it outlived the script.</summary>
    /// <param name="symbolize">A sanitizer's report has names of functions.</param>
    public static (int Status, string Errors)? Play(QemuCommand command, string script, bool symbolize = false)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-qemu-").FullName;
        try
        {
            var (firmware, input, errors) = (Path.Combine(folder, "hlt.bin"), Path.Combine(folder, "script"), Path.Combine(folder, "errors"));
            File.WriteAllBytes(firmware, QtestMachine.Firmware);
            File.WriteAllText(input, script);
            var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" <\"$SCRIPT\" 2>\"$ERRORS\"", command.Program, .. command.Arguments(firmware), "-qtest", "stdio", "-qtest-log", "none"])
            {
                RedirectStandardOutput = true,
            };
            start.Environment["ERRORS"] = errors;
            start.Environment["SCRIPT"] = input;
            foreach (var (name, value) in SanitizerReport.Variables(symbolize))
                start.Environment[name] = value;
            using var process = Process.Start(start) ?? throw new IOException("starting /bin/sh: it did not start");
            try
            {
                var expected = script.Count(letter => letter == '\n');
                var reading = Task.Run(() =>
                {
                    while (expected > 0 && process.StandardOutput.ReadLine() is { } line)
                        expected -= line.StartsWith("OK", StringComparison.Ordinal) || line.StartsWith("FAIL", StringComparison.Ordinal) ? 1 : 0;
                });
                reading.Wait(LongestRun);
                // What the last command started ends a little later.
                return process.WaitForExit(symbolize ? Symbolizing : QtestMachine.Settling) ? (process.ExitCode, File.ReadAllText(errors)) : null;
            }
            finally
            {
                if (!process.HasExited)
                    process.Kill();
                process.WaitForExit();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
