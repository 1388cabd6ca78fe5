using System.CommandLine;
using System.Diagnostics;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Booting;

/// <summary><c>gauntlet boot</c>: a Linux guest, interactive, or measured to a marker.</summary>
public sealed class BootCommand : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        var options = new BootOptions();
        var command = new Command("boot", "Boot a Linux guest: interactive, or to a marker with a timeline, CPU time and memory.");
        options.AddTo(command);
        command.SetAction((line, cancellation) => RunAsync(line, options, output, cancellation));
        yield return command
            .WithExample("gauntlet boot", "Debian's kernel on QEMU, to user space and power-off, with the timeline")
            .WithExample("gauntlet boot --arch riscv64 --repeat 5", "medians of five boots")
            .WithExample("gauntlet boot --vmm qemu --vs gvmm --repeat 5 --instances 4", "two VMMs side by side, and the memory of four guests at once")
            .WithExample("gauntlet boot -i --arch aarch64", "a shell in the guest")
            .WithExample("gauntlet boot --kernel ~/linux --module virtio_rng --run 'cat /proc/cpuinfo' --console", "a kernel built there, and what a command says")
            .WithExample("gauntlet boot --kernel bzImage --initrd root.cpio --until '^login:'", "files of one's own");
    }

    private static async Task<int> RunAsync(ParseResult line, BootOptions options, Output output, CancellationToken cancellation)
    {
        var (machine, kernel) = await MachineAsync(line, options, cancellation);
        using var launcher = new AttemptLauncher();
        var names = line.GetValue(options.Versus) is { } other ? new[] { line.GetValue(options.Vmm)!, other } : [line.GetValue(options.Vmm)!];
        var vmms = new List<(string Name, string Program, string? Version)>();
        foreach (var name in names)
            vmms.Add(await FindAsync(name, machine.Arch, launcher, cancellation));
        if (line.GetValue(options.Interactive))
            return await InteractAsync(machine.CommandLine(vmms[0].Program, interactive: true), cancellation);
        var runner = new BootRunner(launcher, line.GetValue(options.Console) ? text => output.Error.WriteLine(text) : null);
        var report = await MeasureAsync(line, options, machine, kernel, vmms, runner, output, cancellation);
        if (line.GetValue(options.Json))
            output.Out.WriteLine(report.ToJson());
        else
            report.Print(output);
        return report.Series.SelectMany(series => series.Boots.Concat(series.Together)).All(boot => boot.Outcome == BootOutcome.Booted) ? ExitCode.Success : ExitCode.Failure;
    }

    private static async Task<BootReport> MeasureAsync(
        ParseResult line, BootOptions options, BootMachine machine, string kernel, List<(string Name, string Program, string? Version)> vmms, BootRunner runner, Output output, CancellationToken cancellation)
    {
        var goal = options.Goal(line);
        var boots = vmms.ConvertAll(_ => new List<BootRecord>());
        // In turn, so that what the host does meanwhile meets all of them alike.
        for (var round = 0; round < line.GetValue(options.Repeat); round++)
        {
            foreach (var (index, vmm) in vmms.Index())
            {
                boots[index].Add(await runner.RunAsync(machine, vmm.Program, goal, cancellation));
                if (line.GetValue(options.Repeat) > 1)
                    await output.Error.WriteLineAsync($"{vmm.Name}: boot {round + 1}: {boots[index][^1].Reason ?? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{boots[index][^1].Timeline.Marker:0} ms to the marker")}");
            }
        }
        var series = new List<BootSeries>();
        foreach (var (index, vmm) in vmms.Index())
        {
            var count = line.GetValue(options.Instances);
            var together = count > 1 ? await runner.RunTogetherAsync(count, machine, vmm.Program, goal, cancellation) : [];
            series.Add(new BootSeries(vmm.Name, vmm.Version, machine.CommandLine(vmm.Program, interactive: false), boots[index], together));
        }
        return new BootReport(1, kernel, series);
    }

    private static async Task<(BootMachine Machine, string Kernel)> MachineAsync(ParseResult line, BootOptions options, CancellationToken cancellation)
    {
        var architecture = DebianArchitecture.Of(line.GetValue(options.Arch)!);
        var packages = DebianPackages.ForUser();
        var append = line.GetValue(options.Append);
        var machine = new BootMachine
        {
            Arch = architecture.Name,
            Accel = line.GetValue(options.Accel) ?? (KvmHost.Probe().Kind == KvmKind.Hardware && architecture.Name == QemuStyleDriver.HostArch ? "kvm" : "tcg"),
            Machine = line.GetValue(options.Machine),
            Cpu = line.GetValue(options.Cpu),
            Smp = line.GetValue(options.Smp),
            MemoryMiB = line.GetValue(options.Memory),
            Kernel = "",
            Append = append is null || append.StartsWith('+') ? null : append,
            FurtherAppend = append?.StartsWith('+') == true ? append[1..] : null,
            Further = line.GetValue(options.Further)!,
        };
        machine.Check();
        options.Goal(line);
        if (line.GetValue(options.Initrd) is { } initrd)
        {
            if (!File.Exists(initrd))
                throw new UserException($"There is no initrd '{initrd}'.");
            if (line.GetValue(options.Run)!.Length > 0 || line.GetValue(options.Modules)!.Length > 0)
                throw new UserException("--run and --module go into an initramfs that is made here; --initrd gives another.");
            var own = await LinuxKernel.FindAsync(line.GetValue(options.Kernel), architecture, packages, cancellation);
            return (machine with { Kernel = own.Image, Initrd = Path.GetFullPath(initrd) }, own.Name);
        }
        var recipe = new LinuxRecipe
        {
            Architecture = architecture,
            Kernel = line.GetValue(options.Kernel),
            Modules = line.GetValue(options.Modules)!,
            Commands = line.GetValue(options.Run)!,
            Interactive = line.GetValue(options.Interactive),
        };
        var (kernel, initramfs) = await recipe.BuildAsync(packages, cancellation);
        return (machine with { Kernel = kernel.Image, Initrd = await InitramfsShelf.PutAsync(initramfs, cancellation) }, kernel.Name);
    }

    private static async Task<(string Name, string Program, string? Version)> FindAsync(string name, string arch, IAttemptLauncher launcher, CancellationToken cancellation)
    {
        if (name.Contains('/', StringComparison.Ordinal) && !name.Contains('@', StringComparison.Ordinal))
            return ProgramFinder.InPath(name) is { } path ? (Path.GetFileName(name), path, null) : throw new UserException($"'{name}' is no executable file.");
        var words = name.Split('@', 2);
        var driver = words[0] is "gvmm" or "qemu" ? DriverRegistry.For([], launcher).Find(words[0])! : throw new UserException($"'{name}' is neither gvmm nor qemu, nor a program's path.");
        var probe = await driver.ProbeAsync(arch, words.Length > 1 ? words[1] : null, cancellation);
        return probe.Problem is null ? (name, probe.Program!, probe.Version) : throw new UserException($"{name}: {probe.Problem}", ExitCode.Environment);
    }

    /// <summary>The terminal is the guest's until it ends.</summary>
    private static async Task<int> InteractAsync(IReadOnlyList<string> commandLine, CancellationToken cancellation)
    {
        using var process = Process.Start(new ProcessStartInfo(commandLine[0], commandLine.Skip(1)))!;
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return process.ExitCode == 0 ? ExitCode.Success : ExitCode.Failure;
    }
}
