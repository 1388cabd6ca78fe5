using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Stream sockets in the file system, by the system calls themselves: the socket classes cost a process that only offers one some ten milliseconds.</summary>
public static unsafe partial class UnixSocket
{
    private const int SHUT_RDWR = 2;
    private const int EINTR = 4, ECONNABORTED = 103;

    /// <summary>Binds and listens. A socket file that is there already is replaced, as QEMU does.</summary>
    /// <exception cref="LinuxException">The path is too long, or cannot be bound.</exception>
    public static SafeFileHandle Listen(string path)
    {
        var handle = UnixPath.OpenBound(UnixPath.SOCK_STREAM, path, $"listening on {path}");
        return listen(handle, 1) == 0 ? handle : throw UnixPath.Failed(handle, $"listening on {path}");
    }

    /// <summary>Connects to a listening socket.</summary>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    public static SafeFileHandle Connect(string path)
    {
        var handle = UnixPath.Open(UnixPath.SOCK_STREAM);
        UnixPath.Connect(handle, path, $"connecting to {path}");
        return handle;
    }

    /// <summary>Two that are connected to each other; a program that is started inherits neither.</summary>
    /// <exception cref="LinuxException">No descriptors to be had.</exception>
    public static (SafeFileHandle First, SafeFileHandle Second) Pair()
    {
        var ends = stackalloc int[2];
        if (socketpair(UnixPath.AF_UNIX, UnixPath.SOCK_STREAM | UnixPath.SOCK_CLOEXEC, 0, ends) != 0)
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
                var handle = accept4(listener, null, null, UnixPath.SOCK_CLOEXEC);
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
    public static void Remove(string path) => UnixPath.Remove(path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int listen(SafeFileHandle fd, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle accept4(SafeFileHandle fd, void* address, void* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(SafeFileHandle fd, int how);
}
