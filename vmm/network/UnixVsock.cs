using System.Globalization;
using System.Text;
using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Network;

/// <summary>
/// The host's end of a socket device as Unix sockets, as Firecracker has it (docs/vsock.md there): who connects to <c>PATH</c> and sends <c>CONNECT 1234\n</c> reaches port
/// 1234 of the guest and is answered <c>OK 1073741824\n</c>, with the number of its own end; a guest that connects to port 1234 of the host reaches whoever listens at <c>PATH_1234</c>.
/// </summary>
public sealed class UnixVsock : IVsockHost, IDisposable
{
    /// <summary>Programs that have connected and not said where to; more wait.</summary>
    public const int MaxUnnamed = 64;

    // "CONNECT 4294967295\n", and some room for a carriage return.
    private const int MaxRequestBytes = 20;
    private const int ThreadStackBytes = 256 * 1024, MaxAtOnce = 16;
    private const ulong EndKey = 0, OtherKey = 1;

    private static ReadOnlySpan<byte> Request => "CONNECT "u8;

    private readonly string _path;
    private readonly SafeFileHandle _listener;
    private readonly EventPoll _poll = new();
    private readonly EventFd _end = new();
    private readonly List<Stream> _unnamed = [];
    private readonly Thread _thread;
    private Action _onChange = static () => { };

    /// <summary>Listens; nobody is served before <see cref="Connect"/>.</summary>
    /// <exception cref="LinuxException">The path is too long, or cannot be bound.</exception>
    public UnixVsock(string path)
    {
        _path = path;
        _listener = UnixSocket.Listen(path);
        _poll.Add(_end, EndKey);
        _thread = new Thread(Serve, ThreadStackBytes) { IsBackground = true, Name = "vsock" };
    }

    public void Connect(Action onChange)
    {
        _onChange = onChange;
        _poll.Add(_listener, OtherKey);
        _thread.Start();
    }

    public IVsockStream? TryOpen(uint port)
    {
        var socket = NonBlockingSocket.TryConnect(string.Create(CultureInfo.InvariantCulture, $"{_path}_{port}"));
        return socket is null ? null : NewStream(socket);
    }

    public IVsockStream? TakeIncoming(out uint port)
    {
        while (_unnamed.Count < MaxUnnamed && NonBlockingSocket.TryAccept(_listener) is { } socket)
        {
            if (NewStream(socket) is { } stream)
                _unnamed.Add(stream);
        }
        for (var i = 0; i < _unnamed.Count; i++)
        {
            var stream = _unnamed[i];
            var state = stream.ReadRequest(out port);
            if (state == RequestState.Incomplete)
                continue;
            _unnamed.RemoveAt(i--);
            if (state == RequestState.Complete)
                return stream;
            stream.Dispose();
        }
        port = 0;
        return null;
    }

    public void Dispose()
    {
        foreach (var stream in _unnamed)
            stream.Dispose();
        _unnamed.Clear();
        _end.Signal();
        if (_thread.ThreadState.HasFlag(ThreadState.Unstarted) || _thread == Thread.CurrentThread)
            Close();
        // The thread may wait for the device lock, which whoever disposes may hold: it closes what it waits for itself.
    }

    private enum RequestState
    {
        Incomplete,
        Complete,
        Wrong,
    }

    private Stream? NewStream(SafeFileHandle socket)
    {
        try
        {
            _poll.Add(socket, OtherKey);
            return new Stream(socket);
        }
        catch (LinuxException)
        {
            socket.Dispose();
            return null;
        }
    }

    private void Serve()
    {
        Span<ulong> keys = stackalloc ulong[MaxAtOnce];
        while (true)
        {
            var count = _poll.Wait(keys);
            if (keys[..count].Contains(EndKey))
            {
                Close();
                return;
            }
            _onChange();
        }
    }

    private void Close()
    {
        UnixSocket.Remove(_path);
        _listener.Dispose();
        _poll.Dispose();
        _end.Dispose();
    }

    private sealed class Stream(SafeFileHandle socket) : IVsockStream
    {
        private readonly byte[] _request = new byte[MaxRequestBytes];
        private int _requestBytes;

        public bool IsHungUp => NonBlockingSocket.IsHungUp(socket);

        public RequestState ReadRequest(out uint port)
        {
            port = 0;
            // Byte by byte: what follows the line is the guest's.
            while (_requestBytes < MaxRequestBytes)
            {
                var count = NonBlockingSocket.Receive(socket, _request.AsSpan(_requestBytes, 1));
                if (count == NonBlockingSocket.Later)
                    return RequestState.Incomplete;
                if (count <= 0)
                    return RequestState.Wrong;
                if (_request[_requestBytes++] != (byte)'\n')
                    continue;
                var line = _request.AsSpan(0, _requestBytes - 1).TrimEnd((byte)'\r');
                return line.StartsWith(Request) && uint.TryParse(line[Request.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out port)
                    ? RequestState.Complete
                    : RequestState.Wrong;
            }
            return RequestState.Wrong;
        }

        // A socket that nothing was written to yet has room for it.
        public void NoteAccepted(uint port) => _ = NonBlockingSocket.Send(socket, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"OK {port}\n")));

        public int Receive(Span<byte> destination) => NonBlockingSocket.Receive(socket, destination) switch
        {
            NonBlockingSocket.Gone => 0,
            var count => count,
        };

        public int Send(ReadOnlySpan<byte> source) => NonBlockingSocket.Send(socket, source) switch
        {
            NonBlockingSocket.Later => 0,
            NonBlockingSocket.Gone => -1,
            var count => count,
        };

        public void EndSending() => NonBlockingSocket.EndSending(socket);

        public void Dispose() => socket.Dispose();
    }
}
