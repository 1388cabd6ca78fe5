using System.CommandLine;
using System.CommandLine.Invocation;
using Gauntlet.Terminal;

namespace Gauntlet.Cli.Tests;

public sealed class CommandTreeTests
{
    private readonly StringWriter _out = new();
    private readonly StringWriter _error = new();

    private RootCommand Root => CommandTree.Create(new Output(_out, _error, live: false, colour: false));

    [Fact]
    public void EveryCommandSaysWhatItDoes()
    {
        foreach (var command in Descendants(Root))
            Assert.False(string.IsNullOrWhiteSpace(command.Description), $"{command.Name} has no description");
    }

    [Fact]
    public void EveryCommandThatActsShowsAnExample()
    {
        foreach (var command in Descendants(Root).Where(command => command.Action is not null && command.Subcommands.Count == 0))
            Assert.True(Examples.Of(command).Count > 0, $"{string.Join(' ', CommandTree.Path(command))} has no example");
    }

    [Fact]
    public void EveryExampleIsACommandLineThatParses()
    {
        var root = Root;
        foreach (var example in Descendants(root).SelectMany(Examples.Of))
        {
            // What it is piped into or written to is the shell's.
            var line = example.Line.Split([" | ", " > ", " >> "], StringSplitOptions.None)[0].Replace('\'', '"');
            if (!line.StartsWith("./gauntlet ", StringComparison.Ordinal) && !line.StartsWith("gauntlet ", StringComparison.Ordinal))
                continue;
            var result = root.Parse(line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
            Assert.True(result.Errors.Count == 0, $"{line}: {string.Join("; ", result.Errors.Select(error => error.Message))}");
        }
    }

    [Fact]
    public void AnUnknownCommandIsAUsageErrorThatNamesItAndPointsToTheHelp()
    {
        var parsed = Root.Parse(["frobnicate"]);

        Assert.IsType<ParseErrorAction>(parsed.Action);
        Assert.Equal(ExitCode.Usage, Failures.ReportUsage(parsed, new Output(_out, _error, false, false)));
        Assert.Contains("frobnicate", _error.ToString(), StringComparison.Ordinal);
        Assert.Contains("--help", _error.ToString(), StringComparison.Ordinal);
    }

    private static IEnumerable<Command> Descendants(Command command) =>
        command.Subcommands.SelectMany(child => Descendants(child).Prepend(child));
}
