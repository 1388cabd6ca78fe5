using System.CommandLine;
using Gauntlet.Linux;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Cli;

/// <summary>How a command that cannot go on ends: one message on standard error and the exit code that scripts rely on.</summary>
public static class Failures
{
    /// <summary>True for faults of the user or the environment. Anything else is a bug, and its stack trace is what its finder needs.</summary>
    public static bool Expected(Exception exception) =>
        exception is UserException or StoreException or LinuxException or IOException or UnauthorizedAccessException or OperationCanceledException;

    public static int Report(Exception exception, Output output)
    {
        if (exception is OperationCanceledException)
        {
            output.Error.WriteLine("gauntlet: cancelled");
            return ExitCode.Environment;
        }

        output.Error.WriteLine($"gauntlet: {exception.Message}");
        return exception is UserException user ? user.ExitCode : ExitCode.Environment;
    }

    /// <summary>A command line that does not parse: what is wrong, and where the help is.</summary>
    public static int ReportUsage(ParseResult parsed, Output output)
    {
        foreach (var error in parsed.Errors)
            output.Error.WriteLine($"gauntlet: {error.Message}");
        var command = parsed.CommandResult.Command;
        var path = string.Join(' ', CommandTree.Path(command));
        output.Error.WriteLine($"Try `{path} --help`.");
        return ExitCode.Usage;
    }
}
