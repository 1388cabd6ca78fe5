using System.CommandLine;
using Gauntlet.Terminal;

namespace Gauntlet.Cli.Commands;

/// <summary><c>gauntlet completion SHELL</c>: prints the script that makes the shell ask this program for completions.</summary>
public sealed class CompletionCommand : ICommandModule
{
    // Each asks `gauntlet "[suggest:CURSOR]" LINE`, the command-line library's own protocol.
    private const string Bash =
        """
        _gauntlet() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _gauntlet gauntlet ./gauntlet
        """;

    private const string Zsh =
        """
        #compdef gauntlet
        _gauntlet() {
            local -a candidates
            candidates=("${(@f)$("${words[1]}" "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a candidates || _files
        }
        compdef _gauntlet gauntlet ./gauntlet
        """;

    private const string Fish =
        """
        complete -c gauntlet -a '(gauntlet "[suggest:"(commandline -C)"]" (commandline) 2>/dev/null)'
        """;

    public IEnumerable<Command> CreateCommands(Output output)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a shell's completion script") { shell };
        command.SetAction(parsed => output.Out.WriteLine(parsed.GetValue(shell) switch
        {
            "bash" => Bash,
            "zsh" => Zsh,
            _ => Fish,
        }));
        yield return command.WithExample("source <(./gauntlet completion bash)", "complete in this shell");
    }
}
