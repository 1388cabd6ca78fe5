namespace Gauntlet.Pipelines.Checks;

/// <summary>
/// Ends a check with a message for its user. Apart from the command line's own exception so that the quick way in loads no command-line library.
/// </summary>
/// <param name="exitCode">2 for wrong use, 3 when the environment is at fault.</param>
public sealed class CheckException(string message, int exitCode = CheckException.Usage) : Exception(message)
{
    public const int Usage = 2;

    public const int Environment = 3;

    public int ExitCode { get; } = exitCode;
}
