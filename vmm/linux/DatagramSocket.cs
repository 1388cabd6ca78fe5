using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Datagram sockets as plain descriptors, bound to one address and sending to another.</summary>
public static unsafe partial class DatagramSocket
{
    private const int SOL_SOCKET = 1, SO_TYPE = 3;

    /// <summary>In the file system. A socket file that is there already is replaced.</summary>
    /// <param name="remote">Where <see cref="Send"/> will send to; nobody has to be there yet.</param>
    /// <exception cref="LinuxException">A path is too long, or cannot be bound.</exception>
    public static SafeFileHandle OpenUnix(string local, string remote)
    {
        UnixPath.CheckLength(remote);
        return UnixPath.OpenBound(UnixPath.SOCK_DGRAM, local, $"binding {local}");
    }

    /// <summary>Sends to a path in the file system. Where nobody is, it is lost.</summary>
    /// <exception cref="LinuxException">The path is too long.</exception>
    public static void Send(SafeFileHandle handle, string path, ReadOnlySpan<byte> datagram) => UnixPath.Send(handle, path, datagram);

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
        return getsockopt(handle, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == UnixPath.SOCK_DGRAM;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(SafeFileHandle fd, int level, int name, int* value, uint* length);
}
