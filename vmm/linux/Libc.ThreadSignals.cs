using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>Signals to one thread of this process.</summary>
public static unsafe partial class Libc
{
    /// <summary>sa_flags: interrupted calls of the C library go on by themselves.</summary>
    public const int SA_RESTART = 0x10000000;

    /// <summary>gettid(2): the calling thread's id.</summary>
    [LibraryImport(Library)]
    public static partial int gettid();

    /// <summary>tgkill(2): a signal to one thread of one process.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int tgkill(int tgid, int tid, int sig);

    /// <summary>SIGRTMIN, the first real-time signal that the C library leaves to programs. .NET takes that one for itself: use SIGRTMIN + n, n above 0.</summary>
    [LibraryImport(Library)]
    public static partial int __libc_current_sigrtmin();

    /// <summary>sigaction(2). Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    private static partial int sigaction(int signum, in SigAction act, SigAction* oldact);

    /// <summary>
    /// Lets a signal do nothing but interrupt the system call that its thread is in.
    /// </summary>
    /// <remarks>
    /// The handler is the C library's own <c>abs</c>: a function of its argument alone, that touches neither memory nor errno, and so may run at any
    /// instruction of any thread, managed code and the collector's included. A handler in C# could not: it would enter the runtime from inside the runtime.
    /// SIG_IGN would not do: an ignored signal interrupts nothing.
    /// </remarks>
    /// <exception cref="LinuxException">The kernel refuses the signal number.</exception>
    public static void InstallInterruptingSignal(int signum)
    {
        var library = NativeLibrary.Load("libc.so.6");
        var action = new SigAction { Handler = NativeLibrary.GetExport(library, "abs"), Flags = SA_RESTART };
        if (sigaction(signum, action, null) != 0)
            throw LinuxException.ForErrno($"installing a handler for signal {signum}");
    }

    /// <summary>glibc's struct sigaction on x86-64 and AArch64.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 152)]
    private struct SigAction
    {
        [FieldOffset(0)]
        public nint Handler;

        [FieldOffset(136)]
        public int Flags;
    }
}
