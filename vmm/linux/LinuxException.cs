using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>A system call failed; the message says what was being done and what the kernel answered.</summary>
public sealed class LinuxException(string doing, int errno)
    : IOException($"{doing}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})")
{
    /// <summary>The kernel's errno value, positive.</summary>
    public int Errno { get; } = errno;

    /// <summary>For the call that just failed on this thread.</summary>
    public static LinuxException ForErrno(string doing) => new(doing, Marshal.GetLastPInvokeError());
}
