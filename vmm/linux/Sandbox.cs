using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>
/// Gives up, for this process and all of its threads for ever, the system calls that a running VMM has no use for: <c>no_new_privs</c>, then a seccomp filter
/// by allow-list (<see cref="SandboxRules"/>). What is not in the list fails with EPERM; what only an intruder asks for ends the process.
/// </summary>
/// <remarks>
/// Linux, Documentation/userspace-api/seccomp_filter.rst; seccomp(2). The filter is set with SECCOMP_FILTER_FLAG_TSYNC: the runtime's threads (collector,
/// tiered compilation, signals, pool) were there before it, and threads made later inherit it.
/// </remarks>
public static unsafe partial class Sandbox
{
    private const int PR_SET_NO_NEW_PRIVS = 38;
    private const int SYS_seccomp = 317;
    private const uint SECCOMP_SET_MODE_FILTER = 1, SECCOMP_FILTER_FLAG_TSYNC = 1;

    /// <summary>Whether this host has it: x86-64 only, where the calls' numbers are known.</summary>
    public static bool IsSupported => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>From here on, for every thread of the process.</summary>
    /// <exception cref="PlatformNotSupportedException">This host is not an x86-64 one.</exception>
    /// <exception cref="LinuxException">The kernel refuses; it has no seccomp filters, or a thread has one of its own.</exception>
    public static void Enter() => Enter(SECCOMP_FILTER_FLAG_TSYNC);

    /// <summary>For the calling thread and what it starts only: for tests.</summary>
    internal static void EnterThisThread() => Enter(0);

    private static void Enter(uint flags)
    {
        if (!IsSupported)
            throw new PlatformNotSupportedException("the sandbox knows the system calls of x86-64 hosts only");
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            throw LinuxException.ForErrno("giving up new privileges");
        var program = SandboxRules.Compile(Environment.ProcessId);
        fixed (BpfInstruction* instructions = program)
        {
            var filter = new BpfProgram { Count = (ushort)program.Length, Instructions = instructions };
            var answer = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
            if (answer > 0)
                throw new LinuxException($"setting the sandbox's filter: thread {answer} has another one", 0);
            if (answer < 0)
                throw LinuxException.ForErrno("setting the sandbox's filter");
        }
    }

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct BpfProgram
    {
        public ushort Count;
        public BpfInstruction* Instructions;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int prctl(int option, nuint arg2, nuint arg3, nuint arg4, nuint arg5);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, uint operation, uint flags, void* arguments);
}

/// <summary>struct sock_filter: one instruction of classic BPF (Linux, Documentation/networking/filter.rst).</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct BpfInstruction(ushort Code, byte IfTrue, byte IfFalse, uint Operand);
