using System.CommandLine;
using Gauntlet.Pipelines.Checks;
using Gauntlet.Terminal;

namespace Gauntlet.Pipelines;

/// <summary><c>gauntlet check</c> in the command tree. Options are parsed by <see cref="CheckProgram"/>, the quick way in, so that both ways take the same.</summary>
public sealed class CheckCommand : ICommandModule
{
    public IEnumerable<Command> CreateCommands(Output output)
    {
        var arguments = new Argument<string[]>("arguments")
        {
            Description = "Patches, a range, and options; see gauntlet check --help.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var command = new Command("check", "Say everything that is wrong with patches, by QEMU's or Linux's rules.")
        {
            arguments,
        };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction(result =>
        {
            try
            {
                using var standardOutput = Console.OpenStandardOutput();
                string[] given = [.. result.Tokens.Select(token => token.Value).SkipWhile(token => token != "check").Skip(1)];
                return CheckProgram.Run(given.Length == 0 ? ["--help"] : given, standardOutput);
            }
            catch (CheckException e)
            {
                throw new UserException(e.Message, e.ExitCode, e);
            }
        });
        yield return command.WithExample("gauntlet check 0001-fix.patch", "one patch, as checkpatch prints it")
            .WithExample("gauntlet check --staged", "what is about to be committed");
    }
}
