using System.CommandLine;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Results.Reports;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz triage</c>, <c>show</c>, <c>repro</c> and <c>minimize</c>: what was found. Inputs run in a process of their own, which they may end.</summary>
internal static class TriageCommands
{
    private const int MostProgramLines = 200;

    public static Command Triage(Output output)
    {
        var target = TargetArgument();
        var folder = new Argument<string>("directory") { Description = "What `gauntlet fuzz run` wrote" };
        var command = new Command("triage", $"Crashes and hangs by bucket, each tried three times and minimised, with regression tests, of machines ({BoardCase.Targets}) also as a suite; exit code 1 when there are any") { target, folder };
        command.SetAction(parsed =>
        {
            var (name, path) = (parsed.GetValue(target)!, parsed.GetValue(folder)!);
            if (!Directory.Exists(path))
                throw new UserException($"triage: there is no directory {path}");
            if (OutputDirectory.Parts(path).Count == 0)
                throw new UserException($"triage: {path} has no queue, nor has a directory in it: name what `gauntlet fuzz run` wrote; `gauntlet fuzz show` also takes a campaign's directory");
            using var made = TargetCatalogue.Create(name);
            var found = FoundFailures.OfRun(path);
            for (var number = 0; number < found.Count; number++)
            {
                var triaged = TriagedBucket.Write(made, name, found[number], number);
                var failure = found[number] with { Mark = triaged.Mark };
                output.Out.WriteLine(Row(number, failure));
                output.Out.WriteLine($"      gauntlet fuzz repro {ShellCommand.Quote(name)} {ShellCommand.Quote(triaged.Input)}");
                foreach (var written in triaged.Files)
                    output.Out.WriteLine($"      {written}");
                // What comes at times is no case for a gate.
                if (triaged.Mark == FailureMark.Confirmed && triaged.Files.FirstOrDefault(static file => file.EndsWith(".qtest", StringComparison.Ordinal)) is { } script
                    && BoardCase.Keep(name, triaged.Signature, script) is { } kept)
                    output.Out.WriteLine($"      {kept}");
            }
            return found.Count == 0 ? ExitCode.Success : ExitCode.Failure;
        });
        return command
            .WithExample("gauntlet fuzz triage isa-serial fuzz-out/isa-serial", "buckets of a night, smallest inputs, tests")
            .WithExample("gauntlet fuzz triage pc fuzz-out/pc", "the same of a machine; then gauntlet run --suite fuzz-out/pc/triage/suite.yaml");
    }

    public static Command Show(Output output)
    {
        var folder = new Argument<string>("directory") { Description = "What `gauntlet fuzz run` or `campaign` wrote, for gvmm or for QEMU" };
        var bucket = new Argument<int?>("bucket") { Description = "Number in the table: its report, its program, its tests, the command that shows it again", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("show", "What fuzzing found, from its directory alone") { folder, bucket };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(folder)!;
            var found = FoundFailures.Read(path);
            if (parsed.GetValue(bucket) is { } number)
            {
                if ((uint)number >= (uint)found.Count)
                    throw new UserException(found.Count == 0 ? $"show: {path} has no bucket: nothing was found" : $"show: {path} has no bucket {number}, they go from 0 to {found.Count - 1}");
                One(output.Out, found[number]);
                return ExitCode.Success;
            }
            if (found.Count == 0)
                output.Out.WriteLine("nothing was found");
            else
                output.Out.WriteLine($"{"",4}  {"first seen",-16} {"after",9} {"count",7}  {"mark",-9} {"target",-16} signature");
            for (var i = 0; i < found.Count; i++)
                output.Out.WriteLine(Row(i, found[i]));
            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet fuzz show fuzz-out/nightly", "a campaign's buckets, each with its number")
            .WithExample("gauntlet fuzz show fuzz-out/nightly 3", "all that is kept of one");
    }

    public static Command Repro(Output output)
    {
        var (target, input) = (TargetArgument(), InputArgument());
        var command = new Command("repro", "Run one input again, each operation with its reply; exit code 1 when it fails") { target, input };
        command.SetAction(parsed =>
        {
            var name = parsed.GetValue(target)!;
            using var made = TargetCatalogue.Create(name);
            var bytes = Replay.Load(parsed.GetValue(input)!, made.Grammar);
            using var process = new ReplayProcess(name);
            var finding = process.Run(bytes, output.Out.WriteLine);
            output.Out.WriteLine(finding is null ? "nothing is wrong" : Harmless.Lines($"{finding.Bucket}\n{finding.Report}"));
            return finding is null ? ExitCode.Success : ExitCode.Failure;
        });
        return command.WithExample("gauntlet fuzz repro isa-serial fuzz-out/isa-serial/crashes/id:000000,time:4210,execs:90000", "a crash that a run found");
    }

    public static Command Minimize(Output output)
    {
        var (target, input) = (TargetArgument(), InputArgument());
        var command = new Command("minimize", "The smallest input that fails in the same way, with its regression tests beside it") { target, input };
        command.SetAction(parsed =>
        {
            var (name, path) = (parsed.GetValue(target)!, parsed.GetValue(input)!);
            using var made = TargetCatalogue.Create(name);
            var bytes = Replay.Load(path, made.Grammar);
            using var process = new ReplayProcess(name);
            var finding = process.Run(bytes) ?? throw new UserException($"minimizing {path}: it does not fail on {name}");
            foreach (var written in Regression.Write(path + ".min", name, TriagedBucket.Smallest(process, made, bytes, finding), made.Grammar, finding))
                output.Out.WriteLine(written);
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz minimize isa-serial fuzz-out/isa-serial/crashes/id:000000,time:4210,execs:90000", "what is left is in files beside it");
    }

    private static string Row(int number, FoundFailure failure) => string.Create(CultureInfo.InvariantCulture,
        $"{number,4}  {failure.SeenUtc:yyyy-MM-dd HH:mm} {After(failure),9} {failure.Count,7}  {failure.MarkWord,-9} {failure.Target,-16} {Harmless.Line(failure.Signature)}");

    private static void One(TextWriter to, FoundFailure failure)
    {
        to.WriteLine(Harmless.Line(failure.Signature));
        to.WriteLine($"target      {failure.Target}");
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"first seen  {failure.SeenUtc:yyyy-MM-dd HH:mm:ss} UTC, after {After(failure)} of fuzzing"));
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"count       {failure.Count}"));
        to.WriteLine($"mark        {Explained(failure)}");
        foreach (var path in failure.Inputs)
            to.WriteLine($"input       {path}");
        foreach (var path in failure.Files)
            to.WriteLine($"kept        {path}");
        if (failure.Command is { } command)
            to.WriteLine($"again       {command}");
        if (failure.Files.FirstOrDefault(static path => path.EndsWith(".program", StringComparison.Ordinal)) is { } program)
            to.WriteLine($"\n{Program(program)}");
        if (failure.Report.Length > 0)
            to.WriteLine($"\n{Harmless.Lines(failure.Report)}");
    }

    private static string After(FoundFailure failure) => failure.After switch
    {
        null => "-",
        { TotalMinutes: < 1 } after => string.Create(CultureInfo.InvariantCulture, $"{after.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } after => string.Create(CultureInfo.InvariantCulture, $"{(int)after.TotalMinutes}:{after.Seconds:d2} min"),
        { } after => string.Create(CultureInfo.InvariantCulture, $"{(int)after.TotalHours}:{after.Minutes:d2} h"),
    };

    private static string Explained(FoundFailure failure) => failure.Mark switch
    {
        FailureMark.Confirmed => "confirmed: it comes three times of three, each on a fresh process",
        FailureMark.Flaky => "flaky: it comes, but not every time of three on a fresh process",
        FailureMark.Gone => "gone: it does not come on a fresh process (fixed, or only after what ran before it)",
        FailureMark.Artefact => "artefact: only the harness brings it about, no guest",
        FailureMark.OnlySanitizer => "sanitizer: only a build with AddressSanitizer ends",
        _ when failure.Command is null => "not tried again",
        _ => $"not tried again yet: gauntlet fuzz triage {ShellCommand.Quote(failure.Target)} {ShellCommand.Quote(failure.Run)}",
    };

    private static string Program(string path)
    {
        var lines = File.ReadLines(path).Take(MostProgramLines + 1).ToList();
        return Harmless.Lines(string.Join('\n', lines.Take(MostProgramLines))) + (lines.Count > MostProgramLines ? $"\n# more of it is in {path}" : "");
    }

    private static Argument<string> TargetArgument() => new("target") { Description = "As `gauntlet fuzz list` names it" };

    private static Argument<string> InputArgument() => new("input") { Description = "A file of the queue or the crashes, or a device program as text" };
}
