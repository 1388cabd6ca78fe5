using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>
/// A wake-up that a thread can wait for with a limit in nanoseconds, which the runtime's own waits (whole milliseconds) cannot. Signals are
/// counted into one: a wait after several returns once.
/// </summary>
public sealed unsafe partial class EventFd : IDisposable
{
    private const int EFD_CLOEXEC = 0x80000, EFD_NONBLOCK = 0x800;
    private const short POLLIN = 1;
    private const int PR_SET_TIMERSLACK = 29;
    private const long NsPerSecond = 1_000_000_000;

    private readonly SafeFileHandle _handle;

    /// <exception cref="LinuxException">No descriptor to be had.</exception>
    public EventFd()
    {
        _handle = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (_handle.IsInvalid)
            throw LinuxException.ForErrno("making an eventfd");
    }

    /// <summary>For the kernel's users of it.</summary>
    public SafeFileHandle Handle => _handle;

    /// <summary>Whether it was signalled since it was last waited for or taken; does not wait.</summary>
    public bool TryTake()
    {
        ulong count;
        return read(_handle, &count, sizeof(ulong)) == sizeof(ulong);
    }

    public void Signal()
    {
        ulong one = 1;
        _ = write(_handle, &one, sizeof(ulong));
    }

    /// <summary>Returns when signalled, or after the limit; a null limit waits for ever, one below 0 not at all.</summary>
    public void Wait(long? limitNs)
    {
        var poll = new PollFd { Fd = (int)_handle.DangerousGetHandle(), Events = POLLIN };
        if (limitNs is { } limit)
        {
            limit = Math.Max(limit, 0);
            var timeout = new TimeSpec { Seconds = limit / NsPerSecond, Nanoseconds = limit % NsPerSecond };
            _ = ppoll(&poll, 1, &timeout, 0);
        }
        else
        {
            _ = ppoll(&poll, 1, null, 0);
        }
        ulong count;
        _ = read(_handle, &count, sizeof(ulong));
    }

    /// <summary>Waits until the descriptor has something to be read, or its other end is gone; false when this was signalled first, which stays so.</summary>
    public bool WaitForInput(SafeFileHandle descriptor)
    {
        var both = stackalloc PollFd[2];
        both[0] = new PollFd { Fd = (int)_handle.DangerousGetHandle(), Events = POLLIN };
        both[1] = new PollFd { Fd = (int)descriptor.DangerousGetHandle(), Events = POLLIN };
        while (ppoll(both, 2, null, 0) <= 0)
        {
            // A signal came in between.
        }
        return both[0].ReturnedEvents == 0;
    }

    /// <summary>Timed waits of the calling thread end within a nanosecond's slack of their limit, not the default 50 µs (PR_SET_TIMERSLACK).</summary>
    public static void UsePreciseTimeouts() => _ = prctl(PR_SET_TIMERSLACK, 1);

    public void Dispose() => _handle.Dispose();

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle eventfd(uint initval, int flags);

    [LibraryImport("libc")]
    private static partial nint write(SafeFileHandle fd, void* buffer, nuint count);

    [LibraryImport("libc")]
    private static partial nint read(SafeFileHandle fd, void* buffer, nuint count);

    [LibraryImport("libc")]
    private static partial int ppoll(PollFd* descriptors, nuint count, TimeSpec* timeout, nint signalMask);

    [LibraryImport("libc")]
    private static partial int prctl(int option, nuint argument);

    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short ReturnedEvents;
    }

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
