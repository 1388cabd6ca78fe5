using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Drivers;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Cli.Commands;

/// <summary><c>gauntlet vmm list|show</c>: the VMMs that are installed, as they describe themselves; and <c>vmm build</c>.</summary>
public sealed class VmmCommand : ICommandModule
{
    private static readonly string[] Vmms = ["gvmm", "qemu"], Architectures = ["x86_64", "aarch64", "riscv64"];

    public IEnumerable<Command> CreateCommands(Output output)
    {
        yield return new Command("vmm", "The virtual machine monitors that are installed, and building others") { List(output), Show(output), VmmBuildCommand.Create(output) };
    }

    private static Command List(Output output)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("list", "Each VMM with its version and accelerators, or why it cannot be used") { json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var drivers = DriverRegistry.For([]);
            var found = new List<InstalledVmm>();
            foreach (var vmm in Vmms)
            {
                foreach (var arch in Architectures)
                    found.Add(new InstalledVmm(vmm, arch, await drivers.Find(vmm)!.ProbeAsync(arch, cancellation)));
            }

            if (parsed.GetValue(json))
            {
                output.Out.WriteLine(JsonSerializer.Serialize(found, VmmJson.Default.IReadOnlyListInstalledVmm));
                return ExitCode.Success;
            }

            var table = new Table().Border(TableBorder.Simple).AddColumns("vmm", "arch", "version", "accelerators", "program");
            foreach (var (vmm, arch, probe) in found)
                table.AddRow(vmm, arch, Markup.Escape(probe.Version ?? "–"), Markup.Escape(string.Join(' ', probe.Accelerators)), Markup.Escape(probe.Problem ?? probe.Program ?? ""));
            output.Console.Write(table);
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet vmm list", "what is installed");
    }

    private static Command Show(Output output)
    {
        var name = new Argument<string>("vmm") { Description = "gvmm or qemu" };
        name.AcceptOnlyFromAmong(Vmms);
        var arch = new Option<string>("--arch") { Description = "Guest architecture", DefaultValueFactory = _ => "x86_64" };
        arch.AcceptOnlyFromAmong(Architectures);
        var command = new Command("show", "All that one VMM says of itself: machines, CPU models, devices") { name, arch };
        command.SetAction(async (parsed, cancellation) =>
        {
            var probe = await DriverRegistry.For([]).Find(parsed.GetValue(name)!)!.ProbeAsync(parsed.GetValue(arch)!, cancellation);
            if (probe.Problem is not null)
                throw new UserException($"asking {parsed.GetValue(name)} for {parsed.GetValue(arch)}: {probe.Problem}", ExitCode.Environment);
            output.Out.WriteLine($"program       {probe.Program}");
            output.Out.WriteLine($"version       {probe.Version}");
            output.Out.WriteLine($"accelerators  {string.Join(' ', probe.Accelerators)}");
            output.Out.WriteLine($"machines      {string.Join(' ', probe.Machines)}");
            output.Out.WriteLine($"cpus          {string.Join(' ', probe.Cpus)}");
            output.Out.WriteLine($"devices       {string.Join(' ', probe.Devices)}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet vmm show qemu --arch aarch64", "machines and devices of the installed one");
    }
}

/// <summary>One VMM for one architecture.</summary>
internal sealed record InstalledVmm(string Vmm, string Arch, VmmProbe Probe);

/// <summary>JSON of the list.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IReadOnlyList<InstalledVmm>))]
internal sealed partial class VmmJson : JsonSerializerContext;
