using System.CommandLine;
using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Fuzz.Worker;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Commands;

/// <summary><c>gauntlet fuzz cmin</c>, <c>merge</c>, <c>export</c> and <c>import</c>.</summary>
internal static class CorpusCommands
{
    public static Command CMin(Output output)
    {
        var (target, from, to) = (Target(), Directory("corpus", "What `gauntlet fuzz run` wrote, or a folder of inputs"), Directory("to", "A new directory; its queue gets them"));
        var command = new Command("cmin", "Few inputs of a corpus that hit all that it hits") { target, from, to };
        command.SetAction(async (parsed, cancellation) =>
        {
            var (name, into) = (Known(parsed.GetValue(target)!), parsed.GetValue(to)!);
            if (System.IO.Directory.Exists(into) && CorpusTools.Inputs(into).Count > 0)
                throw new UserException($"cmin: {into} has inputs already; `gauntlet fuzz merge` adds to a corpus");
            var inputs = CorpusTools.Inputs(parsed.GetValue(from)!);
            var (chosen, covered, failed) = await CorpusTools.DistilAsync(name, [], inputs, cancellation);
            Add(into, chosen);
            output.Out.WriteLine($"{chosen.Count} of {inputs.Count} inputs hit all {covered} edges and counts{Failed(failed)}; in {into}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz cmin pc fuzz-out/pc small/pc", "a corpus that is quick to go on from");
    }

    public static Command Merge(Output output)
    {
        var (target, into) = (Target(), Directory("into", "What `gauntlet fuzz run` wrote; its queue grows"));
        var from = new Argument<string[]>("corpus") { Description = "Directories to take from", Arity = ArgumentArity.OneOrMore };
        var command = new Command("merge", "Add what other corpora hit and one does not") { target, into, from };
        command.SetAction(async (parsed, cancellation) =>
        {
            var (name, path) = (Known(parsed.GetValue(target)!), parsed.GetValue(into)!);
            var taken = System.IO.Directory.Exists(path) ? CorpusTools.Inputs(path) : [];
            var candidates = parsed.GetValue(from)!.SelectMany(CorpusTools.Inputs).ToList();
            var (chosen, covered, failed) = await CorpusTools.DistilAsync(name, taken, candidates, cancellation);
            Add(path, chosen);
            output.Out.WriteLine($"{chosen.Count} of {candidates.Count} inputs added to {taken.Count}, {covered} edges and counts{Failed(failed)}; in {path}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz merge pc fuzz-out/pc other-host/pc", "what another host found");
    }

    public static Command Export(Output output)
    {
        var (target, from, to) = (Target(), new Argument<string>("inputs") { Description = "A file, a folder of inputs, or what `gauntlet fuzz run` wrote" }, Directory("to", "Folder for the files"));
        var form = new Option<string>("--form") { Description = $"text: device programs; qtest: scripts; shell: one command for a bug report; csharp: xunit tests; suite: scripts and suite.yaml, of the machines {BoardCase.Targets}", DefaultValueFactory = _ => "text" };
        form.AcceptOnlyFromAmong("text", "qtest", "shell", "csharp", "suite");
        var command = new Command("export", "Write inputs as text, qtest scripts, shell commands, tests or a suite") { target, from, to, form };
        command.SetAction(parsed =>
        {
            var (name, path, folder) = (parsed.GetValue(target)!, parsed.GetValue(from)!, parsed.GetValue(to)!);
            using var made = TargetCatalogue.Create(name);
            var files = File.Exists(path) ? [path] : CorpusTools.Inputs(path);
            System.IO.Directory.CreateDirectory(folder);
            var written = files.Count(file => Write(made, name, file, Path.Combine(folder, Path.GetFileName(file).Replace(':', '-')), parsed.GetValue(form)!));
            if (written < files.Count)
                output.Out.WriteLine($"{files.Count - written} inputs have no operation that qtest has, and are left out");
            output.Out.WriteLine($"{written} inputs of {name} as {parsed.GetValue(form)}; in {folder}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz export isa-serial fuzz-out/isa-serial scripts --form qtest", "a corpus for QEMU")
            .WithExample("gauntlet fuzz export pc fuzz-out/pc/crashes/id:000000 found --form suite", "a case for gauntlet run --suite found/suite.yaml");
    }

    public static Command Import(Output output)
    {
        var (target, into) = (Target(), Directory("into", "A directory of `gauntlet fuzz run`, or a new one; its queue grows"));
        var files = new Argument<string[]>("files") { Description = "qtest scripts and logs (.qtest, .log), device programs as text, or inputs as they are", Arity = ArgumentArity.OneOrMore };
        var command = new Command("import", "Begin a corpus with scripts and inputs from elsewhere") { target, into, files };
        command.SetAction(parsed =>
        {
            using var made = TargetCatalogue.Create(parsed.GetValue(target)!);
            var corpus = new OutputDirectory(parsed.GetValue(into)!);
            foreach (var file in parsed.GetValue(files)!)
                corpus.AddQueue(Load(made, file));
            output.Out.WriteLine($"{parsed.GetValue(files)!.Length} inputs added; in {parsed.GetValue(into)}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet fuzz import isa-serial fuzz-out/isa-serial boot.qtest", "what a driver does, as a seed");
    }

    private static byte[] Load(IFuzzTarget target, string file)
    {
        if (target.Grammar is not { } grammar || Path.GetExtension(file) is not (".qtest" or ".log"))
            return Replay.Load(file, target.Grammar);
        try
        {
            return ProgramBytes.Encode(QtestScript.Import(File.ReadAllText(file)), grammar);
        }
        catch (ProgramFormatException exception)
        {
            throw new UserException($"reading the qtest script {file}: {exception.Message}", inner: exception);
        }
        catch (IOException exception)
        {
            throw new UserException($"reading the qtest script {file}: {exception.Message}", inner: exception);
        }
    }

    // False where nothing of it can be written in that form.
    private static bool Write(IFuzzTarget target, string name, string file, string stem, string form)
    {
        var input = Replay.Load(file, target.Grammar);
        if (target.Grammar is not { } grammar)
        {
            if (form != "csharp")
                throw new UserException($"export: inputs of {name} are plain bytes, which only --form csharp can write");
            File.WriteAllText($"{stem}.cs", Regression.Test(name, "kept", input, null));
            return true;
        }
        var program = ProgramBytes.Decode(input, grammar);
        switch (form)
        {
            case "qtest":
                File.WriteAllText($"{stem}.qtest", QtestScript.From(program).Text);
                break;
            case "suite":
                var script = Path.GetFileName(stem) + ".qtest";
                var found = BoardCase.For(name, Path.GetFileName(stem), script, $"{name}: {Path.GetFileName(file)}")
                    ?? throw new UserException($"export: {name} is a device alone, which no command line starts; --form suite is for {BoardCase.Targets}");
                var commands = QtestScript.From(program).Text;
                if (commands.Split('\n').All(line => line.Length == 0 || line[0] == '#'))
                    return false;
                File.WriteAllText($"{stem}.qtest", commands);
                SuiteFile.Add(Path.GetDirectoryName(stem)!, $"fuzz-{name}", "gvmm", found);
                break;
            case "shell":
                File.WriteAllText($"{stem}.sh", QtestScript.From(program, hasClockStep: false).ShellCommand("qemu-system-x86_64", "-machine pc"));
                break;
            case "csharp":
                File.WriteAllText($"{stem}.cs", Regression.Test(name, "kept", input, grammar));
                break;
            default:
                File.WriteAllText($"{stem}.program", ProgramText.Format(program), Encoding.UTF8);
                break;
        }

        return true;
    }

    private static void Add(string folder, IReadOnlyList<string> paths)
    {
        var corpus = new OutputDirectory(folder);
        foreach (var path in paths)
            corpus.AddQueue(File.ReadAllBytes(path));
    }

    private static string Failed(int count) => count == 0 ? "" : $"; {count} fail and are left out";

    private static string Known(string name)
    {
        TargetCatalogue.Create(name).Dispose();
        return name;
    }

    private static Argument<string> Target() => new("target") { Description = "As `gauntlet fuzz list` names it" };

    private static Argument<string> Directory(string name, string description) => new(name) { Description = description };
}
