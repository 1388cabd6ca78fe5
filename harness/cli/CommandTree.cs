using System.CommandLine;
using System.CommandLine.Help;
using Gauntlet.Cli.Commands;
using Gauntlet.Fuzz.Commands;
using Gauntlet.Guests;
using Gauntlet.Harness;
using Gauntlet.Harness.Bisecting;
using Gauntlet.Harness.Booting;
using Gauntlet.Pipelines;
using Gauntlet.Pipelines.Gate;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Commands;
using Gauntlet.Terminal;

namespace Gauntlet.Cli;

/// <summary>All commands of all rooms, under one root.</summary>
public static class CommandTree
{
    public static RootCommand Create(Output output)
    {
        var root = new RootCommand(
            "Gauntlet runs test suites on virtual machine monitors, fuzzes their devices, checks patch series and keeps every result.");
        foreach (var module in Modules)
        {
            foreach (var command in module.CreateCommands(output))
                root.Add(command);
        }

        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    /// <summary>The words that lead to a command: <c>gauntlet results show</c>.</summary>
    public static IEnumerable<string> Path(Command command)
    {
        var words = new Stack<string>();
        for (Symbol? symbol = command; symbol is Command and not RootCommand; symbol = symbol.Parents.FirstOrDefault())
            words.Push(symbol.Name);
        words.Push("gauntlet");
        return words;
    }

    /// <summary>Each room's commands, in the order of the help text.</summary>
    private static readonly ICommandModule[] Modules =
    [
        new RunCommand(),
        new BootCommand(),
        new ResultsCommands(),
        new MatrixCommands(),
        new BisectCommand(),
        new GuestsCommands(),
        new VmmCommand(),
        new TraceCommand(),
        new FuzzCommands(),
        new CheckCommand(),
        new HookCommand(),
        new SeriesCommands(),
        new GateCommands(),
        new DoctorCommand(),
        new TestCommand(),
        new CompletionCommand(),
    ];
}
