namespace Gauntlet.Terminal;

/// <summary>Exit codes of every <c>gauntlet</c> command.</summary>
public static class ExitCode
{
    /// <summary>All passed, or done.</summary>
    public const int Success = 0;

    /// <summary>Something failed that was to be judged.</summary>
    public const int Failure = 1;

    /// <summary>The command line, a file it names or its content is wrong.</summary>
    public const int Usage = 2;

    /// <summary>The environment is at fault: a missing program, a full disk, no permission.</summary>
    public const int Environment = 3;
}

/// <summary>
/// Ends a command with a message for its user instead of a stack trace: what was being done, what was found, what to do. Thrown for bad input and
/// for faults of the environment, never for bugs.
/// </summary>
/// <param name="message">Whole sentence or sentences, without "error:".</param>
/// <param name="exitCode">One of <see cref="ExitCode"/>.</param>
public sealed class UserException(string message, int exitCode = ExitCode.Usage, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}
