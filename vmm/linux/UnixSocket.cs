using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Stream sockets in the file system, by the system calls themselves: the socket classes cost a process that only offers one some ten milliseconds.</summary>
public static unsafe partial class UnixSocket
{
    private const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000, SHUT_RDWR = 2;
    private const int EINTR = 4, ECONNABORTED = 103;
    private const int MaxPathBytes = 107;

    /// <summary>Binds and listens. A socket file that is there already is replaced, as QEMU does.</summary>
    /// <exception cref="LinuxException">The path is too long, or cannot be bound.</exception>
    public static SafeFileHandle Listen(string path)
    {
        var handle = Create(path);
        var address = AddressOf(path);
        _ = unlink(path);
        if (bind(handle, &address, (uint)sizeof(SockAddr)) != 0 || listen(handle, 1) != 0)
            throw Failed(handle, $"listening on {path}");
        return handle;
    }

    /// <summary>Connects to a listening socket.</summary>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    public static SafeFileHandle Connect(string path)
    {
        var handle = Create(path);
        var address = AddressOf(path);
        if (connect(handle, &address, (uint)sizeof(SockAddr)) != 0)
            throw Failed(handle, $"connecting to {path}");
        return handle;
    }

    /// <summary>Two that are connected to each other; a program that is started inherits neither.</summary>
    /// <exception cref="LinuxException">No descriptors to be had.</exception>
    public static (SafeFileHandle First, SafeFileHandle Second) Pair()
    {
        var ends = stackalloc int[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw LinuxException.ForErrno("making a pair of sockets");
        return (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true));
    }

    /// <summary>Waits for a connection; null when the listener was shut down or closed, by whichever thread.</summary>
    public static SafeFileHandle? Accept(SafeFileHandle listener)
    {
        try
        {
            while (true)
            {
                var handle = accept4(listener, null, null, SOCK_CLOEXEC);
                if (!handle.IsInvalid)
                    return handle;
                handle.Dispose();
                if (Marshal.GetLastPInvokeError() is not (EINTR or ECONNABORTED))
                    return null;
            }
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>Ends both directions: a thread that waits on it comes back.</summary>
    public static void Shutdown(SafeFileHandle socket) => _ = shutdown(socket, SHUT_RDWR);

    /// <summary>unlink(2), whatever comes of it.</summary>
    public static void Remove(string path) => _ = unlink(path);

    private static SafeFileHandle Create(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > MaxPathBytes)
            throw new LinuxException($"socket path {path}, longer than {MaxPathBytes} bytes", 36);
        var handle = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return handle.IsInvalid ? throw LinuxException.ForErrno("making a socket") : handle;
    }

    private static SockAddr AddressOf(string path)
    {
        var address = new SockAddr { Family = AF_UNIX };
        Encoding.UTF8.GetBytes(path, new Span<byte>(address.Path, MaxPathBytes));
        return address;
    }

    private static LinuxException Failed(SafeFileHandle handle, string doing)
    {
        var error = LinuxException.ForErrno(doing);
        handle.Dispose();
        return error;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int listen(SafeFileHandle fd, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle accept4(SafeFileHandle fd, void* address, void* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(SafeFileHandle fd, int how);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    /// <summary>struct sockaddr_un.</summary>
    private struct SockAddr
    {
        public ushort Family;
        public fixed byte Path[108];
    }
}
