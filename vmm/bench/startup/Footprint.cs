using System.Diagnostics;
using System.Globalization;

namespace Gauntlet.Vmm.Bench.Startup;

/// <summary>
/// What a gvmm takes besides time: the methods that the runtime still compiles until the trivial guest has ended, by name, since each is a tenth of a
/// millisecond and more that a change can bring back unseen; and the memory at its peak.
/// </summary>
internal static class Footprint
{
    private const string CompiledMark = "JIT compiled ";

    public static void Report(string gvmm, string accel)
    {
        var methods = CompiledMethods(gvmm, accel);
        Console.WriteLine();
        Console.WriteLine(methods is null
            ? $"gvmm {accel}: methods compiled at start are not counted: stdbuf (coreutils) is not there, or gvmm did not run"
            : $"gvmm {accel}: {methods.Count} methods compiled at start");
        foreach (var method in methods ?? [])
            Console.WriteLine($"  {method}");
        if (PeakKiB(gvmm, accel) is { } peak)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"gvmm {accel}: {peak / 1024.0:0.0} MiB resident at the peak, the little that the guest touches of its RAM included"));
    }

    public static string[] Arguments(string accel, string guest, string serial) =>
        ["-no-reboot", "-nodefaults", "-machine", "pc", "-accel", accel, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-display", "none", "-serial", serial, "-kernel", guest];

    // gvmm ends by _exit(2), which writes no buffers out: stdbuf makes the compiler's list go out line by line.
    private static List<string>? CompiledMethods(string gvmm, string accel)
    {
        using var guest = new FlatGuest(ends: true);
        var start = new ProcessStartInfo("/usr/bin/stdbuf", ["-oL", gvmm, .. Arguments(accel, guest.Path, "null")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (!File.Exists(start.FileName))
            return null;
        start.Environment["DOTNET_JitDisasmSummary"] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var methods = new List<string>();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            var at = line.IndexOf(CompiledMark, StringComparison.Ordinal);
            if (at >= 0)
                methods.Add(line[(at + CompiledMark.Length)..]);
        }
        process.WaitForExit();
        _ = errors.Result;
        return process.ExitCode == StartupBench.GuestPassed ? methods : null;
    }

    // Of a guest that halts after its line, so that there is somebody to ask.
    private static long? PeakKiB(string gvmm, string accel)
    {
        using var guest = new FlatGuest(ends: false);
        using var process = Process.Start(new ProcessStartInfo(gvmm, Arguments(accel, guest.Path, "stdio")) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        try
        {
            if (process.StandardOutput.BaseStream.ReadByte() < 0)
                return null;
            foreach (var line in File.ReadLines($"/proc/{process.Id}/status"))
            {
                if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                    return long.Parse(line.AsSpan(6, line.Length - 6 - 3).Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
            }
            return null;
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }
}
