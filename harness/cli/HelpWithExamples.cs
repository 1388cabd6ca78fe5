using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Gauntlet.Terminal;

namespace Gauntlet.Cli;

/// <summary>The library's help, then the command's examples.</summary>
public sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        var status = help.Invoke(parseResult);
        var examples = Examples.Of(parseResult.CommandResult.Command);
        if (examples.Count == 0)
            return status;

        var writer = parseResult.InvocationConfiguration.Output;
        writer.WriteLine("Examples:");
        var width = examples.Max(example => example.Line.Length);
        foreach (var example in examples)
            writer.WriteLine($"  {example.Line.PadRight(width)}  {example.Does}");
        writer.WriteLine();
        return status;
    }
}
