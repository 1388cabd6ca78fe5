using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Gauntlet.Vmm.Bench.Startup;

/// <summary>
/// From spawn to the guest's first console byte and to the process' end: for gvmm with the least guest there is, whose first instructions print; for gvmm and
/// QEMU with the same small suite. VMMs take turns, so that a busy host hurts them alike. Then what a gvmm takes besides time.
/// </summary>
internal static class StartupBench
{
    private const int DefaultRounds = 15;
    internal const int GuestPassed = 1;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private sealed record Subject(string Name, string Program, string[] Arguments)
    {
        public List<double> FirstByteMs { get; } = [];

        public List<double> EndMs { get; } = [];
    }

    public static int Run(string[] arguments)
    {
        var rounds = DefaultRounds;
        if (arguments.Length > 1 || (arguments.Length == 1 && (!int.TryParse(arguments[0], CultureInfo.InvariantCulture, out rounds) || rounds < 1)))
        {
            Console.Error.WriteLine("usage: vmm/bench/run startup [ROUNDS]");
            return 2;
        }
        if (Programs.FindRoot() is not { } root)
        {
            Console.Error.WriteLine("startup: run it inside the repository: the guest is guests/prebuilt/x86_64/smoke.elf");
            return 3;
        }
        var guest = Path.Combine(root, "guests/prebuilt/x86_64/smoke.elf");
        if (Programs.Gvmm("startup") is not { } gvmm)
            return 3;
        using var flat = new FlatGuest(ends: true);
        var subjects = new List<Subject>();
        string[] accels = File.Exists("/dev/kvm") ? ["kvm", "tcg"] : ["tcg"];
        foreach (var accel in accels)
        {
            subjects.Add(new Subject($"gvmm-flat {accel}", gvmm, Footprint.Arguments(accel, flat.Path, "stdio")));
            subjects.Add(NewSubject($"gvmm {accel}", gvmm, "pc", accel, guest));
            subjects.Add(NewSubject($"qemu {accel} microvm", "qemu-system-x86_64", "microvm", accel, guest));
            subjects.Add(NewSubject($"qemu {accel} pc", "qemu-system-x86_64", "pc", accel, guest));
        }
        // The first round fills the caches and finds out who can run at all.
        subjects.RemoveAll(subject => !Measure(subject, keep: false));
        for (var round = 0; round < rounds; round++)
        {
            foreach (var subject in subjects)
                Measure(subject, keep: true);
        }
        Console.WriteLine($"{"",-20} {"first byte ms (min/median)",28} {"end ms (min/median)",24} {"to gvmm",8}");
        foreach (var subject in subjects)
        {
            var own = subject.Name.StartsWith("gvmm-flat ", StringComparison.Ordinal) ? null : subjects.Find(other => other.Name == string.Join(' ', "gvmm", subject.Name.Split(' ')[1]));
            var ratio = own is { EndMs.Count: > 0 } && subject.EndMs.Count > 0 ? Median(subject.EndMs) / Median(own.EndMs) : double.NaN;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{subject.Name,-20} {Both(subject.FirstByteMs),28} {Both(subject.EndMs),24} {(double.IsNaN(ratio) ? "-" : ratio.ToString("0.00", CultureInfo.InvariantCulture)),8}"));
        }
        foreach (var accel in accels)
        {
            if (subjects.Exists(subject => subject.Name == $"gvmm-flat {accel}"))
                Footprint.Report(gvmm, accel);
        }
        return subjects.Count > 0 ? 0 : 3;
    }

    private static Subject NewSubject(string name, string program, string machine, string accel, string guest) => new(name, program,
        ["-no-reboot", "-nodefaults", "-machine", machine, "-accel", accel, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
            "-display", "none", "-serial", "stdio", "-kernel", guest]);

    // False when it cannot run this guest here, and says why once.
    private static bool Measure(Subject subject, bool keep)
    {
        var start = new ProcessStartInfo(subject.Program, subject.Arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            var began = Stopwatch.GetTimestamp();
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var errors = process.StandardError.ReadToEndAsync();
            var first = process.StandardOutput.BaseStream.ReadByte() >= 0 ? Stopwatch.GetElapsedTime(began) : TimeSpan.Zero;
            process.StandardOutput.ReadToEnd();
            if (!process.WaitForExit(Limit))
                process.Kill();
            var end = Stopwatch.GetElapsedTime(began);
            if (process.ExitCode != GuestPassed || first == TimeSpan.Zero)
            {
                Console.Error.WriteLine($"{subject.Name}: left out, status {process.ExitCode}: {errors.Result.Split('\n')[0]}");
                return false;
            }
            if (keep)
            {
                subject.FirstByteMs.Add(first.TotalMilliseconds);
                subject.EndMs.Add(end.TotalMilliseconds);
            }
            return true;
        }
        catch (Win32Exception why)
        {
            Console.Error.WriteLine($"{subject.Name}: left out: {why.Message}");
            return false;
        }
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static string Both(List<double> values) =>
        values.Count == 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{values.Min():0.0} / {Median(values):0.0}");
}
