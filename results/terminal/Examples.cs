using System.CommandLine;
using System.Runtime.CompilerServices;

namespace Gauntlet.Terminal;

/// <summary>A command line that works, with what it does.</summary>
/// <param name="Line">As typed, from <c>gauntlet</c> on.</param>
/// <param name="Does">Half a sentence.</param>
public readonly record struct Example(string Line, string Does);

/// <summary>Examples that a command's help ends with.</summary>
public static class Examples
{
    private static readonly ConditionalWeakTable<Command, List<Example>> ByCommand = [];

    /// <summary>Adds one; returns the command, so that calls chain.</summary>
    public static Command WithExample(this Command command, string line, string does)
    {
        ByCommand.GetOrCreateValue(command).Add(new Example(line, does));
        return command;
    }

    /// <summary>What was added, in order.</summary>
    public static IReadOnlyList<Example> Of(Command command) => ByCommand.TryGetValue(command, out var examples) ? examples : [];
}
