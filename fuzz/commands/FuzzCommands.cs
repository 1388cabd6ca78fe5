using System.CommandLine;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz</c>.</summary>
public sealed class FuzzCommands : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        yield return new Command("fuzz", "Fuzz device models and parsers, guided by coverage")
        {
            List(output), Run(output), Smoke(output), TriageCommands.Triage(output), TriageCommands.Show(output), TriageCommands.Repro(output), TriageCommands.Minimize(output), FuzzBisect.Create(output),
            CampaignCommands.Campaign(output), CampaignCommands.Report(output), DivergeCommand.Create(output),
            CorpusCommands.CMin(output), CorpusCommands.Merge(output), CorpusCommands.Export(output), CorpusCommands.Import(output), Afl(),
        };
    }

    private static Command List(Output output)
    {
        var command = new Command("list", "The targets that can be fuzzed in process");
        command.SetAction(_ =>
        {
            foreach (var entry in TargetCatalogue.All)
                output.Out.WriteLine($"{entry.Name,-16} {entry.Does}");
            output.Out.WriteLine($"{"qemu:DEVICE",-16} a device of an installed QEMU, over qtest; `qemu` alone for {QemuDeviceList.Default.Count} usual ones");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz list", "names for the other commands");
    }

    private static Command Run(Output output)
    {
        var target = TargetArgument();
        var folder = new Option<string?>("--output") { Description = "Directory in AFL's layout, gone on from when it is there; default fuzz-out/TARGET" };
        var time = new Option<string?>("--time") { Description = "How long: 30s, 10m, 8h; default until interrupted" };
        var execs = new Option<long?>("--execs") { Description = "How many runs" };
        var seed = SeedOption();
        var machine = new Option<string?>("--machine") { Description = "Of QEMU, for qemu:DEVICE; default q35" };
        var qemu = new Option<string>("--qemu") { Description = "QEMU's program, or qemu@DIR: built from sources with coverage and AddressSanitizer, once", DefaultValueFactory = _ => "qemu-system-x86_64" };
        var plain = new Option<string>("--plain") { Description = "QEMU without instrumentation: what an instrumented one finds counts when this dies of it too", DefaultValueFactory = _ => "qemu-system-x86_64" };
        var jobs = new Option<int?>("--jobs") { Description = "Processes at the same time, sharing what they find; default 1, for qemu one a CPU" };
        var schedule = new Option<string?>("--schedule")
        {
            Description = $"How many mutations an input of the corpus has in its turn: explore (as AFL++), fast (AFLFast: more where few runs went), rare (more for the rarest edges); default {Name(Corpus.UsualSchedule)}, of several jobs each another",
        };
        schedule.AcceptOnlyFromAmong([.. Enum.GetValues<PowerSchedule>().Select(Name)]);
        var command = new Command("run", "Fuzz one target; exit code 1 when a crash or hang is in the directory") { target, folder, time, execs, seed, machine, qemu, plain, jobs, schedule };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (QemuRun.IsFor(parsed.GetValue(target)!))
            {
                if (parsed.GetValue(schedule) is not null)
                    throw new UserException("--schedule is for targets in process: programs for QEMU's devices have no energy");
                var binary = await QemuBinary.FindAsync(parsed.GetValue(qemu)!, parsed.GetValue(plain)!, cancellation);
                return QemuRun.Run(output, parsed.GetValue(target)!, binary, parsed.GetValue(machine), parsed.GetValue(folder), Duration(parsed.GetValue(time)),
                    Math.Max(parsed.GetValue(jobs) ?? Environment.ProcessorCount, 1), parsed.GetValue(seed), cancellation);
            }
            var name = Known(parsed.GetValue(target)!);
            var path = parsed.GetValue(folder) ?? Path.Combine("fuzz-out", name);
            var request = new FuzzRequest(name, path) { Seed = parsed.GetValue(seed), Time = Duration(parsed.GetValue(time)), Execs = parsed.GetValue(execs), Jobs = Math.Max(parsed.GetValue(jobs) ?? 1, 1), Schedule = parsed.GetValue(schedule) is { } power ? Enum.Parse<PowerSchedule>(power, ignoreCase: true) : null };
            var last = await FuzzSession.RunAsync(request, progress => Show(output, name, progress), cancellation);
            if (output.Live)
                output.Error.WriteLine();
            output.Out.WriteLine($"{Line(name, last)}; in {path}");
            return last.Crashes + last.Hangs == 0 ? ExitCode.Success : ExitCode.Failure;
        });
        return command
            .WithExample("gauntlet fuzz run isa-serial --time 60s", "one device for a minute")
            .WithExample("gauntlet fuzz run qemu:virtio-blk-pci --machine q35 --time 30m", "a device of QEMU, over qtest")
            .WithExample("gauntlet fuzz run qemu --time 30m --jobs 2", "QEMU's usual devices, the time shared among them")
            .WithExample("gauntlet fuzz run qemu --qemu qemu@$HOME/qemu-7.2 --time 30m", "the same, guided by coverage and with AddressSanitizer")
            .WithExample("gauntlet fuzz run pc --jobs 2 --time 8h", "two processes that share a corpus")
            .WithExample("gauntlet fuzz run ahci --schedule fast --time 10m", "more of the time where few runs went")
            .WithExample("gauntlet fuzz run pc --execs 100000 --seed 7 --output pc-7", "the same run every time, in a new directory");
    }

    private static Command Smoke(Output output)
    {
        var time = new Option<string>("--time") { Description = "For each target", DefaultValueFactory = _ => "5s" };
        var jobs = new Option<int>("--jobs") { Description = "Targets at the same time; default one a CPU", DefaultValueFactory = _ => Environment.ProcessorCount };
        var seed = SeedOption();
        var command = new Command("smoke", "Fuzz every target for a few seconds; exit code 1 when one fails") { time, jobs, seed };
        command.SetAction(async (parsed, cancellation) =>
        {
            var folder = Directory.CreateTempSubdirectory("gauntlet-smoke-").FullName;
            var (failed, gate) = (false, new Lock());
            var limits = new ParallelOptions { MaxDegreeOfParallelism = Math.Max(parsed.GetValue(jobs), 1), CancellationToken = cancellation };
            await Parallel.ForEachAsync(TargetCatalogue.All, limits, async (entry, cancelled) =>
            {
                var path = Path.Combine(folder, entry.Name);
                var request = new FuzzRequest(entry.Name, path) { Seed = parsed.GetValue(seed), Time = Duration(parsed.GetValue(time)) };
                var last = await FuzzSession.RunAsync(request, static _ => { }, cancelled);
                var bad = last.Crashes + last.Hangs > 0;
                lock (gate)
                {
                    failed |= bad;
                    output.Out.WriteLine($"{(bad ? "FAIL" : "ok  ")} {Line(entry.Name, last)}{(bad ? $"; in {path}" : "")}");
                }
            });
            if (!failed)
                Directory.Delete(folder, recursive: true);
            return failed ? ExitCode.Failure : ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz smoke --time 2s", "all targets, two seconds each");
    }

    private static Command Afl()
    {
        var target = TargetArgument();
        var command = new Command("afl", "Let afl-fuzz drive a target: what it starts, with its handshake and its shared memory") { target };
        command.SetAction(parsed => AflServer.Serve(parsed.GetValue(target)!));
        return command.WithExample("AFL_SKIP_BIN_CHECK=1 afl-fuzz -i seeds -o out -- gauntlet fuzz afl isa-serial", "AFL++ on the UART");
    }

    private static Argument<string> TargetArgument() => new("target") { Description = "As `gauntlet fuzz list` names it" };

    private static string Name(PowerSchedule schedule) => schedule.ToString().ToLowerInvariant();

    private static Option<ulong> SeedOption() => new("--seed") { Description = "Of all that is random", DefaultValueFactory = _ => 1 };

    // Told before a worker is made ready for it.
    private static string Known(string name)
    {
        using var target = TargetCatalogue.Create(name);
        return name;
    }

    private static TimeSpan? Duration(string? text) => text is null ? null
        : DurationText.TryParse(text, out var duration) ? duration
        : throw new UserException($"--time {text}: a number with s, m, h or d is expected, as in 30s");

    private static string Line(string name, in FuzzProgress at) =>
        $"{name,-16} {at.Execs,10} runs {at.ExecsPerSecond,8}/s {at.Edges,6}/{at.EdgesTotal} edges {at.Corpus,5} corpus {at.Crashes,3} crashes {at.Hangs,3} hangs";

    private static void Show(Output output, string name, in FuzzProgress at)
    {
        if (output.Live)
            output.Error.Write($"\r\u001b[K{Line(name, at)}");
        else
            output.Error.WriteLine(Line(name, at));
    }
}
