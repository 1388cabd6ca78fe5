using System.CommandLine;
using Gauntlet.Harness.Bisecting;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests;

/// <summary>This room's commands as a process of its own, for tests that kill it.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments) => await InvokeAsync(Output.ForProcess(), arguments);

    /// <summary>A command of this room, with its errors told as the program tells them.</summary>
    public static async Task<int> InvokeAsync(Output output, params string[] arguments)
    {
        var root = new RootCommand();
        foreach (var module in (ICommandModule[])[new RunCommand(), new BisectCommand()])
        {
            foreach (var command in module.CreateCommands(output))
                root.Add(command);
        }
        var parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            output.Error.WriteLine(string.Join('\n', parsed.Errors.Select(error => error.Message)));
            return ExitCode.Usage;
        }
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (UserException e)
        {
            output.Error.WriteLine(e.Message);
            return e.ExitCode;
        }
        catch (StoreException e)
        {
            output.Error.WriteLine(e.Message);
            return ExitCode.Environment;
        }
    }
}
