using System.CommandLine;

namespace Gauntlet.Terminal;

/// <summary>A room's part of the command line. The program asks each for its commands and puts them under <c>gauntlet</c>.</summary>
public interface ICommandModule
{
    /// <summary>Top-level commands with help, examples and options; actions return an <see cref="ExitCode"/> and throw <see cref="UserException"/> for the user's errors.</summary>
    IEnumerable<Command> CreateCommands(Output output);
}
