using System.CommandLine;
using System.Diagnostics;
using Gauntlet.Fuzz.Diverge;
using Gauntlet.Harness.Drivers;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz diverge</c>.</summary>
internal static class DivergeCommand
{
    private const int DefaultPrograms = 100_000;
    private static readonly TimeSpan TellPeriod = TimeSpan.FromSeconds(10);

    public static Command Create(Output output)
    {
        var device = new Argument<string>("device") { Description = $"One of {string.Join(", ", DivergenceSubject.All.Select(subject => subject.Name))}; or all" };
        var programs = new Option<int>("--programs") { Description = "How many, of each device", DefaultValueFactory = _ => DefaultPrograms };
        var qemu = new Option<string>("--qemu") { Description = "QEMU's program", DefaultValueFactory = _ => "qemu-system-x86_64" };
        var seed = new Option<ulong>("--seed") { Description = "Of all that is random", DefaultValueFactory = _ => 1 };
        var allow = new Option<string?>("--allow") { Description = "YAML file of differences that may be, in the place of the one that comes with this program" };
        var folder = new Option<string?>("--output") { Description = "Where the shortest program of each difference is written; default fuzz-out/diverge" };
        var command = new Command("diverge", "Run the same programs on gvmm's device and on QEMU's; exit code 1 when answers differ that may not") { device, programs, qemu, seed, allow, folder };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            var path = ProgramFinder.InPath(parsed.GetValue(qemu)!)
                ?? throw new UserException($"diverge: {parsed.GetValue(qemu)} is no program in PATH: install it (Debian's package qemu-system-x86), or name one with --qemu", ExitCode.Environment);
            var name = parsed.GetValue(device)!;
            var subjects = name == "all" ? DivergenceSubject.All : [.. DivergenceSubject.All.Where(subject => subject.Name == name)];
            if (subjects.Count == 0)
                throw new UserException($"diverge: \"{name}\" is none of {string.Join(", ", DivergenceSubject.All.Select(subject => subject.Name))}");
            var allowed = parsed.GetValue(allow) is { } file ? AllowList.Load(file) : AllowList.Default();
            var to = parsed.GetValue(folder) ?? Path.Combine("fuzz-out", "diverge");
            var bad = false;
            foreach (var subject in subjects)
                bad |= Run(output, subject, path, allowed, parsed.GetValue(seed), parsed.GetValue(programs), to, cancellation);
            return bad ? ExitCode.Failure : ExitCode.Success;
        }, cancellation));
        return command
            .WithExample("gauntlet fuzz diverge isa-serial --programs 100000", "the UART of gvmm and of the installed QEMU")
            .WithExample("gauntlet fuzz diverge all --qemu ./qemu-system-x86_64", "every device that both have");
    }

    private static bool Run(Output output, DivergenceSubject subject, string qemu, IReadOnlyList<AllowedDifference> allowed, ulong seed, int programs, string folder, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        var told = TimeSpan.Zero;
        var disk = Path.Combine(Path.GetTempPath(), $"gauntlet-diverge-{Guid.NewGuid():n}");
        try
        {
            using var run = new Divergence(subject, qemu, disk, allowed, seed);
            while (run.Programs < programs && !cancellation.IsCancellationRequested)
            {
                run.Step();
                if (watch.Elapsed - told < TellPeriod)
                    continue;
                told = watch.Elapsed;
                output.Error.WriteLine(Line(subject, run, watch.Elapsed));
            }
            output.Out.WriteLine(Line(subject, run, watch.Elapsed));
            foreach (var (entry, times) in run.Uses.OrderBy(use => use.Key.Register, StringComparer.Ordinal))
                output.Out.WriteLine($"  allowed {times,8} times  {entry.Register} & 0x{entry.Mask:x}: {entry.Reason} ({entry.Section})");
            var number = 0;
            foreach (var found in run.Found.OrderByDescending(found => found.Count))
            {
                Directory.CreateDirectory(folder);
                var path = Path.Combine(folder, $"{subject.Name}-{number++:d3}.program");
                File.WriteAllText(path, run.Describe(found));
                output.Out.WriteLine($"  DIFFERS {found.Count,6} times  gvmm 0x{found.Reply.Gvmm:x}, QEMU 0x{found.Reply.Qemu:x}  {found.Signature}  {path}");
            }
            return run.Found.Count > 0;
        }
        finally
        {
            File.Delete(disk);
        }
    }

    private static string Line(DivergenceSubject subject, Divergence run, TimeSpan spent) =>
        $"{subject.Name,-12} {run.Programs,8} programs, {run.Compared} replies compared in {spent.TotalSeconds:0} s, {run.Dropped} operations left out; {run.Found.Count} differences"
        + (run.Deaths > 0 ? $"; QEMU died {run.Deaths} times" : "");
}
