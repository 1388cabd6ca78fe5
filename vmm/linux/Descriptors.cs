using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

/// <summary>Descriptors that exist already, without the cost of <see cref="Console"/>: reads and writes that go on after a signal.</summary>
public static unsafe partial class Descriptors
{
    public const int StandardInput = 0, StandardOutput = 1, StandardError = 2;

    private const int EINTR = 4, EAGAIN = 11;
    private const short POLLIN = 1, POLLOUT = 4;

    /// <summary>Writes all bytes, waiting where the other end is slow; false when nobody reads any more.</summary>
    public static bool WriteAll(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            var done = 0;
            while (done < bytes.Length)
            {
                var count = write(fd, start + done, (nuint)(bytes.Length - done));
                if (count > 0)
                    done += (int)count;
                else if (!MayGoOn(fd, POLLOUT))
                    return false;
            }
        }
        return true;
    }

    /// <summary>Reads what is there, waiting for the first byte; 0 at the end or when the other end is gone.</summary>
    public static int Read(int fd, Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            while (true)
            {
                var count = read(fd, start, (nuint)destination.Length);
                if (count >= 0)
                    return (int)count;
                if (!MayGoOn(fd, POLLIN))
                    return 0;
            }
        }
    }

    /// <summary>_exit(2): ends the process here and now, whatever its threads are doing.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void ExitNow(int status);

    private static bool MayGoOn(int fd, short events)
    {
        var errno = Marshal.GetLastPInvokeError();
        if (errno == EAGAIN)
        {
            var wait = new PollFd { Fd = fd, Events = events };
            _ = poll(&wait, 1, -1);
        }
        return errno is EINTR or EAGAIN;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollFd* descriptors, nuint count, int timeoutMs);

    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short ReturnedEvents;
    }
}
