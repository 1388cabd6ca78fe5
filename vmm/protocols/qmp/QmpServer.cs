using Gauntlet.Linux;
using Gauntlet.Vmm.Machines;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>
/// QMP on a unix socket: the QEMU Machine Protocol (QEMU, docs/interop/qmp-spec.rst), as far as a test harness uses it. One client at a time.
/// </summary>
public sealed class QmpServer : IDisposable
{
    private const int ThreadStackBytes = 512 * 1024;

    private readonly QmpCommands _commands;
    private readonly SafeFileHandle _socket;
    private readonly string? _path;
    private readonly object _gate = new();
    private SafeFileHandle? _client;
    private QmpSession? _session;
    private bool _ended;

    /// <summary>Opens the socket; nobody is served before <see cref="Start"/>.</summary>
    /// <param name="path">Of the socket.</param>
    /// <param name="listen">Listens there; otherwise connects to somebody who does.</param>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public QmpServer(string path, bool listen, QmpCommands commands)
    {
        _commands = commands;
        _socket = listen ? UnixSocket.Listen(path) : UnixSocket.Connect(path);
        _path = listen ? path : null;
    }

    /// <summary>Serves on a thread of its own.</summary>
    /// <param name="wait">Returns when the first client has connected.</param>
    public void Start(bool wait)
    {
        var first = _path is null ? _socket : wait ? UnixSocket.Accept(_socket) : null;
        new Thread(() => Serve(first), ThreadStackBytes) { IsBackground = true, Name = "QMP" }.Start();
    }

    /// <summary>Tells the client that is there, if any.</summary>
    public void OnMachineEvent(MachineEvent what)
    {
        QmpSession? session;
        lock (_gate)
            session = _session;
        session?.SendEvent(what);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
            if (_client is not null)
                UnixSocket.Shutdown(_client);
        }
        UnixSocket.Shutdown(_socket);
        _socket.Dispose();
        if (_path is not null)
            UnixSocket.Remove(_path);
    }

    private void Serve(SafeFileHandle? first)
    {
        for (var client = first ?? UnixSocket.Accept(_socket); client is not null; client = _path is null ? null : UnixSocket.Accept(_socket))
        {
            var session = new QmpSession((int)client.DangerousGetHandle(), _commands);
            lock (_gate)
            {
                if (_ended)
                {
                    client.Dispose();
                    return;
                }
                (_client, _session) = (client, session);
            }
            session.Run();
            lock (_gate)
                (_client, _session) = (null, null);
            client.Dispose();
        }
    }
}
