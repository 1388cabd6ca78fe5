using System.CommandLine;
using System.Text.RegularExpressions;
using Gauntlet.Guests.Images;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Booting;

/// <summary>The options of <c>gauntlet boot</c>.</summary>
internal sealed class BootOptions
{
    private const int MaxRepeats = 10_000, MaxInstances = 256;

    public Option<string> Vmm { get; } = new("--vmm") { Description = "gvmm, qemu, a revision of them such as gvmm@HEAD~3, or a program's path", HelpName = "VMM", DefaultValueFactory = _ => "qemu" };

    public Option<string?> Versus { get; } = new("--vs") { Description = "A second VMM; both boot in turn, and are shown side by side with the ratio", HelpName = "VMM" };

    public Option<string> Arch { get; } = new("--arch") { Description = "x86_64, aarch64 or riscv64", DefaultValueFactory = _ => "x86_64" };

    public Option<string?> Accel { get; } = new("--accel") { Description = "kvm or tcg; without: kvm where the host's hardware has it for the architecture" };

    public Option<string?> Machine { get; } = new("--machine", "-M") { Description = "Machine type; without: pc or virt" };

    public Option<string?> Cpu { get; } = new("--cpu") { Description = "CPU model" };

    public Option<int> Smp { get; } = new("--smp") { Description = "vCPUs", DefaultValueFactory = _ => 1 };

    public Option<int> Memory { get; } = new("--memory", "-m") { Description = "Guest RAM in MiB", HelpName = "MIB", DefaultValueFactory = _ => 512 };

    public Option<string?> Kernel { get; } = new("--kernel", "-k") { Description = "Kernel image, built source tree, or Debian package; without: Debian's for virtual machines", HelpName = "PATH|PACKAGE" };

    public Option<string?> Initrd { get; } = new("--initrd") { Description = "Instead of an initramfs with busybox", HelpName = "FILE" };

    public Option<string?> Append { get; } = new("--append") { Description = "Kernel command line instead of the default one; with + in front: added to it", HelpName = "TEXT" };

    public Option<string[]> Modules { get; } = new("--module") { Description = "Module to load first; may be given again", HelpName = "NAME", DefaultValueFactory = _ => [] };

    public Option<string[]> Run { get; } = new("--run") { Description = "Shell command in the guest; may be given again", HelpName = "COMMAND", DefaultValueFactory = _ => [] };

    public Option<string?> Marker { get; } = new("--until") { Description = "Regular expression on a console line that is waited for; without: user space's first line, or the last behind --run", HelpName = "REGEX" };

    public Option<bool> NoPowerOff { get; } = new("--no-power-off") { Description = "End the VMM at the marker" };

    public Option<bool> Interactive { get; } = new("--interactive", "-i") { Description = "The console on this terminal, with a shell; nothing is measured" };

    public Option<bool> Console { get; } = new("--console", "-v") { Description = "Also print the console, on standard error" };

    public Option<int> Repeat { get; } = new("--repeat") { Description = "Boot so often, and show medians", DefaultValueFactory = _ => 1 };

    public Option<int> Instances { get; } = new("--instances", "-n") { Description = "Also boot so many at once, and show the memory that each then takes", DefaultValueFactory = _ => 1 };

    public Option<double> Timeout { get; } = new("--timeout") { Description = "Limit of a boot", HelpName = "SECONDS", DefaultValueFactory = _ => 60 };

    public Option<bool> Json { get; } = new("--json") { Description = "JSON for scripts" };

    public Argument<string[]> Further { get; } = new("vmm-args") { Description = "Further arguments of the VMM, behind --", Arity = ArgumentArity.ZeroOrMore };

    public BootOptions()
    {
        Arch.AcceptOnlyFromAmong([.. DebianArchitecture.All.Select(architecture => architecture.Name)]);
        Accel.AcceptOnlyFromAmong("kvm", "tcg");
        Within(Repeat, MaxRepeats);
        Within(Instances, MaxInstances);
        Timeout.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<double>() is not (> 0 and <= 86400))
                result.AddError("--timeout takes seconds, up to a day.");
        });
    }

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])
            [Vmm, Versus, Arch, Accel, Machine, Cpu, Smp, Memory, Kernel, Initrd, Append, Modules, Run, Marker, NoPowerOff, Interactive, Console, Repeat, Instances, Timeout, Json])
            command.Options.Add(option);
        command.Arguments.Add(Further);
    }

    /// <exception cref="UserException">The marker is no regular expression.</exception>
    public BootGoal Goal(ParseResult line)
    {
        var text = line.GetValue(Marker) ?? (line.GetValue(Run)!.Length > 0 ? Regex.Escape(LinuxRecipe.DoneMarker) : Regex.Escape(LinuxRecipe.UserSpaceMarker));
        try
        {
            var marker = new Regex(text, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return new BootGoal(marker, !line.GetValue(NoPowerOff) && line.GetValue(Initrd) is null, TimeSpan.FromSeconds(line.GetValue(Timeout)));
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new UserException($"--until: '{text}' is no regular expression that is understood: {e.Message}", inner: e);
        }
    }

    private static void Within(Option<int> option, int most) => option.Validators.Add(result =>
    {
        if (!result.Errors.Any() && (result.GetValueOrDefault<int>() < 1 || result.GetValueOrDefault<int>() > most))
            result.AddError($"{option.Name} takes 1 to {most}.");
    });
}
