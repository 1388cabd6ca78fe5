using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Cli.Doctoring;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Cli.Commands;

/// <summary><c>gauntlet doctor</c>: what this host can run, and what one command would add.</summary>
public sealed class DoctorCommand : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("doctor", "Say what this host can run, and what one command would add") { json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var findings = await HostExamination.RunAsync(cancellation);
            if (parsed.GetValue(json))
                output.Out.WriteLine(JsonSerializer.Serialize(findings, DoctorJson.Default.IReadOnlyListFinding));
            else
                Write(output, findings);
            return findings.Any(finding => finding is { State: FindingState.Missing, Essential: true }) ? ExitCode.Environment : ExitCode.Success;
        });
        yield return command.WithExample("gauntlet doctor", "what is here, what is missing, what it would add")
            .WithExample("gauntlet doctor --json", "for scripts");
    }

    private static void Write(Output output, IReadOnlyList<Finding> findings)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var finding in findings)
        {
            var (symbol, colour) = finding.State switch
            {
                FindingState.Good => ("✓", "green"),
                FindingState.Limited => ("!", "yellow"),
                _ => (finding.Essential ? "✗" : "–", finding.Essential ? "red" : "grey"),
            };
            grid.AddRow($"[{colour}]{symbol}[/]", Markup.Escape(finding.Subject), Markup.Escape(finding.Found));
        }

        output.Console.Write(grid);
        var offers = findings.Where(finding => finding.Add is not null).ToArray();
        if (offers.Length == 0)
            return;
        output.Out.WriteLine();
        output.Out.WriteLine("To have more:");
        foreach (var offer in offers)
            output.Out.WriteLine($"  {offer.Add,-46}  {offer.Gain}");
    }
}

/// <summary>JSON of the findings.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IReadOnlyList<Finding>))]
internal sealed partial class DoctorJson : JsonSerializerContext;
