using System.Globalization;

namespace Gauntlet.Harness.Verdicts;

/// <summary>Signals by their Linux numbers (signal(7), the numbers of x86, arm and riscv).</summary>
internal static class SignalName
{
    public const int Kill = 9;
    public const int CpuLimit = 24;
    public const int FileLimit = 25;

    private static readonly string[] Names =
    [
        "0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT",
        "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
    ];

    public static string Of(int signal) => signal > 0 && signal < Names.Length ? Names[signal] : "signal " + signal.ToString(CultureInfo.InvariantCulture);

    /// <summary>A process gets it for a fault of its own: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.</summary>
    public static bool IsFault(int signal) => signal is 4 or 5 or 6 or 7 or 8 or 11 or 31;
}
