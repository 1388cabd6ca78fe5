using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Datagram sockets as plain descriptors, bound to one address and sending to another.</summary>
public static unsafe partial class DatagramSocket
{
    private const int AF_UNIX = 1, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x80000, SOL_SOCKET = 1, SO_TYPE = 3;
    private const int MaxPathBytes = 107;

    /// <summary>In the file system. A socket file that is there already is replaced.</summary>
    /// <param name="remote">Need not be there yet; what is sent before is lost. Null: it only receives.</param>
    /// <exception cref="LinuxException">A path is too long, or cannot be bound.</exception>
    public static SafeFileHandle OpenUnix(string local, string? remote)
    {
        var handle = Socket(local);
        _ = unlink(local);
        var address = AddressOf(local);
        if (bind(handle, &address, (uint)sizeof(SockAddr)) != 0)
            throw Failed(handle, $"binding {local}");
        if (remote is not null)
        {
            address = AddressOf(remote);
            if (connect(handle, &address, (uint)sizeof(SockAddr)) != 0)
                throw Failed(handle, $"connecting {local} to {remote}");
        }
        return handle;
    }

    /// <summary>Over UDP.</summary>
    /// <exception cref="LinuxException">An address is not known, or taken.</exception>
    public static SafeFileHandle OpenUdp(string localHost, ushort localPort, string remoteHost, ushort remotePort)
    {
        try
        {
            var remote = new IPEndPoint(TcpSocket.Resolve(remoteHost), remotePort);
            using var socket = new Socket(remote.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(localHost.Length == 0 ? IPAddress.Any : TcpSocket.Resolve(localHost), localPort));
            socket.Connect(remote);
            return TcpSocket.Duplicate(socket);
        }
        catch (SocketException why)
        {
            throw new LinuxException($"opening UDP {localHost}:{localPort} to {remoteHost}:{remotePort} ({why.SocketErrorCode})", why.NativeErrorCode);
        }
    }

    /// <summary>Whether a descriptor is a datagram socket; false as well for one that is none at all.</summary>
    public static bool IsDatagram(SafeFileHandle handle)
    {
        var type = 0;
        var length = (uint)sizeof(int);
        return getsockopt(handle, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
    }

    private static SafeFileHandle Socket(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > MaxPathBytes)
            throw new LinuxException($"socket path {path}, longer than {MaxPathBytes} bytes", 36);
        var handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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
    private static partial int bind(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(SafeFileHandle fd, SockAddr* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(SafeFileHandle fd, int level, int name, int* value, uint* length);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    /// <summary>struct sockaddr_un.</summary>
    private struct SockAddr
    {
        public ushort Family;
        public fixed byte Path[108];
    }
}
