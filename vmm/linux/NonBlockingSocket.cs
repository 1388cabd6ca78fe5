using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Stream sockets in the file system of which no call waits, for one thread that serves many.</summary>
public static unsafe partial class NonBlockingSocket
{
    private const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000, SOCK_NONBLOCK = 0x800, SHUT_WR = 1;
    private const int MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000;
    private const int EINTR = 4, EAGAIN = 11;
    private const short POLLHUP = 0x10;
    private const int MaxPathBytes = 107;

    /// <summary>Longest path of a socket, in bytes.</summary>
    public const int MaxPath = MaxPathBytes;

    /// <summary>Nothing now; later there may be.</summary>
    public const int Later = -1;

    /// <summary>The other end is gone.</summary>
    public const int Gone = -2;

    /// <summary>Takes a connection that waits at a listener; null when none does.</summary>
    public static SafeFileHandle? TryAccept(SafeFileHandle listener)
    {
        var poll = new PollFd { Fd = (int)listener.DangerousGetHandle(), Events = 1 };
        // The listener itself waits, unlike those that it gives.
        if (NonBlockingSocket.poll(&poll, 1, 0) <= 0 || (poll.ReturnedEvents & 1) == 0)
            return null;
        var handle = accept4(listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!handle.IsInvalid)
            return handle;
        handle.Dispose();
        return null;
    }

    /// <summary>Connects to a socket in the file system; null when nobody listens there, or nobody has taken those who came before.</summary>
    public static SafeFileHandle? TryConnect(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > MaxPathBytes)
            return null;
        var handle = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        var address = new SockAddr { Family = AF_UNIX };
        Encoding.UTF8.GetBytes(path, new Span<byte>(address.Path, MaxPathBytes));
        if (!handle.IsInvalid && connect(handle, &address, (uint)sizeof(SockAddr)) == 0)
            return handle;
        handle.Dispose();
        return null;
    }

    /// <summary>How many bytes came; 0 when the other end sends no more; <see cref="Later"/>, <see cref="Gone"/>.</summary>
    public static int Receive(SafeFileHandle socket, Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            nint count;
            do
                count = recv(socket, start, (nuint)destination.Length, MSG_DONTWAIT);
            while (count < 0 && Marshal.GetLastPInvokeError() == EINTR);
            return Result(count);
        }
    }

    /// <summary>How many bytes the other end took; <see cref="Later"/>, <see cref="Gone"/>.</summary>
    public static int Send(SafeFileHandle socket, ReadOnlySpan<byte> source)
    {
        fixed (byte* start = source)
        {
            nint count;
            do
                count = send(socket, start, (nuint)source.Length, MSG_DONTWAIT | MSG_NOSIGNAL);
            while (count < 0 && Marshal.GetLastPInvokeError() == EINTR);
            return Result(count);
        }
    }

    /// <summary>Nothing more is sent; what comes is still received.</summary>
    public static void EndSending(SafeFileHandle socket) => _ = shutdown(socket, SHUT_WR);

    /// <summary>The other end is closed, in both directions.</summary>
    public static bool IsHungUp(SafeFileHandle socket)
    {
        var poll = new PollFd { Fd = (int)socket.DangerousGetHandle() };
        return NonBlockingSocket.poll(&poll, 1, 0) > 0 && (poll.ReturnedEvents & POLLHUP) != 0;
    }

    private static int Result(nint count) => count >= 0 ? (int)count : Marshal.GetLastPInvokeError() == EAGAIN ? Later : Gone;

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle accept4(SafeFileHandle fd, void* address, void* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(SafeFileHandle fd, byte* buffer, nuint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(SafeFileHandle fd, byte* buffer, nuint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(SafeFileHandle fd, int how);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollFd* descriptors, nuint count, int timeoutMs);

    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short ReturnedEvents;
    }

    /// <summary>struct sockaddr_un.</summary>
    private struct SockAddr
    {
        public ushort Family;
        public fixed byte Path[108];
    }
}
