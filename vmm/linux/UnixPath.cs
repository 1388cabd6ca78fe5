using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Sockets at paths of the file system (unix(7)), of any type.</summary>
internal static unsafe partial class UnixPath
{
    public const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x80000;

    private const int MaxPathBytes = 107, ENAMETOOLONG = 36;

    /// <exception cref="LinuxException">The path is too long for an address.</exception>
    public static void CheckLength(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > MaxPathBytes)
            throw new LinuxException($"socket path {path}, longer than {MaxPathBytes} bytes", ENAMETOOLONG);
    }

    /// <summary>A socket that is nowhere yet.</summary>
    /// <exception cref="LinuxException">No descriptor to be had.</exception>
    public static SafeFileHandle Open(int type)
    {
        var handle = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        return handle.IsInvalid ? throw LinuxException.ForErrno("making a socket") : handle;
    }

    /// <summary>One that is bound to a path. A socket file that is there already is replaced, as QEMU does.</summary>
    /// <exception cref="LinuxException">The path is too long, or cannot be bound.</exception>
    public static SafeFileHandle OpenBound(int type, string path, string doing)
    {
        var address = AddressOf(path);
        var handle = Open(type);
        _ = unlink(path);
        return bind(handle, &address, (uint)sizeof(SockAddr)) == 0 ? handle : throw Failed(handle, doing);
    }

    /// <summary>Connects a socket, which is closed when that fails.</summary>
    /// <exception cref="LinuxException">The path is too long, or nobody is there.</exception>
    public static void Connect(SafeFileHandle handle, string path, string doing)
    {
        try
        {
            var address = AddressOf(path);
            if (connect(handle, &address, (uint)sizeof(SockAddr)) != 0)
                throw LinuxException.ForErrno(doing);
        }
        catch (LinuxException)
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>sendto(2), whatever comes of it.</summary>
    /// <exception cref="LinuxException">The path is too long.</exception>
    public static void Send(SafeFileHandle handle, string path, ReadOnlySpan<byte> datagram)
    {
        var address = AddressOf(path);
        fixed (byte* bytes = datagram)
            _ = sendto(handle, bytes, (nuint)datagram.Length, 0, &address, (uint)sizeof(SockAddr));
    }

    /// <summary>unlink(2), whatever comes of it.</summary>
    public static void Remove(string path) => _ = unlink(path);

    /// <summary>What the last call failed with, once the socket is closed.</summary>
    public static LinuxException Failed(SafeFileHandle handle, string doing)
    {
        var error = LinuxException.ForErrno(doing);
        handle.Dispose();
        return error;
    }

    private static SockAddr AddressOf(string path)
    {
        CheckLength(path);
        var address = new SockAddr { Family = AF_UNIX };
        Encoding.UTF8.GetBytes(path, new Span<byte>(address.Path, MaxPathBytes));
        return address;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(SafeFileHandle fd, byte* bytes, nuint length, int flags, SockAddr* address, uint addressLength);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    /// <summary>struct sockaddr_un.</summary>
    private struct SockAddr
    {
        public ushort Family;
        public fixed byte Path[MaxPathBytes + 1];
    }
}
