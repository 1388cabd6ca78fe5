using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Stream sockets over TCP as plain descriptors. The framework finds the addresses; its socket is not kept.</summary>
public static partial class TcpSocket
{
    private const int F_DUPFD_CLOEXEC = 1030;

    /// <summary>Binds and listens.</summary>
    /// <param name="host">A name or an address; empty: all of this host's.</param>
    /// <exception cref="LinuxException">It cannot be bound.</exception>
    public static SafeFileHandle Listen(string host, ushort port)
    {
        try
        {
            var address = host.Length == 0 ? IPAddress.Any : Resolve(host);
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen(1);
            return Duplicate(socket);
        }
        catch (SocketException why)
        {
            throw new LinuxException($"listening on {host}:{port} ({why.SocketErrorCode})", why.NativeErrorCode);
        }
    }

    /// <summary>Connects to a listening socket.</summary>
    /// <param name="host">A name or an address; empty: this host.</param>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    public static SafeFileHandle Connect(string host, ushort port)
    {
        try
        {
            var address = host.Length == 0 ? IPAddress.Loopback : Resolve(host);
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(new IPEndPoint(address, port));
            return Duplicate(socket);
        }
        catch (SocketException why)
        {
            throw new LinuxException($"connecting to {host}:{port} ({why.SocketErrorCode})", why.NativeErrorCode);
        }
    }

    internal static IPAddress Resolve(string host) =>
        IPAddress.TryParse(host, out var address) ? address : Dns.GetHostAddresses(host)[0];

    // The duplicate keeps the connection when the framework's socket is closed.
    internal static SafeFileHandle Duplicate(Socket socket)
    {
        var copy = fcntl((int)socket.Handle, F_DUPFD_CLOEXEC, 0);
        return copy < 0 ? throw LinuxException.ForErrno("duplicating a socket") : new SafeFileHandle(copy, ownsHandle: true);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int argument);
}
