using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Chardevs;

/// <summary>Where a socket is: a path, or a host and a port.</summary>
/// <param name="Path">Of a unix socket; null for TCP.</param>
/// <param name="Host">A name or an address; empty: all of this host's to listen, this host to connect.</param>
public sealed record SocketAddress(string? Path, string Host = "", ushort Port = 0)
{
    public override string ToString() => Path is null ? $"tcp:{Host}:{Port}" : $"unix:{Path}";
}

/// <summary>A chardev on a stream socket. A listening one serves one connection after the other.</summary>
public sealed class SocketChardev : Chardev
{
    private const int ReadBytes = 4096;
    private const int ThreadStackBytes = 512 * 1024;

    private readonly SocketAddress _address;
    private readonly bool _listens, _waits;
    private readonly SafeFileHandle _socket;

    // The descriptor lives as long as either is held; a writer may hold its own for long, when nobody reads.
    private readonly Lock _gate = new(), _writing = new();
    private SafeFileHandle? _peer;
    private bool _ended;

    /// <summary>Opens the socket; nobody is served before <see cref="Start"/>.</summary>
    /// <param name="listens">Listens there; otherwise connects to somebody who does.</param>
    /// <param name="waits">For a listening one: <see cref="Start"/> returns when the first has connected.</param>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public SocketChardev(string id, SocketAddress address, bool listens, bool waits)
        : base(id, listens ? $"{address},server=on" : address.ToString())
    {
        _address = address;
        (_listens, _waits) = (listens, listens && waits);
        _socket = address.Path is { } path
            ? listens ? UnixSocket.Listen(path) : UnixSocket.Connect(path)
            : listens ? TcpSocket.Listen(address.Host, address.Port) : TcpSocket.Connect(address.Host, address.Port);
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_writing)
        {
            if (Volatile.Read(ref _peer) is { } peer)
                _ = Descriptors.WriteAll((int)peer.DangerousGetHandle(), bytes);
        }
    }

    public override void Start()
    {
        var first = !_listens ? _socket : _waits ? UnixSocket.Accept(_socket) : null;
        new Thread(() => Serve(first), ThreadStackBytes) { IsBackground = true, Name = $"chardev {Id}" }.Start();
    }

    public override void Dispose()
    {
        _ended = true;
        lock (_gate)
        {
            // Whoever is in a read or a write comes back.
            if (_peer is not null)
                UnixSocket.Shutdown(_peer);
        }
        if (_listens)
        {
            UnixSocket.Shutdown(_socket);
            _socket.Dispose();
        }
        if (_listens && _address.Path is { } path)
            UnixSocket.Remove(path);
    }

    private void Serve(SafeFileHandle? first)
    {
        var bytes = new byte[ReadBytes];
        for (var peer = first ?? UnixSocket.Accept(_socket); peer is not null; peer = _listens ? UnixSocket.Accept(_socket) : null)
        {
            lock (_gate)
                _peer = peer;
            User?.OnConnected();
            if (_ended)
                return;
            var fd = (int)peer.DangerousGetHandle();
            for (int count; !_ended && (count = Descriptors.Read(fd, bytes)) > 0;)
                User?.OnReceived(bytes.AsSpan(0, count));
            lock (_gate)
                _peer = null;
            User?.OnDisconnected();
            lock (_writing)
                peer.Dispose();
        }
    }
}
