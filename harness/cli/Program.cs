using System.CommandLine;
using System.CommandLine.Invocation;
using Gauntlet.Pipelines.Checks;
using Gauntlet.Terminal;

namespace Gauntlet.Cli;

/// <summary>The program <c>gauntlet</c>: puts the rooms' commands together and turns what they throw into messages and exit codes.</summary>
public static class Program
{
    public static async Task<int> Main(string[] arguments)
    {
        // Answered before the command-line library is loaded, for scripts that ask often.
        if (arguments is ["--version"])
        {
            Console.Out.WriteLine(VersionText.Current);
            return ExitCode.Success;
        }

        // Likewise: a check runs for every patch, and before every commit.
        if (arguments is ["check", .. var rest])
            return CheckProgram.Main(rest);

        var output = Output.ForProcess();
        try
        {
            var parsed = CommandTree.Create(output).Parse(arguments);
            return parsed.Action is ParseErrorAction
                ? Failures.ReportUsage(parsed, output)
                : await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception) when (Failures.Expected(exception))
        {
            return Failures.Report(exception, output);
        }
    }
}
