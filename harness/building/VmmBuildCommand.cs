using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Gauntlet.Guests.Sources;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Building;

/// <summary><c>gauntlet vmm build</c>: VMMs from sources at revisions.</summary>
public static class VmmBuildCommand
{
    public static Command Create(Output output)
    {
        var vmms = new Argument<string[]>("vmm") { Description = "gvmm@REV, gvmm@dirty, qemu@/path[:REV]; a path alone is its files as they are; gvmm or qemu with --source", Arity = ArgumentArity.OneOrMore };
        var arch = new Option<string>("--arch") { Description = "Architecture of the guests, for QEMU", DefaultValueFactory = _ => "x86_64" };
        var folder = new Option<string?>("--source") { Description = "Folder of the sources, a git checkout or not, built as they are", HelpName = "DIR" };
        var sanitizers = new Option<string[]>("--sanitizers", "--sanitizer") { Description = "For QEMU: address, undefined, …", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
        var coverage = new Option<bool>("--coverage") { Description = "For QEMU: count edges for `gauntlet fuzz run qemu --qemu PROGRAM`, with AFL++'s compiler" };
        var configure = new Option<string[]>("--configure") { Description = "For QEMU: a further argument of configure; may be given again", HelpName = "ARG", DefaultValueFactory = _ => [] };
        var contained = new Option<bool>("--self-contained") { Description = "For gvmm: with the .NET runtime, for a guest that has none" };
        var command = new Command("build", "Build VMMs from their sources at revisions; what is built once is kept, beside all others") { vmms, folder, arch, sanitizers, coverage, configure, contained };
        command.SetAction(async (parsed, cancellation) =>
        {
            var qemu = new QemuOptions
            {
                Targets = [$"{parsed.GetValue(arch)}-softmmu"],
                Sanitizers = [.. parsed.GetValue(sanitizers)!.SelectMany(text => text.Split(','))],
                Coverage = parsed.GetValue(coverage),
                Further = parsed.GetValue(configure)!,
            };
            foreach (var name in parsed.GetValue(vmms)!)
            {
                var words = name.Split('@', 2);
                if (words.Length > 1 && parsed.GetValue(folder) is not null)
                    throw new UserException($"'{name}' names sources, and --source others; give one of them.");
                var version = words.Length > 1 ? words[1] : parsed.GetValue(folder) is { } given ? Path.GetFullPath(given) : "dirty";
                var (source, revision) = VmmSource.Of(words[0], version, null, qemu)
                    ?? throw new UserException($"'{name}' names no sources; give gvmm@REV, qemu@/path/of/a/checkout:REV, or --source DIR.");
                if (source is GvmmSource gvmm)
                    source = gvmm with { SelfContained = parsed.GetValue(contained) };
                var start = Stopwatch.GetTimestamp();
                var (program, built) = await source.BuildAsync(revision, parsed.GetValue(arch)!, BuildCache.ForUser(), cancellation);
                output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {built} in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s: {program}"));
            }
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet vmm build gvmm@HEAD~3 gvmm@dirty", "two builds, side by side")
            .WithExample("gauntlet vmm build qemu@$HOME/qemu:v9.1.0 --sanitizers address undefined", "QEMU with sanitizers")
            .WithExample("gauntlet vmm build qemu --source $HOME/qemu-7.2 --coverage --sanitizer address", "QEMU for fuzzing with coverage")
            .WithExample("gauntlet run --vmm gvmm@HEAD~3,gvmm@HEAD --suite cpu", "builds what is missing, and runs both");
    }
}
